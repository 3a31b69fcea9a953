//! Ctrl-Z. The terminal sends SIGTSTP to us and not to our commands, which are in groups of their
//! own; and their clocks are ours.

use std::io;
use std::thread;

use signal_hook::consts::{SIGSTOP, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level::raise;

use super::ignored_signals;
use crate::sys::OnStop;

/// Calls back before we stop and after we have been continued, on a thread of its own. A shell
/// without job control starts us with the signal ignored; then it stays so.
pub(crate) fn watch_stops(mut before: OnStop, mut after: OnStop) -> io::Result<()> {
    if ignored_signals() >> (SIGTSTP - 1) & 1 != 0 {
        return Ok(());
    }
    let mut signals = Signals::new([SIGTSTP])?;
    let body = move || {
        for _ in signals.forever() {
            before();
            // All of us stops here, and this goes on at SIGCONT.
            let _ = raise(SIGSTOP);
            after();
        }
    };
    thread::Builder::new().name("stops".into()).spawn(body)?;
    Ok(())
}
