//! Collects small writes into large ones.

use std::fmt;
use std::io::{self, Write};

use crate::records::To;

/// Is called with a piece of what is written about a command.
pub(super) type Out<'a> = &'a mut dyn FnMut(To, &[u8]);

/// Passes on what is written, in large chunks; the last one when it is dropped.
pub(super) struct ChunkedWriter<'a> {
    to: To,
    out: Out<'a>,
    buffer: Vec<u8>,
}

const CHUNK_SIZE: usize = 64 * 1024;

impl<'a> ChunkedWriter<'a> {
    pub(super) fn new(to: To, out: Out<'a>) -> ChunkedWriter<'a> {
        ChunkedWriter {
            to,
            out,
            buffer: Vec::new(),
        }
    }
}

impl Write for ChunkedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_SIZE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        (self.out)(self.to, &self.buffer);
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for ChunkedWriter<'_> {
    fn drop(&mut self) {
        (self.out)(self.to, &self.buffer);
    }
}

impl fmt::Debug for ChunkedWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkedWriter").finish_non_exhaustive()
    }
}
