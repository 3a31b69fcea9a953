//! Words and quotes, as a POSIX shell reads and writes them.

use std::ffi::OsString;

use crate::sys;

/// Splits a line into words by the quoting rules of a shell. Nothing is expanded.
pub(crate) fn split(line: &[u8]) -> Result<Vec<OsString>, &'static str> {
    let mut words = shlex::bytes::Shlex::new(line);
    let split = words.by_ref().map(sys::os_string).collect();
    if words.had_error {
        Err("a quote is not closed")
    } else {
        Ok(split)
    }
}

/// Quotes bytes so that a shell takes them as one word, whatever they are.
pub(crate) fn quote(bytes: &[u8]) -> Vec<u8> {
    // A NUL cannot be quoted; starting such a command fails with a clear message.
    shlex::bytes::try_quote(bytes).map_or_else(|_| bytes.to_vec(), |quoted| quoted.into_owned())
}

/// A command line that can be read, and pasted into a shell.
pub(crate) fn join<'a>(words: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    words.map(quote).collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_taken_as_a_shell_does() {
        let words = split(br#"echo 'a b' "c \" d" e\ f '' g#h"#).unwrap();
        assert_eq!(words, ["echo", "a b", "c \" d", "e f", "", "g#h"]);
        assert!(split(b"echo 'open").is_err());
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
        let line = join(hostile.into_iter());
        let words = split(&line).unwrap();
        assert!(words.iter().map(|word| word.as_encoded_bytes()).eq(hostile));
    }
}
