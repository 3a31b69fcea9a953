//! Ctrl-Z: the commands are suspended and continued with the program.

use std::sync::{Arc, Weak};

use throng::Throng;

use crate::sys::{self, Tty};
use crate::terminal;

/// Has the commands suspended and continued with the program, if the system supports that.
pub(crate) fn watch(throng: &Arc<Throng>, tty: Option<&Tty>) -> anyhow::Result<()> {
    let callback = |act: fn(&Throng, Option<&Tty>)| {
        let (throng, tty) = (Arc::downgrade(throng), tty.cloned());
        Box::new(move || {
            let throng = Weak::upgrade(&throng);
            throng.iter().for_each(|throng| act(throng, tty.as_ref()));
        })
    };
    let suspend = |throng: &Throng, tty: Option<&Tty>| {
        terminal::hide_view();
        tty.iter().for_each(|tty| tty.suspend());
        if !throng.suspend() {
            terminal::warn(format_args!("not all commands stand still yet"));
        }
    };
    let resume = |throng: &Throng, tty: Option<&Tty>| {
        if let (Some(tty), Some(running)) = (tty, throng.running(1).first()) {
            tty.resume(running.pid);
        }
        throng.resume();
    };
    sys::watch_stops(callback(suspend), callback(resume))?;
    Ok(())
}
