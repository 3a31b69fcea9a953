//! How much memory captures may take together, and where they go when that is not enough.
//!
//! The capacity of a stream is counted once it exceeds [`UNCOUNTED`]: most processes write less,
//! and then the shared counter is not touched. The counter is exact and the limit is not: streams
//! that are too small for a file stay in memory whatever the limit is.
//!
//! Blocks of finished streams are kept for later ones, because a new page costs eight times as much
//! as a page that is mapped already. They are few, and are freed when they and the blocks in use
//! would exceed the limit, so that they cause no stream to be spilled.
//!
//! Memory for output is requested here, and a refusal is an error: a process that writes a lot must
//! not abort this program.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::capture::spill::{self, SpillDir};
use crate::sync::lock;
use crate::sys::base::{self, Bytes};

/// A stream whose capacity is at most this is not counted; the other state of a process takes about
/// as much.
pub(crate) const UNCOUNTED: usize = 4096;

/// A smaller stream is not worth a file of its own, and a descriptor.
pub(crate) const WORTH_A_FILE: usize = 32 * 1024;

/// Blocks of at least this size are kept for other streams; the allocator reuses smaller ones.
pub(crate) const SPARE_FROM: usize = 128 * 1024;

/// The limit for all blocks that are kept, in bytes.
const SPARE_MAX: u64 = 16 << 20;

/// While no file can be opened, captures may take twice the limit, or this much more than a smaller
/// limit.
const OVER_LEAST: u64 = 16 << 20;

/// The default limit: the memory of the machine divided by this, but at least the other.
const DEFAULT_PART: u64 = 8;
const DEFAULT_LEAST: u64 = 64 << 20;

/// Captures may take at most the memory that this process may still request divided by this,
/// because the rest of the program needs memory too.
const LEFT_PART: u64 = 2;

/// Files in a spill directory in memory may take the memory beyond the limit divided by this.
const IN_MEMORY_PART: u64 = 2;

#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
    spares: Mutex<Vec<Bytes>>,
    /// The capacity of the spare blocks, in bytes.
    spare: AtomicU64,
    place: SpillDir,
    #[cfg(test)]
    pub(crate) refusals: Refusals,
}

/// What the system refuses, set by a test.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// Memory is refused for as long as this is set.
    pub(crate) memory: std::sync::atomic::AtomicBool,
    /// Files are refused with this code, as long as it is not 0.
    pub(crate) files: std::sync::atomic::AtomicI32,
}

