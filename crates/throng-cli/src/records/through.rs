//! Pieces of what is said, on their way to where they go.

use std::fmt;
use std::io::{self, Write};

use throng::Stream;

/// Where a piece of what is said of a command goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Stdout,
    Stderr,
    Joblog,
    Results,
}

impl To {
    pub(crate) const ALL: [To; 4] = [To::Stdout, To::Stderr, To::Joblog, To::Results];
}

impl From<Stream> for To {
    fn from(stream: Stream) -> To {
        match stream {
            Stream::Stdout => To::Stdout,
            Stream::Stderr => To::Stderr,
        }
    }
}

/// Gets a piece of what is said.
pub(crate) type Out<'a> = &'a mut dyn FnMut(To, &[u8]);

/// Gives on what is written in little pieces in larger ones; the last when it is dropped.
pub(crate) struct Through<'a> {
    to: To,
    out: Out<'a>,
    pieces: Vec<u8>,
}

const PIECE_SIZE: usize = 64 * 1024;

impl<'a> Through<'a> {
    pub(crate) fn new(to: To, out: Out<'a>) -> Through<'a> {
        Through {
            to,
            out,
            pieces: Vec::new(),
        }
    }
}

impl Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pieces.extend_from_slice(bytes);
        if self.pieces.len() >= PIECE_SIZE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        (self.out)(self.to, &self.pieces);
        self.pieces.clear();
        Ok(())
    }
}

impl Drop for Through<'_> {
    fn drop(&mut self) {
        (self.out)(self.to, &self.pieces);
    }
}

impl fmt::Debug for Through<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Through").finish_non_exhaustive()
    }
}
