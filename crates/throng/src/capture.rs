//! The bytes of both streams, separately, and the order in which they were read.
//!
//! Each stream has one contiguous store, so that it can be borrowed as a slice; the log records
//! which pieces were read when, so that both streams can be merged. Knows nothing about verdicts.

pub(crate) mod budget;
mod counted;
mod log;
mod reader;
pub(crate) mod spill;
mod store;
mod tail;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use self::reader::{CaptureReader, MergedReader};

use self::log::Log;
use self::store::Store;
use self::tail::Tail;
use crate::capture::budget::Budget;
use crate::model::stream::Stream;

/// The output of a process: both streams separately, and the order in which they were read.
///
/// Chunks are ordered as throng read them. Within one stream that is the order in which they were
/// written; between the streams it is as close to it as two pipes allow.
///
/// If the captures of a [`Throng`](crate::Throng) take more memory than its
/// [budget](crate::Builder::memory), a stream is spilled to a temporary file that no other process
/// can open and that is removed with the capture. All methods work for a spilled stream as well:
/// those that return slices map the file when they are first called; the readers do not map it.
///
/// ```
/// # fn main() -> Result<(), throng::Error> {
/// let throng = throng::Throng::builder().build()?;
/// let outcome = throng.spawn(throng::Command::new("echo").arg("hello")).wait()?;
/// assert_eq!(outcome.capture().stdout(), b"hello\n");
/// assert_eq!(outcome.capture().merged(), b"hello\n");
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Methods that return slices or chunks panic if the file of a spilled stream, or for `chunks` and
/// `merged` that of a spilled order of chunks, can neither be mapped nor read back, possibly for
/// lack of memory. `merged` and `clone` panic if there is no memory for the copy. The readers need
/// little memory and return an error if a file cannot be read.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    streams: [StreamCapture; 2],
    log: Log,
}

/// The capture of one stream.
#[derive(Debug, Default)]
struct StreamCapture {
    store: Store,
    /// While the process runs: the last bytes, if they are to be kept.
    tail: Option<Box<Tail>>,
    dropped_bytes: u64,
    /// Bytes that were only passed to the output callback.
    passed_bytes: u64,
    /// The position in the store at which bytes were dropped, if not at its end.
    dropped_at: Option<u64>,
}

impl Clone for StreamCapture {
    fn clone(&self) -> StreamCapture {
        StreamCapture {
            store: self.store.clone(),
            // Captures are shared after their process has finished, and have no tail then.
            tail: None,
            dropped_bytes: self.dropped_bytes,
            passed_bytes: self.passed_bytes,
            dropped_at: self.dropped_at,
        }
    }
}

/// A piece of one stream, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The stream to which it was written.
    pub stream: Stream,
    /// The bytes; never empty.
    pub bytes: &'a [u8],
    /// When the first of them was read, counted from the start of the process. This may be after
    /// the process has exited, because its last output is still in the pipe then.
    pub at: Duration,
}

/// A range of bytes of a stream that were read and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DroppedRange {
    /// How many bytes of the capture precede it.
    pub at: u64,
    /// How many bytes are missing.
    pub bytes: u64,
}

/// Which bytes of a stream are kept if there are more than its
/// [limit](crate::Command::max_output).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retain {
    /// The first ones.
    #[default]
    Head,
    /// The last ones. Until the process ends they are in memory, whatever the limit is; so if the
    /// [budget](crate::Builder::memory) is used up, fewer are kept, and the verdict counts those
    /// that were dropped.
    Tail,
    /// The first ones up to half of the limit, and the last ones as with `Tail`.
    Both,
}

/// How much of a stream is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) bytes: u64,
    pub(crate) retain: Retain,
}

impl Limit {
    fn head(self) -> u64 {
        match self.retain {
            Retain::Head => self.bytes,
            Retain::Tail => 0,
            Retain::Both => self.bytes - self.bytes / 2,
        }
    }

    fn tail(self) -> u64 {
        self.bytes - self.head()
    }
}

impl Capture {
    /// Adds bytes that were read `at` this time after the start of the process. Those over the
    /// limit are counted and dropped.
    pub(crate) fn push(
        &mut self,
        stream: Stream,
        bytes: &[u8],
        at: Duration,
        limit: Limit,
        budget: &Arc<Budget>,
    ) {
        let kept = &mut self.streams[stream.index()];
        let room = limit.head().saturating_sub(kept.store.len());
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let (head, rest) = bytes.split_at(bytes.len().min(room));
        if !head.is_empty() {
            let taken = kept.store.append(head, budget);
            kept.dropped_bytes += (head.len() - taken) as u64;
            if taken > 0 {
                self.log.push(stream, taken as u64, at, false, budget);
            }
        }
        if rest.is_empty() {
            return;
        }
        if limit.retain == Retain::Head || kept.store.failure().is_some() {
            kept.dropped_bytes += rest.len() as u64;
            return;
        }
        let is_first = kept.tail.is_none();
        let tail = kept
            .tail
            .get_or_insert_with(|| Box::new(Tail::new(limit.tail())));
        let dropped = tail.push(rest, budget);
        self.log
            .push(stream, rest.len() as u64, at, is_first, budget);
        if dropped > 0 {
            kept.dropped_bytes += dropped;
            self.log
                .drop_from(stream, kept.store.len(), dropped, budget);
        }
    }

    /// Counts bytes that are not kept.
    pub(crate) fn pass(&mut self, stream: Stream, bytes: usize) {
        self.streams[stream.index()].passed_bytes += bytes as u64;
    }

