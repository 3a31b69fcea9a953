//! The mutexes and atomics by which shards and other threads sleep and wake each other.
//!
//! They are a module of their own so that `tests/interleavings.rs` can replace them by ones that
//! try different orders of threads.

use std::sync::PoisonError;
pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks a mutex. Poisoning is ignored: the guarded values are consistent between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
