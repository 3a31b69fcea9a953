//! The bytes of both streams, apart, and the order in which they came.
//!
//! Each stream has one contiguous buffer, so that either can be lent as a slice; the log says
//! which pieces came when, so that both can be put together again. The cost is one entry of
//! 16 bytes for each change of stream or each millisecond of output, whichever comes first.

use std::time::Duration;

use crate::Stream;

/// Pieces of one stream that come within this time of each other count as one chunk.
const CHUNK_SPAN: Duration = Duration::from_millis(1);

/// All that a process wrote: both streams apart, and the order in which we read them.
///
/// The order of two chunks is the order in which throng read them. Within one stream that is the
/// order in which they were written; between the streams it is as close as two pipes allow.
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
#[derive(Clone, Debug, Default)]
pub struct Capture {
    kept: [Vec<u8>; 2],
    dropped_bytes: [u64; 2],
    log: Vec<Entry>,
}

/// A piece of one stream, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The stream that it was written to.
    pub stream: Stream,
    /// The bytes; never empty.
    pub bytes: &'a [u8],
    /// When the first of them was read, counted from the start of the process.
    pub at: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The length shifted left by one; the lowest bit is the stream.
    len_and_stream: u64,
    at_ns: u64,
}

impl Entry {
    fn new(stream: Stream, len: usize, at: Duration) -> Entry {
        let at_ns = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        Entry {
            len_and_stream: (len as u64) << 1 | stream.index() as u64,
            at_ns,
        }
    }

    fn stream(self) -> Stream {
        Stream::ALL[(self.len_and_stream & 1) as usize]
    }

    fn len(self) -> usize {
        (self.len_and_stream >> 1) as usize
    }
}

impl Capture {
    /// Keeps bytes that came `at` this time after the start of the process. At most `limit` bytes
    /// of each stream are kept; the rest is counted and dropped.
    pub(crate) fn push(&mut self, stream: Stream, bytes: &[u8], at: Duration, limit: u64) {
        let kept = &mut self.kept[stream.index()];
        let room = usize::try_from(limit.saturating_sub(kept.len() as u64)).unwrap_or(usize::MAX);
        let (keep, drop) = bytes.split_at(bytes.len().min(room));
        self.dropped_bytes[stream.index()] += drop.len() as u64;
        if keep.is_empty() {
            return;
        }
        kept.extend_from_slice(keep);
        match self.log.last_mut() {
            Some(last) if last.stream() == stream && same_chunk(last.at_ns, at) => {
                last.len_and_stream += (keep.len() as u64) << 1;
            }
            _ => self.log.push(Entry::new(stream, keep.len(), at)),
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
        &self.kept[stream.index()]
    }

    /// Both streams in one, in the order in which they were read. This copies; [`Capture::chunks`]
    /// does not.
    pub fn merged(&self) -> Vec<u8> {
        let mut merged = Vec::with_capacity(self.kept[0].len() + self.kept[1].len());
        for chunk in self.chunks() {
            merged.extend_from_slice(chunk.bytes);
        }
        merged
    }

    /// The pieces of both streams in the order in which they were read. Pieces of one stream that
    /// came within a millisecond of each other, with nothing of the other between, are one chunk.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        let mut rest = [self.stdout(), self.stderr()];
        self.log.iter().map(move |entry| {
            let stream = entry.stream();
            let (bytes, after) = rest[stream.index()].split_at(entry.len());
            rest[stream.index()] = after;
            Chunk {
                stream,
                bytes,
                at: Duration::from_nanos(entry.at_ns),
            }
        })
    }

    /// How many bytes of this stream were read and not kept, because of a limit that was set.
    pub fn dropped_bytes(&self, stream: Stream) -> u64 {
        self.dropped_bytes[stream.index()]
    }
}

fn same_chunk(first_ns: u64, at: Duration) -> bool {
    at.saturating_sub(Duration::from_nanos(first_ns)) < CHUNK_SPAN
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream() -> impl Strategy<Value = Stream> {
        prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
    }

    proptest! {
        #[test]
        fn chunks_are_the_streams_cut_and_interleaved_as_they_came(
            pushes in prop::collection::vec(
                (stream(), prop::collection::vec(any::<u8>(), 0..20), 0u64..3_000_000), 0..50),
            limit in prop_oneof![Just(u64::MAX), 0u64..100],
        ) {
            let mut capture = Capture::default();
            let mut model = (Vec::new(), [Vec::new(), Vec::new()], [0u64; 2]);
            let mut at = Duration::ZERO;
            for (stream, bytes, later_ns) in &pushes {
                at += Duration::from_nanos(*later_ns);
                capture.push(*stream, bytes, at, limit);
                for byte in bytes {
                    if (model.1[stream.index()].len() as u64) < limit {
                        model.0.push(*byte);
                        model.1[stream.index()].push(*byte);
                    } else {
                        model.2[stream.index()] += 1;
                    }
                }
            }
            prop_assert_eq!(capture.merged(), model.0);
            prop_assert_eq!(capture.stdout(), &model.1[0][..]);
            prop_assert_eq!(capture.stderr(), &model.1[1][..]);
            for stream in Stream::ALL {
                prop_assert_eq!(capture.dropped_bytes(stream), model.2[stream.index()]);
                let cut: Vec<u8> = capture
                    .chunks()
                    .filter(|c| c.stream == stream)
                    .flat_map(|c| c.bytes.to_vec())
                    .collect();
                prop_assert_eq!(&cut[..], capture.stream(stream));
            }
            prop_assert!(capture.chunks().all(|c| !c.bytes.is_empty()));
            prop_assert!(capture.chunks().is_sorted_by_key(|c| c.at));
        }
    }

    #[test]
    fn many_tiny_reads_in_a_row_cost_one_entry() {
        let mut capture = Capture::default();
        for i in 0..1000 {
            capture.push(Stream::Stdout, b"x", Duration::from_nanos(i), u64::MAX);
        }
        assert_eq!(capture.log.len(), 1);
    }
}
