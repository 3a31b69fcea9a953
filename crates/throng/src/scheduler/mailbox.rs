//! The requests of other threads to a shard, and the call that wakes it.
//!
//! Invariant: a request is added before the shard is woken, and a call to wake it is kept until its
//! next wait. So a request is seen before the shard sleeps, or ends its sleep.

use std::sync::OnceLock;

use crate::sync::Mutex;
use crate::sync::lock;
use crate::sys::Waker;

pub(crate) struct Mailbox<R> {
    requests: Mutex<Vec<R>>,
    waker: OnceLock<Waker>,
}

impl<R> Mailbox<R> {
    pub(crate) fn new() -> Mailbox<R> {
        Mailbox {
            requests: Mutex::new(Vec::new()),
            waker: OnceLock::new(),
        }
    }

    /// # Panics
    ///
    /// Panics the second time.
    pub(crate) fn connect(&self, waker: Waker) {
        let first = self.waker.set(waker);
        assert!(first.is_ok(), "a shard is connected once");
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    pub(crate) fn ask(&self, request: R) {
        lock(&self.requests).push(request);
        self.wake();
    }

    /// Holds the lock, as another thread may at any moment.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized + '_ {
        lock(&self.requests)
    }

    pub(crate) fn take(&self) -> Vec<R> {
        std::mem::take(&mut *lock(&self.requests))
    }
}
