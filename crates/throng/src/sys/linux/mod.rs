//! Linux: pipes, a vfork-style start, pidfds, and epoll, io_uring or threads to read.
//!
//! What was learned of each kernel interface, with sources, is in `docs/linux.md`.

mod child;
mod clone;
mod driver;
mod engine;
mod epoll;
mod exits;
mod holders;
mod host;
mod launch;
mod program;
mod reader;
mod signals;
mod strings;
mod threads;
mod uring;
mod wait;
mod waker;

use std::ffi::{OsStr, OsString};

pub(crate) use engine::{Engine, probe};
pub(crate) use host::Host;
pub(crate) use signals::signal_number;
pub(crate) use waker::Waker;

use crate::Mechanism;

/// Epoll comes first: it and io_uring measure the same on this job, within the noise
/// (docs/linux.md), since starting a process costs far more than the few system calls that io_uring
/// saves; and epoll is never refused, and needs no memory for reads in flight.
pub(crate) const MECHANISMS: &[Mechanism] =
    &[Mechanism::Epoll, Mechanism::IoUring, Mechanism::Threads];

pub(crate) fn shell_argv(script: &OsStr) -> Vec<OsString> {
    vec!["/bin/sh".into(), "-c".into(), script.to_owned()]
}
