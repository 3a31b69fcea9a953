//! How much memory captures may take together, and where they go when that is not enough.
//!
//! What is counted is what a stream has room for, once that is more than [`UNCOUNTED`]: most
//! processes say less, and then nobody's counter is touched. The counter is exact and the limit is
//! not: streams that are not worth a file stay in memory whatever the limit is.
//!
//! Blocks that streams have left are kept for the next ones, for a page that is new costs eight
//! times what one costs that is there. They are few, and are given back where those and what is in
//! use would be more than the limit; so no stream goes to a file on their account.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::lock::lock;
use crate::sys::{self, Bytes};

/// A stream that takes no more than this is not counted; the rest of what is kept of a process is
/// about as much.
pub(crate) const UNCOUNTED: usize = 4096;

/// A stream is worth a file of its own, and a descriptor, from this size on.
pub(crate) const WORTH_A_FILE: usize = 32 * 1024;

/// Blocks are kept for others from this size on; smaller ones are the allocator's affair.
pub(crate) const SPARE_FROM: usize = 128 * 1024;

/// What is kept for others, in all.
const SPARE_MAX: u64 = 16 << 20;

/// The default: this part of the memory there is, and not less than the other.
const DEFAULT_PART: u64 = 8;
const DEFAULT_LEAST: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
    spares: Mutex<Vec<Bytes>>,
    /// How much room they have.
    spare: AtomicU64,
    dir: Option<PathBuf>,
}

impl Budget {
    pub(crate) fn new(limit: Option<u64>, dir: Option<PathBuf>) -> Budget {
        Budget {
            limit: limit.unwrap_or_else(default_limit),
            used: AtomicU64::new(0),
            spares: Mutex::default(),
            spare: AtomicU64::new(0),
            dir,
        }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// How much is counted now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn has_room_for(&self, more: u64) -> bool {
        self.used().saturating_add(more) <= self.limit
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A block that somebody has left, of about this size and not less.
    pub(crate) fn take_spare(&self, room: usize) -> Option<Bytes> {
        if room < SPARE_FROM || self.spare.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut spares = lock(&self.spares);
        let fitting = room..=room.saturating_mul(2);
        let place = spares
            .iter()
            .rposition(|bytes| fitting.contains(&bytes.capacity()))?;
        let bytes = spares.swap_remove(place);
        self.spare
            .fetch_sub(bytes.capacity() as u64, Ordering::Relaxed);
        Some(bytes)
    }

    /// Keeps a block for others that nobody needs any more, where there is room for that.
    pub(crate) fn leave(&self, mut bytes: Bytes) {
        let room = bytes.capacity() as u64;
        if room < SPARE_FROM as u64 {
            return;
        }
        let mut spares = lock(&self.spares);
        let spare = self.spare.load(Ordering::Relaxed).saturating_add(room);
        if spare <= SPARE_MAX && self.has_room_for(spare) {
            bytes.clear();
            spares.push(bytes);
            self.spare.fetch_add(room, Ordering::Relaxed);
        }
    }

    /// Gives blocks back that were kept, until there is room for so many bytes beside them.
    pub(crate) fn make_way(&self, more: u64) {
        let is_too_much = || {
            let spare = self.spare.load(Ordering::Relaxed);
            spare > 0 && !self.has_room_for(spare.saturating_add(more))
        };
        while is_too_much() {
            let Some(bytes) = lock(&self.spares).pop() else {
                return;
            };
            self.spare
                .fetch_sub(bytes.capacity() as u64, Ordering::Relaxed);
        }
    }

    /// A file that nobody else can open by a name, and that is gone when it is closed.
    pub(crate) fn file(&self) -> io::Result<File> {
        let file = match &self.dir {
            Some(dir) => tempfile::tempfile_in(dir),
            None => tempfile::tempfile(),
        };
        file.map_err(plain)
    }

    /// Where such files are.
    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(std::env::temp_dir)
    }
}

/// What captures may take where nobody has said it.
pub(crate) fn default_limit() -> u64 {
    let memory = sys::memory_limit().unwrap_or(0);
    (memory / DEFAULT_PART).max(DEFAULT_LEAST)
}

/// What the system said, without the path that has been put around it.
fn plain(error: io::Error) -> io::Error {
    let within = error.get_ref().and_then(|error| error.source());
    let within = within.and_then(|error| error.downcast_ref::<io::Error>());
    let code = within.and_then(io::Error::raw_os_error);
    code.map_or(error, io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_part_of_what_there_is_and_never_little() {
        let budget = Budget::new(None, None);
        assert!(budget.limit() >= DEFAULT_LEAST);
        let memory = sys::memory_limit().expect("this system says how much memory it has");
        assert!(budget.limit() <= (memory / DEFAULT_PART).max(DEFAULT_LEAST));
        assert!(memory > 16 << 20, "{memory} bytes of memory");
    }

    fn block(room: usize) -> Bytes {
        let mut bytes = Bytes::default();
        bytes.reserve_exact(room);
        bytes
    }

    #[test]
    fn a_block_that_was_left_is_found_by_who_needs_its_size_and_is_empty() {
        let budget = Budget::new(Some(4 << 20), None);
        let mut left = block(SPARE_FROM);
        left.extend_from_slice(b"left");
        budget.leave(left);
        budget.leave(block(SPARE_FROM - 1));
        assert!(budget.take_spare(SPARE_FROM + 1).is_none());
        assert!(budget.take_spare(SPARE_FROM / 2).is_none());
        assert!(budget.take_spare(SPARE_FROM).unwrap().is_empty());
        assert!(budget.take_spare(SPARE_FROM).is_none());
        assert_eq!(budget.spare.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn blocks_are_kept_within_the_limit_and_make_way_for_what_is_in_use() {
        let budget = Budget::new(Some(1 << 20), None);
        budget.add(1 << 19);
        (0..8).for_each(|_| budget.leave(block(SPARE_FROM)));
        assert_eq!(budget.spare.load(Ordering::Relaxed), 1 << 19);
        budget.make_way(1);
        assert_eq!(lock(&budget.spares).len(), 3);
        budget.make_way(1 << 30);
        assert!(lock(&budget.spares).is_empty());
        let large = Budget::new(Some(1 << 40), None);
        (0..200).for_each(|_| large.leave(block(SPARE_FROM)));
        assert_eq!(large.spare.load(Ordering::Relaxed), SPARE_MAX);
    }
}
