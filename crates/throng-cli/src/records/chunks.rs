//! Reads a captured stream in chunks: at once what is in memory, and a little at a time what was
//! spilled to a file, however much it is.

use std::io::{self, Read};

use throng::{Capture, Stream};

/// How much of a file is read at a time. A multiple of three, which base64 encodes without padding.
const CHUNK_SIZE: usize = 3 * 64 * 1024;

/// Calls back with all of a stream, in order.
pub(crate) fn for_each(
    capture: &Capture,
    stream: Stream,
    mut chunk: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    if !capture.is_spilled(stream) {
        return chunk(capture.stream(stream));
    }
    let mut reader = capture.reader(stream);
    let mut buffer = Vec::with_capacity(CHUNK_SIZE);
    loop {
        buffer.clear();
        (&mut reader)
            .take(CHUNK_SIZE as u64)
            .read_to_end(&mut buffer)?;
        if buffer.is_empty() {
            return Ok(());
        }
        chunk(&buffer)?;
    }
}
