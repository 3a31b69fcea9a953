//! How a process ended, what it used, and why it was ended.

use std::fmt;
use std::time::Duration;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It exited with this code.
    Exited(u32),
    /// It was ended by a signal.
    Signaled {
        /// The number of the signal.
        signal: i32,
        /// Whether the system wrote a core dump.
        core_dumped: bool,
    },
    /// It was killed and was still alive a second later: it waits for a device that does not
    /// respond, is frozen, or this program has no permission to kill it. It is listed in
    /// [`Outcome::survivors`](crate::Outcome::survivors).
    StillRunning,
    /// The exit status was lost: other code in this program took it, by waiting for all children
    /// (`waitpid(-1)`) or by ignoring `SIGCHLD`.
    Unknown,
}

impl Status {
    /// Whether the process exited with code 0.
    pub fn success(self) -> bool {
        self == Status::Exited(0)
    }

    /// The exit code, if the process exited.
    pub fn code(self) -> Option<u32> {
        match self {
            Status::Exited(code) => Some(code),
            _ => None,
        }
    }

    /// The number of the signal that ended the process, if one did.
    pub fn signal(self) -> Option<i32> {
        match self {
            Status::Signaled { signal, .. } => Some(signal),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Exited(code) => match crate::sys::base::exit_code_name(*code) {
                Some(name) => write!(f, "exit code 0x{code:08X}, {name}"),
                None => write!(f, "exit code {code}"),
            },
            Status::Signaled {
                signal,
                core_dumped: false,
            } => write!(f, "signal {signal}"),
            Status::Signaled {
                signal,
                core_dumped: true,
            } => {
                write!(f, "signal {signal} (core dumped)")
            }
            Status::StillRunning => f.write_str("killed, and still running"),
            Status::Unknown => f.write_str("exit status taken by other code"),
        }
    }
}

/// The resources that a process used, as counted by the system, including the children that it has
/// waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel on behalf of the process.
    pub system: Duration,
    /// The largest resident set, in bytes. `None` if it cannot be distinguished from that of this
    /// program: Linux counts a process that was started without copying its parent as at least as
    /// large as the parent, so only larger figures belong to the process.
    pub max_rss_bytes: Option<u64>,
}

/// Why throng ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// It ran for longer than its [timeout](crate::Command::timeout).
    Timeout,
    /// The [`Throng`](crate::Throng), the run or the handle of the process was cancelled or
    /// dropped.
    Cancel,
}
