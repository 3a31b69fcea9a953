//! Ctrl-Z: what we have started stands still with us, and goes on with us.

use std::sync::{Arc, Weak};

use throng::Throng;

use crate::{progress, sys, text};

/// Has the commands stop and go on with us, where the system has such a thing.
pub(crate) fn watch(throng: &Arc<Throng>) -> anyhow::Result<()> {
    let callback = |act: fn(&Throng)| {
        let throng = Arc::downgrade(throng);
        Box::new(move || Weak::upgrade(&throng).iter().for_each(|throng| act(throng)))
    };
    let suspend = |throng: &Throng| {
        progress::hide();
        if !throng.suspend() {
            text::complain(format_args!("not all commands stand still yet"));
        }
    };
    sys::watch_stops(callback(suspend), callback(Throng::resume))?;
    Ok(())
}