#[cfg(test)]
impl Refusals {
    pub(crate) fn strike_files(&self) -> io::Result<()> {
        match self.files.load(Ordering::Relaxed) {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

impl Budget {
    pub(crate) fn new(limit: Option<u64>, dir: Option<PathBuf>) -> Budget {
        let limit = limit_of(limit);
        let (dir, is_in_memory) = spill::choose(dir);
        let in_memory_max = is_in_memory.then(|| {
            let memory = base::memory_limit().unwrap_or(0);
            memory.saturating_sub(limit) / IN_MEMORY_PART
        });
        Budget::with_place(limit, SpillDir::new(dir, in_memory_max))
    }

    pub(crate) fn with_place(limit: u64, place: SpillDir) -> Budget {
        Budget {
            limit,
            used: AtomicU64::new(0),
            spares: Mutex::default(),
            spare: AtomicU64::new(0),
            place,
            #[cfg(test)]
            refusals: Refusals::default(),
        }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// How many bytes are counted now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn has_room_for(&self, more: u64) -> bool {
        self.used().saturating_add(more) <= self.limit
    }

    /// Whether a stream for which no file can be opened may take this much more.
    pub(crate) fn may_exceed_by(&self, more: u64) -> bool {
        let most = self.limit.saturating_add(self.limit.max(OVER_LEAST));
        self.used().saturating_add(more) <= most
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A spare block of at least this capacity and at most twice as much.
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

    /// Keeps a block that is no longer used for other streams, if the limits allow it.
    pub(crate) fn keep_spare(&self, mut bytes: Bytes) {
        let room = bytes.capacity() as u64;
        if room < SPARE_FROM as u64 {
            return;
        }
        // Another thread holds the lock, or held it when this process was forked: free the block.
        let Ok(mut spares) = self.spares.try_lock() else {
            return;
        };
        let spare = self.spare.load(Ordering::Relaxed).saturating_add(room);
        if spare <= SPARE_MAX && self.has_room_for(spare) {
            bytes.clear();
            spares.push(bytes);
            self.spare.fetch_add(room, Ordering::Relaxed);
        }
    }

    /// Frees spare blocks until this many more bytes fit into the limit.
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

    /// Allocates room for this many more bytes, whatever the limit; fails if there is no memory.
    pub(crate) fn reserve(&self, bytes: &mut Bytes, more: usize) -> io::Result<()> {
        #[cfg(test)]
        if self.refusals.memory.load(Ordering::Relaxed) {
            return Err(no_memory());
        }
        if bytes.try_reserve_exact(more).is_ok() {
            return Ok(());
        }
        // Freeing the spare blocks may be enough.
        let spares = std::mem::take(&mut *lock(&self.spares));
        let room: usize = spares.iter().map(Bytes::capacity).sum();
        self.spare.fetch_sub(room as u64, Ordering::Relaxed);
        drop(spares);
        bytes.try_reserve_exact(more).map_err(|_| no_memory())
    }

    /// The directory to which captures are spilled.
    pub(crate) fn place(&self) -> &SpillDir {
        &self.place
    }

    pub(crate) fn dir(&self) -> &Path {
        self.place.dir()
    }
}

#[cfg(test)]
impl Default for Budget {
    fn default() -> Budget {
        Budget::new(None, None)
    }
}

/// The limit: the one that was set or the default, restricted to the memory this process may have.
pub(crate) fn limit_of(asked: Option<u64>) -> u64 {
    let left = base::memory_left().unwrap_or(u64::MAX);
    let memory = || base::memory_limit().unwrap_or(0);
    let limit = asked.unwrap_or_else(|| (memory() / DEFAULT_PART).max(DEFAULT_LEAST));
    limit.min(left / LEFT_PART)
}

/// The system's error for a lack of memory.
pub(crate) fn no_memory() -> io::Error {
    io::Error::from_raw_os_error(base::OUT_OF_MEMORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_budget_is_a_part_of_memory_with_a_minimum() {
        let budget = Budget::new(None, None);
        let memory = base::memory_limit().expect("this system says how much memory it has");
        assert!(memory > 16 << 20, "{memory} bytes of memory");
        assert!(budget.limit() <= (memory / DEFAULT_PART).max(DEFAULT_LEAST));
        let is_limited = base::memory_left().is_some_and(|left| left < 4 * DEFAULT_LEAST);
        assert!(is_limited || budget.limit() >= DEFAULT_LEAST);
    }

    #[test]
    fn a_refused_allocation_is_retried_after_releasing_the_kept_blocks() {
        let budget = Budget::new(Some(4 << 20), None);
        budget.keep_spare(block(SPARE_FROM));
        let mut bytes = block(10);
        let error = budget.reserve(&mut bytes, isize::MAX as usize - 10);
        assert_eq!(error.unwrap_err().raw_os_error(), Some(base::OUT_OF_MEMORY));
        assert_eq!(budget.spare.load(Ordering::Relaxed), 0);
        assert!(budget.take_spare(SPARE_FROM).is_none());
    }

    fn block(room: usize) -> Bytes {
        let mut bytes = Bytes::default();
        bytes.try_reserve_exact(room).unwrap();
        bytes
    }

    #[test]
    fn a_released_block_is_reused_for_its_size_and_is_empty() {
        let budget = Budget::new(Some(4 << 20), None);
        let mut left = block(SPARE_FROM);
        left.extend_from_slice(b"left");
        budget.keep_spare(left);
        budget.keep_spare(block(SPARE_FROM - 1));
        assert!(budget.take_spare(SPARE_FROM + 1).is_none());
        assert!(budget.take_spare(SPARE_FROM / 2).is_none());
        assert!(budget.take_spare(SPARE_FROM).unwrap().is_empty());
        assert!(budget.take_spare(SPARE_FROM).is_none());
        assert_eq!(budget.spare.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn kept_blocks_stay_within_the_limit_and_yield_to_blocks_in_use() {
        let budget = Budget::new(Some(1 << 20), None);
        budget.add(1 << 19);
        (0..8).for_each(|_| budget.keep_spare(block(SPARE_FROM)));
        assert_eq!(budget.spare.load(Ordering::Relaxed), 1 << 19);
        budget.make_way(1);
        assert_eq!(lock(&budget.spares).len(), 3);
        budget.make_way(1 << 30);
        assert!(lock(&budget.spares).is_empty());
        let large = Budget::new(Some(1 << 40), None);
        (0..200).for_each(|_| large.keep_spare(block(SPARE_FROM)));
        assert_eq!(large.spare.load(Ordering::Relaxed), SPARE_MAX);
    }
}
