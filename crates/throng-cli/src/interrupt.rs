//! Ctrl-C: once ends the run in good order, twice at once, a third time whatever happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

use throng::Throng;

use crate::exit::Exit;
use crate::{sys, text};

/// Whether a signal has asked us to end, and which was the first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupts {
    first: Arc<AtomicI32>,
}

impl Interrupts {
    pub(crate) fn watch(throng: &Arc<Throng>) -> anyhow::Result<Interrupts> {
        let interrupts = Interrupts::default();
        let first = interrupts.first.clone();
        let throng = Arc::downgrade(throng);
        let times = AtomicU32::new(0);
        let on_signal = move |number| {
            let _ = first.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
            let Some(throng) = throng.upgrade() else {
                return;
            };
            match times.fetch_add(1, Ordering::SeqCst) {
                0 => throng.cancel(),
                1 => {
                    text::complain(format_args!("killing what still runs"));
                    throng.kill();
                    exit_soon(number);
                }
                _ => std::process::exit(Exit::Signal(number).code().into()),
            }
        };
        sys::watch_interrupts(Box::new(on_signal))?;
        Ok(interrupts)
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        let number = self.first.load(Ordering::SeqCst);
        (number != 0).then_some(Exit::Signal(number))
    }
}

/// A stdout that nobody reads can keep us from ever getting to the end. What we started dies with
/// us, so leaving is safe.
fn exit_soon(number: i32) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        std::process::exit(Exit::Signal(number).code().into());
    });
}
