//! The order in which the pieces of both streams were read: an entry of 16 bytes for each change of
//! stream or each millisecond of output, whichever comes first.
//!
//! The log is stored as bytes, in the same kind of store as the streams, because the log of a
//! process that alternates between the streams for hours has to be spilled as well.
//!
//! If only the tail of a stream is kept, entries are logged before their bytes are dropped. Such
//! entries are removed whenever the log has doubled since the last time. A separate log of the tail
//! would need no removal, but it could not be spilled.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::store::Store;
use crate::capture::budget::Budget;
use crate::model::stream::Stream;

/// Pieces of one stream that are read within this time are one chunk.
const CHUNK_SPAN: Duration = Duration::from_millis(1);

/// An entry as it is stored.
const ENTRY_SIZE: usize = 16;

/// How many bytes of the log are read at a time.
const READ_SIZE: usize = 64 * ENTRY_SIZE;

/// A log with fewer entries than this is not compacted.
const COMPACT_FROM: usize = 4096;

#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    stored: Store,
    /// The last entry, which may still grow.
    last: Option<Entry>,
    /// After the log could not be stored: one entry for each stream with all that was read since.
    unordered: [Option<Entry>; 2],
    /// The logged bytes of each stream that were dropped, by position in the stream.
    dropped: [Range<u64>; 2],
    compact_at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The length shifted left by one; the lowest bit is the stream.
    len_and_stream: u64,
    at_ns: u64,
}

impl Entry {
    fn new(stream: Stream, len: u64, at: Duration) -> Entry {
        let at_ns = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        Entry {
            len_and_stream: len << 1 | stream.index() as u64,
            at_ns,
        }
    }

    pub(super) fn stream(self) -> Stream {
        Stream::ALL[(self.len_and_stream & 1) as usize]
    }

    pub(super) fn len(self) -> u64 {
        self.len_and_stream >> 1
    }

    pub(super) fn at(self) -> Duration {
        Duration::from_nanos(self.at_ns)
    }

    fn with_len(self, len: u64) -> Entry {
        Entry {
            len_and_stream: len << 1 | self.len_and_stream & 1,
            ..self
        }
    }

    fn to_bytes(self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..8].copy_from_slice(&self.len_and_stream.to_le_bytes());
        bytes[8..].copy_from_slice(&self.at_ns.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; ENTRY_SIZE]) -> Entry {
        let half = |at: usize| {
            let half: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes");
            u64::from_le_bytes(half)
        };
        Entry {
            len_and_stream: half(0),
            at_ns: half(8),
        }
    }
}

impl Log {
    /// Logs the next `len` bytes of this stream; as a piece of their own if they are `apart`.
    pub(super) fn push(
        &mut self,
        stream: Stream,
        len: u64,
        at: Duration,
        apart: bool,
        budget: &Arc<Budget>,
    ) {
        let entry = Entry::new(stream, len, at);
        match &mut self.last {
            Some(last) if last.stream() == stream && !apart && same_chunk(*last, at) => {
                last.len_and_stream += len << 1;
            }
            last => {
                if let Some(entry) = last.replace(entry) {
                    self.store(entry, budget);
                }
            }
        }
    }

    /// The oldest `len` of the bytes that follow `start` were dropped.
    pub(super) fn drop_from(&mut self, stream: Stream, start: u64, len: u64, budget: &Arc<Budget>) {
        let dropped = &mut self.dropped[stream.index()];
        if dropped.is_empty() {
            *dropped = start..start;
        }
        dropped.end += len;
        if self.stored.len() as usize / ENTRY_SIZE >= self.compact_at.max(COMPACT_FROM) {
            self.compact(budget);
        }
    }

    fn store(&mut self, entry: Entry, budget: &Arc<Budget>) {
        if self.stored.failure().is_none() {
            let taken = self.stored.append(&entry.to_bytes(), budget);
            if taken == ENTRY_SIZE {
                return;
            }
        }
        match &mut self.unordered[entry.stream().index()] {
            Some(all) => all.len_and_stream += entry.len() << 1,
            none => *none = Some(entry),
        }
    }

