//! Process groups by their numbers. A group whose leader is outside our PID namespace has the
//! number 0 (pid_namespaces(7)), for example that of a program started by `unshare --pid --fork`.
//! rustix's `getpgid` and `getpgrp` make a `Pid` of it, which must not be 0.

use rustix::process::Pid;

/// The group of a process; `None` if its leader is outside, or the process does not exist.
pub(crate) fn group_of(pid: Pid) -> Option<Pid> {
    // SAFETY: only takes and returns numbers.
    let group = unsafe { libc::getpgid(pid.as_raw_nonzero().get()) };
    Pid::from_raw(group.max(0))
}

/// Our own group; `None` if its leader is outside.
pub(crate) fn own_group() -> Option<Pid> {
    // SAFETY: only returns a number.
    Pid::from_raw(unsafe { libc::getpgrp() })
}
