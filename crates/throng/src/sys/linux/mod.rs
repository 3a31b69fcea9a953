//! Linux: pipes, a start that shares memory, pidfds, and epoll, io_uring or threads to read.
//!
//! What was learned of each kernel interface, with sources, is in `docs/linux.md`.

mod child;
mod driver;
mod engine;
mod exits;
mod features;
#[cfg(test)]
mod fork_tests;
mod host;
mod pipe;
mod raw;
mod signals;
#[cfg(test)]
mod slow_tests;
mod start;
mod tree;
mod wait;
mod waker;
#[cfg(test)]
mod wish_tests;

pub(crate) use engine::{Engine, probe};
pub(crate) use host::SystemContext;
pub(crate) use signals::signal_number;
pub(crate) use waker::Waker;

use crate::model::mechanism::Mechanism;

pub(crate) use tree::probe_cgroups;

/// Epoll comes first: it and io_uring measure the same on this job, within the noise
/// (docs/linux.md), since starting a process costs far more than the few system calls that io_uring
/// saves; and epoll is never refused, and needs no memory for reads in flight.
pub(crate) const MECHANISMS: &[Mechanism] =
    &[Mechanism::Epoll, Mechanism::IoUring, Mechanism::Threads];

/// What a guardian does; see [`os`](crate::os).
pub(crate) fn guard() -> std::io::Result<()> {
    tree::guard(start::clone::close_all_above)
}
