//! How many bytes of a run its consumer has not taken.

use crate::sync::{AtomicU64, Ordering};

/// The bytes of the finished outcomes of one run that its consumer has not taken.
#[derive(Debug, Default)]
pub(crate) struct Unconsumed(AtomicU64);

impl Unconsumed {
    /// An outcome with this many bytes has arrived.
    pub(crate) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn is_more_than(&self, bytes: u64) -> bool {
        self.0.load(Ordering::Relaxed) > bytes
    }

    /// Outcomes with this many bytes were taken. Returns how many there were before.
    pub(crate) fn remove(&self, bytes: u64) -> u64 {
        self.0.fetch_sub(bytes, Ordering::Relaxed)
    }
}
