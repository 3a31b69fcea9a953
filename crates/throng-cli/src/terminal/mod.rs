//! Our terminal: stderr, and the view of a run that is drawn there. A line for stderr goes around
//! the view. Nothing is done about a stderr that cannot be written.

pub(crate) mod progress;
pub(crate) mod sink;

use std::fmt;
use std::io::Write as _;

use crate::text::complaint;

/// Prints one line with our name and what is wrong; see [`complaint`].
pub(crate) fn complain(message: fmt::Arguments<'_>) {
    let line = complaint(&message.to_string());
    let _ = progress::aside(|| std::io::stderr().write_all(line.as_bytes()));
}

/// The same for a thread that must not wait for whoever reads stderr.
pub(crate) fn complain_aside(message: String) {
    aside(move || complain(format_args!("{message}")));
}

/// Does this on a thread of its own, for it may wait for whoever reads stderr. Where the system has
/// no thread, nothing is said.
pub(crate) fn aside(say: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("words".into());
    let _ = thread.spawn(say);
}

/// Lines that are to stay together, with their ends. What is in them has been escaped.
pub(crate) fn print_lines(lines: &str) {
    let _ = progress::aside(|| std::io::stderr().write_all(lines.as_bytes()));
}
