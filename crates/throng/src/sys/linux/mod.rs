//! Linux: pipes, a start that shares memory, pidfds, and epoll, io_uring or threads to read.
//!
//! What was learned of each kernel interface, with sources, is in `docs/linux.md`.

mod attendant;
mod bytes;
mod chase;
mod child;
mod clone;
mod descriptors;
mod driver;
mod engine;
mod epoll;
mod exits;
mod failure;
mod faults;
mod file;
#[cfg(test)]
mod fork_tests;
mod group;
mod groups;
mod hierarchy;
mod holders;
mod host;
mod inherited;
mod keeper;
mod kills;
mod launch;
mod loading;
mod marks;
mod memory;
mod options;
mod orphans;
mod process_group;
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
mod terminal;
mod threads;
mod tree;
mod uring;
mod wait;
mod waker;
#[cfg(test)]
mod wish_tests;

use std::ffi::OsStr;

pub(crate) use bytes::Bytes;
pub(crate) use engine::{Engine, probe};
#[cfg(feature = "faults")]
pub(crate) use faults::fault_of;
pub(crate) use file::{OUT_OF_MEMORY, is_in_memory, is_want_of_files, read_at, temporary_dirs};
pub(crate) use host::Host;
pub(crate) use memory::{memory_left, memory_limit};
pub(crate) use options::{CommandOptions, HostOptions};
pub(crate) use signals::signal_number;
pub(crate) use waker::Waker;

use crate::job::command::Command;
use crate::model::mechanism::Mechanism;

pub(crate) use groups::probe_cgroups;
pub use options::os;
pub(crate) use remains::keep;

/// Epoll comes first: it and io_uring measure the same on this job, within the noise
/// (docs/linux.md), since starting a process costs far more than the few system calls that io_uring
/// saves; and epoll is never refused, and needs no memory for reads in flight.
pub(crate) const MECHANISMS: &[Mechanism] =
    &[Mechanism::Epoll, Mechanism::IoUring, Mechanism::Threads];

/// Exit codes are the program's own affair here.
pub(crate) fn exit_code_name(_code: u32) -> Option<&'static str> {
    None
}

/// A script that begins with a dash would be taken for options of the shell, which look at the
/// argument after `-c`; a blank before it means nothing.
pub(crate) fn shell(script: &OsStr) -> Command {
    let is_like_options =
        script.as_encoded_bytes().starts_with(b"-") || script.as_encoded_bytes().starts_with(b"+");
    let before = if is_like_options { " " } else { "" };
    let mut safe = OsStr::new(before).to_owned();
    safe.push(script);
    Command::from_argv([OsStr::new("/bin/sh"), OsStr::new("-c"), &safe])
}
