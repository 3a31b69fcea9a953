//! Shows text that other programs or users have chosen (names of programs, directories, command
//! lines) on one line.
//!
//! A terminal obeys control characters and a log is read line by line, so a process could choose a
//! name that draws over the screen, or that looks like lines of this program. Characters that are
//! invisible, or change how the rest is displayed, are shown as escapes. Backslashes are not
//! escaped: the result is for people, and cannot be parsed back.

use std::fmt::Write as _;

/// The maximum number of characters shown of text that another process has chosen.
const LONGEST: usize = 60;

/// Replaces the rest.
const CUT: &str = "...";

/// Bytes as text on one line, with invisible characters as `\n`, `\u{202e}` or `\xff`.
pub fn escaped(bytes: &[u8]) -> String {
    let mut shown = String::new();
    each_escaped(bytes, |piece| {
        shown.push_str(piece);
        true
    });
    shown
}

/// The same, shortened to a limited number of characters.
pub fn shortened(bytes: &[u8]) -> String {
    let mut shown = String::new();
    let (mut length, mut end) = (0, 0);
    each_escaped(bytes, |piece| {
        length += piece.chars().count();
        if length <= LONGEST - CUT.len() {
            end = shown.len() + piece.len();
        }
        shown.push_str(piece);
        length <= LONGEST
    });
    if length > LONGEST {
        shown.truncate(end);
        shown.push_str(CUT);
    }
    shown
}

/// Calls this with each character in its displayed form, until it returns `false`.
fn each_escaped(bytes: &[u8], mut show: impl FnMut(&str) -> bool) {
    let mut piece = String::new();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            piece.clear();
            if is_seen(char) {
                piece.push(char);
            } else {
                piece.extend(char.escape_default());
            }
            if !show(&piece) {
                return;
            }
        }
        for byte in chunk.invalid() {
            piece.clear();
            // Writing to a string does not fail.
            let _ = write!(piece, "\\x{byte:02x}");
            if !show(&piece) {
                return;
            }
        }
    }
}

/// Whether a character shows itself, and does not change how others are shown: it is no control
/// character (Cc), no format character (Cf: directions, joiners, tags) and ends no line (Zl, Zp),
/// by the general categories of Unicode 16.
fn is_seen(char: char) -> bool {
    let changes_others = matches!(
        char,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
    );
    !char.is_control() && !changes_others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escaped("a'b \"é\" \\ 日本".as_bytes()), "a'b \"é\" \\ 日本");
        assert_eq!(
            escaped(b"\x1b[31m\n\r\t\x07\x7f"),
            r"\u{1b}[31m\n\r\t\u{7}\u{7f}"
        );
        assert_eq!(escaped("\u{9b}31m".as_bytes()), r"\u{9b}31m");
        assert_eq!(
            escaped("\u{202e}gnp\u{2066}\u{2028}\u{200d}\u{e0041}".as_bytes()),
            r"\u{202e}gnp\u{2066}\u{2028}\u{200d}\u{e0041}"
        );
        // Accents that follow their letter are visible.
        assert_eq!(escaped("e\u{301}".as_bytes()), "e\u{301}");
        assert_eq!(escaped(b"a\xff\xc3"), r"a\xff\xc3");
    }

    #[test]
    fn long_text_is_cut_but_not_inside_an_escape() {
        assert_eq!(shortened(&[b'x'; LONGEST]), "x".repeat(LONGEST));
        let cut = format!("{}...", "x".repeat(LONGEST - 3));
        assert_eq!(shortened(&[b'x'; LONGEST + 1]), cut);
        assert_eq!(shortened(&vec![b'x'; 1 << 20]), cut);
        let line = [&[b'x'; LONGEST - 4][..], &[0x1b; 9]].concat();
        assert_eq!(shortened(&line), format!("{}...", "x".repeat(LONGEST - 4)));
    }
}
