//! Ctrl-Z. The terminal sends SIGTSTP to us and not to our commands, which are in groups of their
//! own; and their clocks are ours.

use std::io;
use std::thread;

use signal_hook::consts::{SIGSTOP, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level::raise;

use super::tty::has_job_control;
use super::{ignored_signals, stat_fields};
use crate::sys::api::OnStop;

/// Whether a process is stopped, according to /proc.
pub(crate) fn is_stopped(pid: u32) -> bool {
    stat_fields(pid).is_some_and(|fields| fields.starts_with('T'))
}

/// The name of a signal, or else its number.
pub(crate) fn signal_name(signal: i32) -> String {
    let name = signal_hook::low_level::signal_name(signal);
    name.map_or_else(|| format!("signal {signal}"), String::from)
}

/// Calls back before we stop and after we have been continued, on a thread of its own. A shell
/// without job control starts us with the signal ignored; then it stays so. Where nobody would
/// continue us we go on, as the system has it without a handler.
pub(crate) fn watch_stops(mut before: OnStop, mut after: OnStop) -> io::Result<()> {
    if ignored_signals() >> (SIGTSTP - 1) & 1 != 0 {
        return Ok(());
    }
    let mut signals = Signals::new([SIGTSTP])?;
    let body = move || {
        for _ in signals.forever() {
            if !has_job_control() {
                continue;
            }
            before();
            // All of us stops here, and this goes on at SIGCONT.
            let _ = raise(SIGSTOP);
            after();
        }
    };
    thread::Builder::new().name("stops".into()).spawn(body)?;
    Ok(())
}