    /// No more bytes will be added.
    pub(crate) fn close(&mut self, budget: &Arc<Budget>) {
        for stream in Stream::ALL {
            let kept = &mut self.streams[stream.index()];
            let Some(tail) = kept.tail.take() else {
                continue;
            };
            let head_len = kept.store.len();
            if kept.dropped_bytes > 0 {
                kept.dropped_at = Some(head_len);
            }
            let [first, second] = tail.pieces();
            let taken = kept.store.append(first, budget) + kept.store.append(second, budget);
            if taken < tail.len() {
                // The disk is full. Better a whole head than half a tail.
                kept.store.shorten(head_len);
                kept.dropped_bytes += tail.len() as u64;
                self.log
                    .drop_from(stream, head_len, tail.len() as u64, budget);
            }
        }
    }

    /// What was written to stdout.
    pub fn stdout(&self) -> &[u8] {
        self.stream(Stream::Stdout)
    }

    /// What was written to stderr.
    pub fn stderr(&self) -> &[u8] {
        self.stream(Stream::Stderr)
    }

    /// What was written to this stream.
    pub fn stream(&self, stream: Stream) -> &[u8] {
        self.streams[stream.index()].store.as_slice()
    }

    /// How many bytes of this stream were kept.
    pub fn len(&self, stream: Stream) -> u64 {
        self.streams[stream.index()].store.len()
    }

    /// How many bytes of both streams were kept.
    pub fn bytes_total(&self) -> u64 {
        Stream::ALL.iter().map(|stream| self.len(*stream)).sum()
    }

    /// How many bytes of both streams are in memory and not in a file.
    pub fn bytes_in_memory(&self) -> u64 {
        let in_memory = Stream::ALL
            .iter()
            .filter(|stream| !self.is_spilled(**stream));
        in_memory.map(|stream| self.len(*stream)).sum()
    }

    /// Whether this stream was spilled to a file.
    pub fn is_spilled(&self, stream: Stream) -> bool {
        self.streams[stream.index()].store.is_spilled()
    }

    /// A reader of what was written to this stream. It needs little memory, however large the
    /// stream is.
    pub fn reader(&self, stream: Stream) -> CaptureReader<'_> {
        CaptureReader::new(self, stream)
    }

    /// Both streams in the order in which they were read. This copies; [`Capture::chunks`] and
    /// [`Capture::merged_reader`] do not.
    ///
    /// # Panics
    ///
    /// Panics if there is no memory for the copy, or if a stream or the order of the chunks was
    /// spilled to a file that cannot be read back. [`Capture::merged_reader`] needs little memory
    /// and returns an error instead.
    pub fn merged(&self) -> Vec<u8> {
        let len = usize::try_from(self.bytes_total()).unwrap_or(usize::MAX);
        let mut merged = Vec::new();
        if let Err(error) = merged.try_reserve_exact(len) {
            panic!("both streams together are {len} bytes: {error}; a reader needs no memory");
        }
        for chunk in self.chunks() {
            merged.extend_from_slice(chunk.bytes);
        }
        merged
    }

    /// A reader of both streams in the order in which they were read. It needs little memory.
    pub fn merged_reader(&self) -> MergedReader<'_> {
        MergedReader::new(self, self.log.entries())
    }

    /// The pieces of both streams in the order in which they were read. Pieces of one stream that
    /// were read within a millisecond, with none of the other between them, are one chunk. Bytes
    /// that were dropped are between two chunks; see [`Capture::dropped_range`].
    ///
    /// # Panics
    ///
    /// This and the iterator panic if a stream or the order of the chunks was spilled to a file
    /// that cannot be read back. [`Capture::merged_reader`] returns an error instead.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        let mut rest = [self.stdout(), self.stderr()];
        self.log.entries().map(move |entry| {
            let stream = entry.stream();
            let (bytes, after) = rest[stream.index()].split_at(entry.len() as usize);
            rest[stream.index()] = after;
            Chunk {
                stream,
                bytes,
                at: entry.at(),
            }
        })
    }

    /// How many bytes of this stream were read and not kept, because of a limit or because they
    /// could not be stored.
    pub fn dropped_bytes(&self, stream: Stream) -> u64 {
        self.streams[stream.index()].dropped_bytes
    }

    /// How many bytes of this stream were read: those that were kept, those that were
    /// [dropped](Capture::dropped_bytes), and those that were only passed to the callback, see
    /// [`Command::keep_output`](crate::Command::keep_output).
    pub fn received_bytes(&self, stream: Stream) -> u64 {
        let kept = &self.streams[stream.index()];
        kept.store.len() + kept.dropped_bytes + kept.passed_bytes
    }

    /// The bytes that are missing because they were dropped; `None` if none were.
    pub fn dropped_range(&self, stream: Stream) -> Option<DroppedRange> {
        let kept = &self.streams[stream.index()];
        (kept.dropped_bytes > 0).then(|| DroppedRange {
            at: kept.dropped_at.unwrap_or(kept.store.len()),
            bytes: kept.dropped_bytes,
        })
    }

    /// Why this stream could not be stored, if so.
    pub(crate) fn failure(&self, stream: Stream) -> Option<io::Error> {
        let failure = self.streams[stream.index()].store.failure()?;
        let same = failure.raw_os_error().map(io::Error::from_raw_os_error);
        Some(same.unwrap_or_else(|| io::Error::new(failure.kind(), failure.to_string())))
    }

    fn read_at(&self, stream: Stream, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.streams[stream.index()].store.read_at(at, buffer)
    }
}

#[cfg(test)]
mod tests;
