//! Writes bytes to a console, which takes text. std writes UTF-8 to it as UTF-16, and fails for
//! anything else; the output of commands may be any bytes, cut within a character.

use std::io::{self, Write};

/// Writes invalid UTF-8 as U+FFFD, and keeps the beginning of a character until its rest comes.
#[derive(Debug)]
pub(super) struct Console<W> {
    inner: W,
    begun: Vec<u8>,
}

impl<W> Console<W> {
    pub(super) fn new(inner: W) -> Console<W> {
        Console {
            inner,
            begun: Vec::new(),
        }
    }
}

impl<W: Write> Write for Console<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let whole = self.begun.len() - open_end(&self.begun);
        let text = String::from_utf8_lossy(&self.begun[..whole]);
        self.inner.write_all(text.as_bytes())?;
        // std's stdout keeps what comes after the last line end.
        self.inner.flush()?;
        self.begun.drain(..whole);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// How many bytes at the end are an incomplete character.
fn open_end(bytes: &[u8]) -> usize {
    let is_begun = |n: &usize| {
        let end = str::from_utf8(&bytes[bytes.len() - n..]);
        end.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).find(is_begun).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_that_arrives_in_pieces_is_decoded_whole(text in "[aß€😀]{0,9}", size in 1..6_usize) {
            let mut console = Console::new(Vec::new());
            for piece in text.as_bytes().chunks(size) {
                console.write_all(piece).unwrap();
            }
            prop_assert_eq!(console.inner, text.into_bytes());
        }
    }

    #[test]
    fn invalid_text_is_shown_as_replacements_and_stops_nothing() {
        let mut console = Console::new(Vec::new());
        console.write_all(b"a\xffb\xe2\x82").unwrap();
        console.write_all(b"c\n").unwrap();
        assert_eq!(console.inner, "a\u{fffd}b\u{fffd}c\n".as_bytes());
    }
}
