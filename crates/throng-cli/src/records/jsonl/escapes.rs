//! JSON without characters that a terminal obeys. JSON requires escapes for control characters
//! below U+0020 only; here DEL, U+0080 to U+009F and those that change the direction of text are
//! escaped too. A reader of the JSON gets the same text either way.

use std::io::{self, Write};

use memchr::memchr3_iter;
use serde_json::ser::Formatter;

/// Otherwise the compact form of `serde_json`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        let bytes = fragment.as_bytes();
        let mut written = 0;
        // The first bytes of these characters in UTF-8.
        for at in memchr3_iter(0x7f, 0xc2, 0xe2, bytes) {
            let Some(char) = fragment[at..]
                .chars()
                .next()
                .filter(|char| is_obeyed(*char))
            else {
                continue;
            };
            writer.write_all(&bytes[written..at])?;
            write!(writer, "\\u{:04x}", u32::from(char))?;
            written = at + char.len_utf8();
        }
        writer.write_all(&bytes[written..])
    }
}

fn is_obeyed(char: char) -> bool {
    matches!(char,
        '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Serialize as _;
    use serde_json::Serializer;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut out, Harmless);
        text.serialize(&mut serializer).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn terminal_control_characters_are_escaped() {
        assert_eq!(
            written("a\u{1b}\u{7f}é\u{9b}31m\u{a0}\u{202e}…\u{2069}"),
            "\"a\\u001b\\u007fé\\u009b31m\u{a0}\\u202e…\\u2069\""
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_and_contains_no_control_characters(
            text in "(\\PC|[\u{7f}-\u{a0}\u{2020}-\u{2070}\n\"\\\\é]){0,20}",
        ) {
            let json = written(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            prop_assert!(!json.contains(|char: char| char.is_control() || is_obeyed(char)));
        }
    }
}
