//! The command as it was written, with places for values in it.

use std::ffi::{OsStr, OsString};

use anyhow::bail;

use crate::{shell, sys};

/// A command with places in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    words: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    /// `{}`
    Values,
    /// `{1}` is 0.
    Value(usize),
    /// `{#}`
    Seq,
    /// `{%}`
    Slot,
}

/// What goes into the places.
#[derive(Clone, Debug)]
pub(crate) struct Fill<'a> {
    pub(crate) values: &'a [Vec<u8>],
    pub(crate) seq: u64,
    pub(crate) slot: usize,
}

impl Template {
    /// Reads a command. A command that names no value gets it as its last argument.
    pub(crate) fn parse(words: &[OsString], sources: usize) -> anyhow::Result<Template> {
        let mut words: Vec<_> = words.iter().map(|word| parse_word(word)).collect();
        let mut pieces = words.iter().flatten();
        if !pieces.any(|piece| matches!(piece, Piece::Values | Piece::Value(_))) {
            words.push(vec![Piece::Values]);
        }
        for piece in words.iter().flatten() {
            match piece {
                Piece::Value(n) if *n >= sources => {
                    bail!("{{{}}} names source {0}, and there are {sources}", n + 1);
                }
                _ => {}
            }
        }
        Ok(Template { words })
    }

    pub(crate) fn uses_slot(&self) -> bool {
        self.words
            .iter()
            .flatten()
            .any(|piece| *piece == Piece::Slot)
    }

    /// The argv. A word that is nothing but `{}` becomes one word for each value.
    pub(crate) fn argv(&self, fill: &Fill<'_>) -> Vec<OsString> {
        let mut argv = Vec::with_capacity(self.words.len());
        for word in &self.words {
            if let [Piece::Values] = word[..] {
                argv.extend(fill.values.iter().cloned().map(sys::os_string));
                continue;
            }
            let mut bytes = Vec::new();
            for piece in word {
                piece.write(fill, |value| value.to_vec(), &mut bytes);
            }
            argv.push(sys::os_string(bytes));
        }
        argv
    }

    /// A script for the shell: the words as they were written, each value quoted as one word.
    pub(crate) fn script(&self, fill: &Fill<'_>) -> OsString {
        let mut script = Vec::new();
        for (i, word) in self.words.iter().enumerate() {
            if i > 0 {
                script.push(b' ');
            }
            for piece in word {
                piece.write(fill, shell::quote, &mut script);
            }
        }
        sys::os_string(script)
    }
}

impl Piece {
    fn write(&self, fill: &Fill<'_>, quote: impl Fn(&[u8]) -> Vec<u8>, out: &mut Vec<u8>) {
        match self {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Values => {
                let values: Vec<_> = fill.values.iter().map(|value| quote(value)).collect();
                out.extend_from_slice(&values.join(&b' '));
            }
            Piece::Value(n) => {
                let value = fill.values.get(*n).map(|value| quote(value));
                out.extend_from_slice(&value.unwrap_or_default());
            }
            Piece::Seq => out.extend_from_slice(fill.seq.to_string().as_bytes()),
            Piece::Slot => out.extend_from_slice(fill.slot.to_string().as_bytes()),
        }
    }
}

fn parse_word(word: &OsStr) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut rest = word.as_encoded_bytes();
    while let Some(first) = rest.first() {
        let Some((piece, length)) = parse_place(rest) else {
            text.push(*first);
            rest = &rest[1..];
            continue;
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(piece);
        rest = &rest[length..];
    }
    if !text.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// The place at the start of these bytes, and how long it is. Braces around anything else are
/// just braces.
fn parse_place(bytes: &[u8]) -> Option<(Piece, usize)> {
    let inner = bytes.strip_prefix(b"{")?;
    let end = inner.iter().position(|byte| *byte == b'}')?;
    let piece = match &inner[..end] {
        b"" => Piece::Values,
        b"#" => Piece::Seq,
        b"%" => Piece::Slot,
        digits if digits.iter().all(u8::is_ascii_digit) => {
            let number: usize = str::from_utf8(digits).ok()?.parse().ok()?;
            Piece::Value(number.checked_sub(1)?)
        }
        _ => return None,
    };
    Some((piece, end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn argv(words: &[&str], values: &[&str]) -> Vec<OsString> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let values: Vec<Vec<u8>> = values.iter().map(|v| v.as_bytes().to_vec()).collect();
        let template = Template::parse(&words, values.len()).unwrap();
        template.argv(&Fill {
            values: &values,
            seq: 7,
            slot: 3,
        })
    }

    #[test]
    fn places_are_filled_and_a_missing_one_is_appended() {
        assert_eq!(argv(&["echo"], &["a b"]), ["echo", "a b"]);
        assert_eq!(argv(&["x", "<{}>", "{#}-{%}"], &["v"]), ["x", "<v>", "7-3"]);
        assert_eq!(argv(&["x", "{2}{1}"], &["a", "b"]), ["x", "ba"]);
        assert_eq!(
            argv(&["x", "{}", "={}"], &["a", "b"]),
            ["x", "a", "b", "=a b"]
        );
        assert_eq!(argv(&["{}", ""], &["prog"]), ["prog", ""]);
    }

    #[test]
    fn other_braces_are_text() {
        assert_eq!(
            argv(&["awk", "{print $1}", "{", "{}}"], &["f"]),
            ["awk", "{print $1}", "{", "f}"]
        );
        assert_eq!(argv(&["x", "{0}{a}{{}"], &["f"]), ["x", "{0}{a}{f"]);
    }

    #[test]
    fn a_source_that_is_not_there_is_named() {
        let error = Template::parse(&["x".into(), "{3}".into()], 2).unwrap_err();
        assert_eq!(error.to_string(), "{3} names source 3, and there are 2");
    }

    proptest! {
        #[test]
        fn values_reach_the_argv_byte_for_byte(
            text in prop::collection::vec(any::<u8>(), 0..20),
            value in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let word: Vec<u8> = text.into_iter().filter(|b| !b"{}".contains(b)).collect();
            let whole = [&word[..], b"{}", &word].concat();
            let template = Template::parse(&[sys::os_string(whole)], 1).unwrap();
            let values = [value.clone()];
            let fill = Fill { values: &values, seq: 1, slot: 1 };
            let expected = [&word[..], &value, &word].concat();
            let argv = template.argv(&fill);
            prop_assert_eq!(argv[0].as_encoded_bytes(), &expected[..]);
        }

        #[test]
        fn a_quoted_value_is_one_word_for_the_shell(
            value in prop::collection::vec(1u8..=255, 0..20),
        ) {
            let template = Template::parse(&["echo".into(), "x{}y".into()], 1).unwrap();
            let values = [value.clone()];
            let script = template.script(&Fill { values: &values, seq: 1, slot: 1 });
            let words = shell::split(script.as_encoded_bytes()).unwrap();
            prop_assert_eq!(words.len(), 2);
            prop_assert_eq!(words[1].as_encoded_bytes(), &[b"x", &value[..], b"y"].concat()[..]);
        }
    }
}
