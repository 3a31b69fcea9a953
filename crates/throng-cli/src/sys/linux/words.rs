//! Words and quotes, as a POSIX shell reads and writes them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use throng::Command;

use crate::script::Quotes;
use crate::text;

/// Splits a line into words by the quoting rules of a shell. Nothing is expanded.
pub(crate) fn split(line: &[u8]) -> anyhow::Result<Vec<OsString>> {
    let mut words = shlex::bytes::Shlex::new(line);
    let split = words.by_ref().map(OsString::from_vec).collect();
    anyhow::ensure!(!words.had_error, "a quote is not closed");
    Ok(split)
}

/// Writes a value into a script so that a shell takes it for text, whatever it is, and whatever is
/// around it.
pub(crate) fn push_quoted(
    script: &mut Vec<u8>,
    value: &[u8],
    quotes: Quotes,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        !value.contains(&0),
        "a shell cannot be given {}: it contains a NUL",
        text::quoted(value)
    );
    match quotes {
        Quotes::AsNeeded => script.extend(quoted(value)),
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

fn quoted(bytes: &[u8]) -> Vec<u8> {
    // A NUL cannot be quoted; starting such a command fails with a clear message.
    shlex::bytes::try_quote(bytes).map_or_else(|_| bytes.to_vec(), |quoted| quoted.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_backslashes_are_taken_as_a_shell_does() {
        let words = split(br#"echo 'a b' "c \" d" e\ f '' g#h"#).unwrap();
        assert_eq!(words, ["echo", "a b", "c \" d", "e f", "", "g#h"]);
        let error = split(b"echo 'open").unwrap_err();
        assert_eq!(error.to_string(), "a quote is not closed");
        assert_eq!(split(b"  # a comment").unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_joined_is_split_into_the_same_words() {
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
