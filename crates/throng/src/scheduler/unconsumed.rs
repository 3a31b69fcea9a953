//! How much of a run waits to be taken.

use crate::sync::{AtomicU64, Ordering};

/// How many bytes the finished outcomes of one run have that nobody has taken.
#[derive(Debug, Default)]
pub(crate) struct Unconsumed(AtomicU64);

impl Unconsumed {
    /// An outcome with this many bytes waits to be taken.
    pub(crate) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn is_more_than(&self, bytes: u64) -> bool {
        self.0.load(Ordering::Relaxed) > bytes
    }

    /// So many bytes have been taken. Returns how many there were before.
    pub(crate) fn remove(&self, bytes: u64) -> u64 {
        self.0.fetch_sub(bytes, Ordering::Relaxed)
    }
}
