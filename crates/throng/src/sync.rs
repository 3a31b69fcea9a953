//! The mutexes and atomics by which shards and other threads sleep and wake each other.
//!
//! A module of its own so that `tests/interleavings.rs` can put others in their place, which try
//! the orders in which threads may run.

use std::sync::PoisonError;
pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks a mutex. Poison is of no consequence: what is guarded is consistent between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
