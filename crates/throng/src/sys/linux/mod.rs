//! Linux: pipes, a start that shares memory, pidfds, and epoll, io_uring or threads to read.
//!
//! What was learned of each kernel interface, with sources, is in `docs/linux.md`.

mod attendant;
mod chase;
mod child;
mod clone;
mod driver;
mod engine;
mod epoll;
mod exits;
mod failure;
mod faults;
#[cfg(test)]
mod fork_tests;
mod group;
mod groups;
mod hierarchy;
mod holders;
mod host;
mod keeper;
mod kept;
mod kills;
mod launch;
mod loading;
mod marks;
mod orphans;
mod procfs;
mod program;
mod raw;
mod reader;
mod remains;
mod search;
mod signals;
#[cfg(test)]
mod slow_tests;
mod standstill;
mod stdin;
mod strings;
mod sweep;
mod tag;
mod threads;
mod tree;
mod uring;
mod wait;
mod waker;
#[cfg(test)]
mod wish_tests;

pub(crate) use engine::{Engine, probe};
#[cfg(feature = "faults")]
pub(crate) use faults::fault_of;
pub(crate) use host::Host;
pub(crate) use signals::signal_number;
pub(crate) use waker::Waker;

use crate::sys::mechanism::Mechanism;

pub(crate) use groups::probe_cgroups;
pub(crate) use remains::keep;

/// Epoll comes first: it and io_uring measure the same on this job, within the noise
/// (docs/linux.md), since starting a process costs far more than the few system calls that io_uring
/// saves; and epoll is never refused, and needs no memory for reads in flight.
pub(crate) const MECHANISMS: &[Mechanism] =
    &[Mechanism::Epoll, Mechanism::IoUring, Mechanism::Threads];
