//! Readers of captures, which read from memory or from the file of a spilled stream and never map
//! it.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use super::Capture;
use super::log::Entries;
use crate::model::stream::Stream;

/// Reads one stream of a capture; see [`Capture::reader`].
#[derive(Clone)]
pub struct CaptureReader<'a> {
    capture: &'a Capture,
    stream: Stream,
    at: u64,
}

impl<'a> CaptureReader<'a> {
    pub(super) fn new(capture: &'a Capture, stream: Stream) -> CaptureReader<'a> {
        CaptureReader {
            capture,
            stream,
            at: 0,
        }
    }
}

impl Read for CaptureReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.capture.read_at(self.stream, self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for CaptureReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.capture.len(self.stream).checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl fmt::Debug for CaptureReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureReader")
            .field("stream", &self.stream)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Reads both streams of a capture in the order in which they were read; see
/// [`Capture::merged_reader`].
#[derive(Clone)]
pub struct MergedReader<'a> {
    capture: &'a Capture,
    entries: Entries<'a>,
    at: [u64; 2],
    /// The rest of the current piece: its stream and its length.
    stream: Stream,
    left: u64,
}

impl<'a> MergedReader<'a> {
    pub(super) fn new(capture: &'a Capture, entries: Entries<'a>) -> MergedReader<'a> {
        MergedReader {
            capture,
            entries,
            at: [0; 2],
            stream: Stream::Stdout,
            left: 0,
        }
    }
}

impl Read for MergedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.left == 0 {
                match self.entries.try_next() {
                    Ok(Some(entry)) => {
                        (self.stream, self.left) = (entry.stream(), entry.len());
                    }
                    Ok(None) => break,
                    Err(_) if filled > 0 => break,
                    Err(error) => return Err(error),
                }
                continue;
            }
            let len = usize::try_from(self.left).unwrap_or(usize::MAX);
            let len = len.min(buffer.len() - filled);
            let at = &mut self.at[self.stream.index()];
            let piece = &mut buffer[filled..filled + len];
            let read = match self.capture.read_at(self.stream, *at, piece) {
                Ok(read) => read,
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            *at += read as u64;
            self.left -= read as u64;
            filled += read;
        }
        Ok(filled)
    }
}

impl fmt::Debug for MergedReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergedReader")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
