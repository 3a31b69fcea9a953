//! How a process ended, what it used, and why it was ended.

use std::fmt;
use std::time::Duration;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It ended by itself, with this exit code.
    Exited(u32),
    /// A signal ended it.
    Signaled {
        /// The number of the signal.
        signal: i32,
        /// Whether the system wrote a core dump.
        core_dumped: bool,
    },
    /// It was killed, and was still alive a second later: it waits for a device that does not
    /// answer, is frozen, or may not be killed by us. It is among the
    /// [survivors](crate::Outcome::survivors).
    StillRunning,
    /// The exit status is gone: other code in this program waited for processes that are not its
    /// own (`waitpid(-1)`, or `SIGCHLD` ignored) and took it.
    Unknown,
}

impl Status {
    /// Whether the process ended by itself with exit code 0.
    pub fn success(self) -> bool {
        self == Status::Exited(0)
    }

    /// The exit code of a process that ended by itself.
    pub fn code(self) -> Option<u32> {
        match self {
            Status::Exited(code) => Some(code),
            _ => None,
        }
    }

    /// The signal that ended the process.
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

/// What a process used, as the system accounts for it; its waited-for children included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel on behalf of the process.
    pub system: Duration,
    /// The most memory it had resident at once, in bytes. `None` when the system cannot tell it
    /// from our own: Linux counts a process that was started without copying its parent as at
    /// least as large as the parent was, so only larger figures are the process's own.
    pub max_rss_bytes: Option<u64>,
}

/// Why throng ended a process that had not ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// It ran for longer than its [timeout](crate::Command::timeout).
    Timeout,
    /// The [`Throng`](crate::Throng) was cancelled or dropped, or the process's own handle was.
    Cancel,
}
