//! Lines for people, on stderr. Nothing is done about a stderr that cannot be written.

use std::fmt;
use std::io::Write;

/// One line that names us and what is wrong.
pub(crate) fn complain(message: fmt::Arguments<'_>) {
    let line = format!("throng: {message}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
