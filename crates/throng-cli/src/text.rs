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

/// Whether there is nothing but blanks.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(is_blank_byte)
}

/// A blank of ASCII, as C's `isspace` has it: space, tab, line ends, form feed, vertical tab.
pub(crate) fn is_blank_byte(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

pub(crate) fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_blank_byte(byte));
    &bytes[start.unwrap_or(bytes.len())..]
}

pub(crate) fn trim_end(bytes: &[u8]) -> &[u8] {
    let last = bytes.iter().rposition(|byte| !is_blank_byte(byte));
    &bytes[..last.map_or(0, |last| last + 1)]
}

/// Bytes as text without control characters.
pub(crate) fn on_one_line(bytes: &[u8]) -> String {
    text::escaped(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_those_of_c() {
        assert!(is_blank(b" \t\n\x0b\x0c\r") && is_blank(b""));
        assert!(!is_blank(b" a") && !is_blank(b"\0") && !is_blank(b"\xc2\xa0"));
        assert_eq!(trim_start(b"\x0b a \x0c"), b"a \x0c");
        assert_eq!(trim_end(b"\x0b a \x0c"), b"\x0b a");
        assert_eq!((trim_start(b" "), trim_end(b" ")), (&b""[..], &b""[..]));
    }

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
