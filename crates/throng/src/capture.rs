//! The bytes of both streams, apart, and the order in which they came.
//!
//! Each stream has one contiguous store, so that either can be lent as a slice; the log says which
//! pieces came when, so that both can be put together again. Knows nothing of verdicts.

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

/// All that a process wrote: both streams apart, and the order in which we read them.
///
/// The order of two chunks is the order in which throng read them. Within one stream that is the
/// order in which they were written; between the streams it is as close as two pipes allow.
///
/// When the captures of a [`Throng`](crate::Throng) take more memory than its
/// [budget](crate::Builder::memory), a stream goes on in a temporary file that no other process
/// opens and that is gone with the capture. Everything here works for such a stream as well: the
/// slices map the file the first time they are used, and the readers do not map it at all.
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
/// The methods that return slices or chunks panic when the file of a spilled stream can neither be
/// mapped nor read back, possibly for lack of memory, and so do `chunks` and `merged` if that of a
/// spilled order of chunks cannot; `merged` and `clone` panic when there is no memory for the copy.
/// The readers need little memory, and return an error when a file cannot be read.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    streams: [StreamCapture; 2],
    log: Log,
}

/// What is kept of one stream.
#[derive(Debug, Default)]
struct StreamCapture {
    store: Store,
    /// While the process runs: the last bytes, where those are wanted.
    tail: Option<Box<Tail>>,
    dropped_bytes: u64,
    /// Bytes that were for the output callback alone.
    passed_bytes: u64,
    /// Where in the store the dropped bytes would have been, if not at its end.
    gap_at: Option<u64>,
}

impl Clone for StreamCapture {
    fn clone(&self) -> StreamCapture {
        StreamCapture {
            store: self.store.clone(),
            // A capture is lent when its process is finished, and has no tail then.
            tail: None,
            dropped_bytes: self.dropped_bytes,
            passed_bytes: self.passed_bytes,
            gap_at: self.gap_at,
        }
    }
}

/// A piece of one stream, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The stream that it was written to.
    pub stream: Stream,
    /// The bytes; never empty.
    pub bytes: &'a [u8],
    /// When the first of them was read, counted from the start of the process. That can be after
    /// the process has ended: what it said last is still in the pipe then.
    pub at: Duration,
}

/// Bytes of a stream that were read and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// How many bytes of the capture are before it.
    pub at: u64,
    /// How many bytes are missing there.
    pub bytes: u64,
}

/// Which bytes of a stream are kept when there are more than its
/// [limit](crate::Command::max_output).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The first ones.
    #[default]
    Head,
    /// The last ones. Until the process ends they are in memory, whatever the limit is; so when the
    /// [budget](crate::Builder::memory) is used up they become fewer, and the verdict counts what
    /// was dropped.
    Tail,
    /// The first ones up to half of the limit, and the last ones, as with `Tail`.
    Both,
}

/// How much of a stream is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) bytes: u64,
    pub(crate) part: Part,
}

impl Limit {
    fn head(self) -> u64 {
        match self.part {
            Part::Head => self.bytes,
            Part::Tail => 0,
            Part::Both => self.bytes - self.bytes / 2,
        }
    }

    fn tail(self) -> u64 {
        self.bytes - self.head()
    }
}

impl Capture {
    /// Takes bytes that came `at` this time after the start of the process. What is over the limit
    /// is counted and dropped.
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
        if limit.part == Part::Head || kept.store.failure().is_some() {
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

    /// Counts bytes that are not to be kept.
    pub(crate) fn pass(&mut self, stream: Stream, bytes: usize) {
        self.streams[stream.index()].passed_bytes += bytes as u64;
    }

    /// No more bytes come.
    pub(crate) fn close(&mut self, budget: &Arc<Budget>) {
        for stream in Stream::ALL {
            let kept = &mut self.streams[stream.index()];
            let Some(tail) = kept.tail.take() else {
                continue;
            };
            let head_len = kept.store.len();
            if kept.dropped_bytes > 0 {
                kept.gap_at = Some(head_len);
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

    /// How many bytes of this stream are here.
    pub fn len(&self, stream: Stream) -> u64 {
        self.streams[stream.index()].store.len()
    }

    /// How many bytes of both streams are here.
    pub fn bytes_total(&self) -> u64 {
        Stream::ALL.iter().map(|stream| self.len(*stream)).sum()
    }

    /// How many bytes of both streams are here in memory, and not in a file.
    pub fn bytes_in_memory(&self) -> u64 {
        let in_memory = Stream::ALL
            .iter()
            .filter(|stream| !self.is_spilled(**stream));
        in_memory.map(|stream| self.len(*stream)).sum()
    }

    /// Whether this stream is in a file, because it was too much for memory.
    pub fn is_spilled(&self, stream: Stream) -> bool {
        self.streams[stream.index()].store.is_spilled()
    }

    /// What was written to this stream, to be read piece by piece: with little memory, however much
    /// it is.
    pub fn reader(&self, stream: Stream) -> CaptureReader<'_> {
        CaptureReader::new(self, stream)
    }

    /// Both streams in one, in the order in which they were read. This copies;
    /// [`Capture::chunks`] and [`Capture::merged_reader`] do not.
    ///
    /// # Panics
    ///
    /// Panics when there is no memory for the copy, or when a stream, or the order of the chunks,
    /// was spilled to a file that cannot be read back. [`Capture::merged_reader`] needs little
    /// memory, and returns an error instead.
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

    /// Both streams in one, in the order in which they were read, to be read piece by piece.
    pub fn merged_reader(&self) -> MergedReader<'_> {
        MergedReader::new(self, self.log.entries())
    }

    /// The pieces of both streams in the order in which they were read. Pieces of one stream that
    /// came within a millisecond of each other, with nothing of the other between, are one chunk.
    /// What was dropped is between two chunks; see [`Capture::gap`].
    ///
    /// # Panics
    ///
    /// This and the iterator panic when a stream, or the order of the chunks, was spilled to a file
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

    /// How many bytes of this stream were read and not kept, because of a limit that was set or
    /// because there was no room on the disk.
    pub fn dropped_bytes(&self, stream: Stream) -> u64 {
        self.streams[stream.index()].dropped_bytes
    }

    /// How many bytes of this stream were read: those that are here, those that were
    /// [dropped](Capture::dropped_bytes), and those that were not to be kept, see
    /// [`Command::keep_output`](crate::Command::keep_output).
    pub fn received_bytes(&self, stream: Stream) -> u64 {
        let kept = &self.streams[stream.index()];
        kept.store.len() + kept.dropped_bytes + kept.passed_bytes
    }

    /// Where the bytes are missing that were not kept; none when none are.
    pub fn gap(&self, stream: Stream) -> Option<Gap> {
        let kept = &self.streams[stream.index()];
        (kept.dropped_bytes > 0).then(|| Gap {
            at: kept.gap_at.unwrap_or(kept.store.len()),
            bytes: kept.dropped_bytes,
        })
    }

    /// Why this stream could not be kept, if so.
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
