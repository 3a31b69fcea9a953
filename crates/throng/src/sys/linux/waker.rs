//! Ends the wait of a shard from another thread: an eventfd.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::sys::base::linux::above_stdio;
use rustix::event::{EventfdFlags, eventfd};

#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(super) fn new() -> std::io::Result<Waker> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Waker(Arc::new(above_stdio(fd))))
    }

    /// Ends the wait that is going on, or else the next one.
    pub(crate) fn wake(&self) {
        // It fails only when the counter is full, and then the shard is being woken already.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }

    /// Forgets the calls of [`wake`](Waker::wake) so far.
    pub(super) fn clear(&self) {
        let _ = rustix::io::read(&*self.0, &mut [0u8; 8]);
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.0
    }
}
