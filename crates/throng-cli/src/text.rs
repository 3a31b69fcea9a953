//! Lines for people, on stderr. Nothing is done about a stderr that cannot be written.

use std::fmt;
use std::io::Write as _;

use throng::text;

use crate::progress;

/// Prints one line with our name and what is wrong; see [`complaint`].
pub(crate) fn complain(message: fmt::Arguments<'_>) {
    let line = complaint(&message.to_string());
    let _ = progress::aside(|| std::io::stderr().write_all(line.as_bytes()));
}

/// The line of a complaint, with its end. Names in it are text from elsewhere (a path, a command
/// line, what an error reports of them), so they are escaped and reach a terminal only as text.
pub(crate) fn complaint(message: &str) -> String {
    format!("throng: {}\n", on_one_line(message.as_bytes()))
}

/// Lines that are to stay together, with their ends.
pub(crate) fn print_lines(lines: &str) {
    let _ = std::io::stderr().write_all(lines.as_bytes());
}

/// Bytes as a user would know them again: in quotes, cut short, with what is no text as `\xff`.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", text::shortened(bytes))
}

/// Bytes as text without control characters.
pub(crate) fn on_one_line(bytes: &[u8]) -> String {
    text::escaped(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_on_one_line_and_cut_short() {
        assert_eq!(quoted(b"a'b\n\xff\xc3\xa9"), "\"a'b\\n\\xff\u{e9}\"");
        assert_eq!(quoted(&[b'x'; 99]).len(), 62);
        assert_eq!(
            complaint("a\x1b[2J\nthrong: b"),
            "throng: a\\u{1b}[2J\\nthrong: b\n"
        );
    }
}
