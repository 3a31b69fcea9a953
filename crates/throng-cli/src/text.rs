//! Text for people. What others have chosen is escaped, so that a terminal does not obey it.

use std::ffi::OsStr;

use throng::text;

/// A message as a line that begins with our name. Names in it come from elsewhere (a path, a
/// command line, an error that contains them), so they are escaped, and a terminal cannot obey
/// them.
pub(crate) fn message_line(message: &str) -> String {
    format!("throng: {}\n", on_one_line(message.as_bytes()))
}

/// Bytes as a user would recognize them: in quotes, shortened, with invalid UTF-8 as `\xff`.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", text::shortened(bytes))
}

/// The same of a path, a program or another word of the system.
pub(crate) fn quoted_name(name: impl AsRef<OsStr>) -> String {
    quoted(name.as_ref().as_encoded_bytes())
}

/// The same, shortened in the middle: commands that differ in their last value begin alike.
pub(crate) fn quoted_ends(bytes: &[u8]) -> String {
    const LONGEST: usize = 60;
    const BEGIN: usize = 20;
    let pieces: Vec<String> = bytes
        .utf8_chunks()
        .flat_map(|chunk| {
            let chars = chunk.valid().char_indices().map(|(at, char)| {
                let bytes = &chunk.valid().as_bytes()[at..at + char.len_utf8()];
                text::escaped(bytes)
            });
            let rest = chunk.invalid().iter().map(|byte| text::escaped(&[*byte]));
            chars.chain(rest).collect::<Vec<_>>()
        })
        .collect();
    let length: usize = pieces.iter().map(|piece| piece.chars().count()).sum();
    if length <= LONGEST {
        return format!("\"{}\"", pieces.concat());
    }
    let up_to = |pieces: &mut dyn Iterator<Item = &String>, most: usize| {
        let mut length = 0;
        pieces
            .take_while(|piece| {
                length += piece.chars().count();
                length <= most
            })
            .count()
    };
    let begin = up_to(&mut pieces.iter(), BEGIN);
    let end = up_to(&mut pieces.iter().rev(), LONGEST - BEGIN - "...".len());
    let [begin, end] = [&pieces[..begin], &pieces[pieces.len() - end..]];
    format!("\"{}...{}\"", begin.concat(), end.concat())
}

/// Whether there is nothing but whitespace.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(is_blank_byte)
}

/// ASCII whitespace, as for C's `isspace`: space, tab, line ends, form feed, vertical tab.
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

/// Appends bytes that stand in the output of commands, such as a tag: as they are, except
/// characters that a terminal obeys, or that end a line. Tabs stay, and so does invalid UTF-8,
/// except bytes that terminals without UTF-8 obey.
pub(crate) fn push_harmless(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            let mut buffer = [0; 4];
            if is_obeyed(char) {
                out.extend(char.escape_default().map(|char| char as u8));
            } else {
                out.extend_from_slice(char.encode_utf8(&mut buffer).as_bytes());
            }
        }
        for byte in chunk.invalid() {
            match byte {
                0x80..=0x9f => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
                byte => out.push(*byte),
            }
        }
    }
}

/// Control characters except the tab, line ends, and what changes the direction of text.
fn is_obeyed(char: char) -> bool {
    let is_control = char.is_control() && char != '\t';
    is_control || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_cut_in_the_middle_but_not_inside_an_escape() {
        let cut = quoted_ends(format!("convert {} /data/7.png", "-x y ".repeat(30)).as_bytes());
        assert_eq!(cut.len(), 62);
        assert!(
            cut.starts_with("\"convert -x y -x y") && cut.ends_with(" /data/7.png\""),
            "{cut}"
        );
        assert_eq!(quoted_ends(&[b'x'; 60]), format!("\"{}\"", "x".repeat(60)));
        let escapes = quoted_ends(&[0x1b; 99]);
        assert_eq!(
            escapes,
            format!("\"{0}{0}{0}...{0}{0}{0}{0}{0}{0}\"", r"\u{1b}")
        );
        assert_eq!(quoted_ends(b"a\xff\n"), r#""a\xff\n""#);
    }

    #[test]
    fn text_mixed_into_output_has_no_control_characters() {
        for (bytes, expected) in [
            (&b"a\tb \\ \xc3\xa9\xff"[..], &b"a\tb \\ \xc3\xa9\xff"[..]),
            (b"\x1b[2J\x07\n\r\x7f", br"\u{1b}[2J\u{7}\n\r\u{7f}"),
            (b"\xc2\x9b2J \x9b2J", br"\u{9b}2J \x9b2J"),
            (
                "\u{202e}x\u{200d}".as_bytes(),
                "\\u{202e}x\u{200d}".as_bytes(),
            ),
        ] {
            let mut out = Vec::new();
            push_harmless(&mut out, bytes);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn whitespace_is_that_of_c() {
        assert!(is_blank(b" \t\n\x0b\x0c\r") && is_blank(b""));
        assert!(!is_blank(b" a") && !is_blank(b"\0") && !is_blank(b"\xc2\xa0"));
        assert_eq!(trim_start(b"\x0b a \x0c"), b"a \x0c");
        assert_eq!(trim_end(b"\x0b a \x0c"), b"\x0b a");
        assert_eq!((trim_start(b" "), trim_end(b" ")), (&b""[..], &b""[..]));
    }

    #[test]
    fn bytes_are_shown_on_one_line_and_truncated() {
        assert_eq!(quoted(b"a'b\n\xff\xc3\xa9"), "\"a'b\\n\\xff\u{e9}\"");
        assert_eq!(quoted(&[b'x'; 99]).len(), 62);
        assert_eq!(
            message_line("a\x1b[2J\nthrong: b"),
            "throng: a\\u{1b}[2J\\nthrong: b\n"
        );
    }
}
