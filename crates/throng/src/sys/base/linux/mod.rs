//! Linux.

mod bytes;
pub(crate) mod clock;
pub(crate) mod file;
pub(crate) mod memory;

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::process::Pid;

pub(crate) use bytes::Bytes;
pub(crate) use file::{
    OUT_OF_MEMORY, is_exhausted, is_in_memory, is_want_of_files, read_at, temporary_dirs,
};
pub(crate) use memory::{memory_left, memory_limit};

/// Exit codes are the program's own affair here.
pub(crate) fn exit_code_name(_code: u32) -> Option<&'static str> {
    None
}

/// The same descriptor with a number above those of stdin, stdout and stderr, some of which this
/// program may have been started without, or have closed since. A descriptor of ours in one of
/// these places would be handed on as that stream. If there is no number left it keeps its own.
pub(crate) fn above_stdio(fd: OwnedFd) -> OwnedFd {
    if fd.as_raw_fd() > 2 {
        return fd;
    }
    rustix::io::fcntl_dupfd_cloexec(&fd, 3).unwrap_or(fd)
}

/// The group of a process; `None` if the process does not exist, or if the leader of its group is
/// outside our PID namespace. Such a group has the number 0 (pid_namespaces(7)), for example that
/// of a program started by `unshare --pid --fork`. rustix's `getpgid` and `getpgrp` make a `Pid` of
/// it, which must not be 0.
pub(crate) fn group_of(pid: Pid) -> Option<Pid> {
    // SAFETY: only takes and returns numbers.
    let group = unsafe { libc::getpgid(pid.as_raw_nonzero().get()) };
    Pid::from_raw(group.max(0))
}

/// Our own group, likewise.
pub(crate) fn own_group() -> Option<Pid> {
    // SAFETY: only returns a number.
    Pid::from_raw(unsafe { libc::getpgrp() })
}
