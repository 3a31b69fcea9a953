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

/// Epoll comes first because it measures at least as well as io_uring on this job and is never
/// refused: a tiny process costs a handful of system calls, and starting it a hundred times that,
/// so saving calls is not where the time is. The measurement is in docs/linux.md.
pub(crate) const MECHANISMS: &[Mechanism] =
    &[Mechanism::Epoll, Mechanism::IoUring, Mechanism::Threads];

pub(crate) fn shell_argv(script: &OsStr) -> Vec<OsString> {
    vec!["/bin/sh".into(), "-c".into(), script.to_owned()]
}
