//! Lines for people, on stderr. Nothing is done about a stderr that cannot be written.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use crate::progress;

/// One line that names us and what is wrong.
pub(crate) fn complain(message: fmt::Arguments<'_>) {
    let line = format!("throng: {message}\n");
    let _ = progress::aside(|| std::io::stderr().write_all(line.as_bytes()));
}

/// Lines that are to stay together, with their ends.
pub(crate) fn print_lines(lines: &str) {
    let _ = std::io::stderr().write_all(lines.as_bytes());
}

/// Bytes as a user would know them again: in quotes, cut short, with what is no text as `\xff`.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    const LONGEST: usize = 60;
    let mut shown = on_one_line(bytes);
    if shown.chars().count() > LONGEST {
        shown = shown.chars().take(LONGEST - 3).collect::<String>() + "...";
    }
    format!("\"{shown}\"")
}

/// Bytes as text without control characters.
pub(crate) fn on_one_line(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_control() {
                shown.extend(char.escape_default());
            } else {
                shown.push(char);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_on_one_line_and_cut_short() {
        assert_eq!(quoted(b"a'b\n\xff\xc3\xa9"), "\"a'b\\n\\xff\u{e9}\"");
        assert_eq!(quoted(&[b'x'; 99]).len(), 62);
    }
}
