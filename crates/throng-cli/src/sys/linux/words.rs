//! Words and quotes, as a POSIX shell reads and writes them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use throng::Command;

use super::os_string;
use crate::script::Quotes;
use crate::sys::api::refuse_nul;

/// Splits a line into words by the quoting rules of a shell. Nothing is expanded.
pub(crate) fn split(line: &[u8]) -> anyhow::Result<Vec<OsString>> {
    let mut words = shlex::bytes::Shlex::new(line);
    let split = words.by_ref().map(os_string).collect();
    anyhow::ensure!(!words.had_error, "a quote is not closed");
    split
}

/// Writes a value into a script so that a shell takes it for text, whatever it is, and whatever is
/// around it.
pub(crate) fn push_quoted(
    script: &mut Vec<u8>,
    value: &[u8],
    quotes: Quotes,
) -> anyhow::Result<()> {
    refuse_nul(value)?;
    match quotes {
        Quotes::AsNeeded => script.extend_from_slice(&quoted(value)),
        Quotes::Always => push_in_single_quotes(script, value),
        Quotes::Double | Quotes::DoubleAtEnd => {
            script.push(b'"');
            push_in_single_quotes(script, value);
            script.push(b'"');
        }
        Quotes::Single => push_escaped(script, value),
    }
    Ok(())
}

fn push_in_single_quotes(script: &mut Vec<u8>, value: &[u8]) {
    script.push(b'\'');
    push_escaped(script, value);
    script.push(b'\'');
}

/// Between single quotes nothing means anything but a single quote.
fn push_escaped(script: &mut Vec<u8>, value: &[u8]) {
    for (i, part) in value.split(|byte| *byte == b'\'').enumerate() {
        if i > 0 {
            script.extend_from_slice(b"'\\''");
        }
        script.extend_from_slice(part);
    }
}

/// A command line that can be read, and pasted into a shell.
pub(crate) fn command_line(command: &Command) -> Vec<u8> {
    join(super::argv(command).into_iter())
}

fn join<'a>(words: impl Iterator<Item = &'a OsStr>) -> Vec<u8> {
    let words = words.map(|word| quoted(word.as_bytes()));
    words.collect::<Vec<_>>().join(&b' ')
}

/// A word that a shell reads as these bytes. What is quoted here is to be run or read back, so no
/// byte may end the quotation: a NUL, which no word of a command that runs has, is shown as `\0`.
fn quoted(bytes: &[u8]) -> Vec<u8> {
    if let Ok(quoted) = shlex::bytes::try_quote(bytes) {
        return quoted.into_owned();
    }
    let shown = bytes.split(|byte| *byte == 0).collect::<Vec<_>>();
    let shown = shown.join(&b"\\0"[..]);
    shlex::bytes::try_quote(&shown).map_or_else(|_| b"''".to_vec(), |quoted| quoted.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_backslashes_are_read_as_a_shell_reads_them() {
        let words = split(br#"echo 'a b' "c \" d" e\ f '' g#h"#).unwrap();
        assert_eq!(words, ["echo", "a b", "c \" d", "e f", "", "g#h"]);
        let error = split(b"echo 'open").unwrap_err();
        assert_eq!(error.to_string(), "a quote is not closed");
        assert_eq!(split(b"  # a comment").unwrap(), [""; 0]);
    }

    #[test]
    fn joined_words_are_split_into_the_same_words() {
        let hostile: [&[u8]; 9] = [
            b"",
            b"a b",
            b"'",
            b"\"",
            b"$(id)",
            b";rm -rf /",
            b"\n",
            b"-x",
            b"\xff\xfe`",
        ];
        let hostile = hostile.map(OsStr::from_bytes);
        let line = join(hostile.into_iter());
        assert_eq!(split(&line).unwrap(), hostile);
    }

    #[test]
    fn a_nul_is_never_written_as_if_quoted() {
        for value in [&b"\0"[..], b"a\0;touch x", b"'\0'"] {
            let mut script = b"echo ".to_vec();
            for quotes in [
                Quotes::AsNeeded,
                Quotes::Always,
                Quotes::Double,
                Quotes::Single,
            ] {
                let refused = push_quoted(&mut script, value, quotes);
                let error = refused.unwrap_err().to_string();
                assert!(error.contains("contains a NUL"), "{error}");
            }
            assert_eq!(script, b"echo ");
            // A line for display is still one word, but of other bytes.
            let line = join([OsStr::from_bytes(value)].into_iter());
            assert_eq!(split(&line).unwrap().len(), 1);
            assert!(!line.contains(&0));
            assert!(os_string(value.to_vec()).is_err());
            assert!(split(value).is_err() && super::super::shell(None, value.to_vec()).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_quoted_value_is_one_word_for_the_shell(
            value in prop::collection::vec(1u8..=255, 0..20),
        ) {
            let mut script = b"echo x".to_vec();
            push_quoted(&mut script, &value, Quotes::AsNeeded).unwrap();
            script.push(b'y');
            let words = split(&script).unwrap();
            prop_assert_eq!(words.len(), 2);
            prop_assert_eq!(words[1].as_bytes(), &[b"x", &value[..], b"y"].concat()[..]);
        }
    }
}
