//! The mutexes and atomics by which shards and other threads sleep and wake each other.
//!
//! A module of its own so that `tests/interleavings.rs` can put others in their place, which try
//! the orders in which threads may run.

pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