    /// Removes the entries of dropped bytes, if the log is in memory. If there is no memory for
    /// that, it is retried when the log has doubled; until then the log may be spilled.
    fn compact(&mut self, budget: &Arc<Budget>) {
        if self.stored.is_spilled() || self.stored.failure().is_some() {
            return;
        }
        let count = self.stored.len() as usize / ENTRY_SIZE;
        let mut kept: Vec<Entry> = Vec::new();
        // Plus the entries that are not stored, and two entries that are split.
        if kept.try_reserve_exact(count + 5).is_err() {
            self.compact_at = count * 2;
            return;
        }
        kept.extend(self.entries());
        if let Some(bytes) = self.stored.memory_mut() {
            bytes.clear();
        }
        for stream in Stream::ALL {
            let dropped = &mut self.dropped[stream.index()];
            *dropped = dropped.start..dropped.start;
        }
        self.compact_at = kept.len() * 2;
        self.last = None;
        for entry in kept {
            if let Some(before) = self.last.replace(entry) {
                self.store(before, budget);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn stored(&self) -> &Store {
        &self.stored
    }

    /// All pieces in the order in which they were read, without dropped bytes.
    ///
    /// # Panics
    ///
    /// The iterator panics if a log that was spilled cannot be read back.
    pub(super) fn entries(&self) -> Entries<'_> {
        Entries {
            log: self,
            read: [0; READ_SIZE],
            unread: 0..0,
            read_to: 0,
            step: 0,
            at: [0; 2],
            second_half: None,
        }
    }
}

fn same_chunk(first: Entry, at: Duration) -> bool {
    at.saturating_sub(first.at()) < CHUNK_SPAN
}

#[derive(Clone, Debug)]
pub(super) struct Entries<'log> {
    log: &'log Log,
    /// A piece of the log, and the range of it that has not been returned.
    read: [u8; READ_SIZE],
    unread: Range<usize>,
    /// The position up to which the log has been read.
    read_to: u64,
    /// Which of the entries that are not stored comes next.
    step: usize,
    /// The position in each stream, dropped bytes included.
    at: [u64; 2],
    /// The part of an entry that follows dropped bytes within it.
    second_half: Option<Entry>,
}

impl Entries<'_> {
    fn next_logged(&mut self) -> io::Result<Option<Entry>> {
        if let Some(entry) = self.next_stored()? {
            return Ok(Some(entry));
        }
        // `last` is later than the unordered entries, whatever its stream.
        let not_stored = [self.log.unordered[0], self.log.unordered[1], self.log.last];
        while self.step < not_stored.len() {
            self.step += 1;
            if let Some(entry) = not_stored[self.step - 1] {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Ignores an entry that was stored in part.
    fn next_stored(&mut self) -> io::Result<Option<Entry>> {
        while self.unread.len() < ENTRY_SIZE {
            self.read.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
            let place = &mut self.read[self.unread.end..];
            let count = self.log.stored.read_at(self.read_to, place)?;
            if count == 0 {
                return Ok(None);
            }
            self.read_to += count as u64;
            self.unread.end += count;
        }
        let (entry, _) = self.read[self.unread.clone()]
            .split_first_chunk()
            .expect("there is a whole entry");
        self.unread.start += ENTRY_SIZE;
        Ok(Some(Entry::from_bytes(*entry)))
    }

    /// Returns the next piece; an error if a log that was spilled cannot be read back.
    pub(super) fn try_next(&mut self) -> io::Result<Option<Entry>> {
        if let Some(half) = self.second_half.take() {
            return Ok(Some(half));
        }
        loop {
            let Some(entry) = self.next_logged()? else {
                return Ok(None);
            };
            let index = entry.stream().index();
            let start = self.at[index];
            let end = start + entry.len();
            self.at[index] = end;
            let dropped = &self.log.dropped[index];
            let before = dropped.start.clamp(start, end) - start;
            let after = end - dropped.end.clamp(start, end);
            if dropped.is_empty() || before + after >= entry.len() {
                return Ok(Some(entry));
            }
            let halves = [entry.with_len(before), entry.with_len(after)];
            match (before > 0, after > 0) {
                (false, false) => {}
                (true, true) => {
                    self.second_half = Some(halves[1]);
                    return Ok(Some(halves[0]));
                }
                (first, _) => return Ok(Some(halves[usize::from(!first)])),
            }
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.try_next()
            .unwrap_or_else(|error| panic!("a spilled log cannot be read back: {error}"))
    }
}
