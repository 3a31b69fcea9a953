//! Descriptors that this program was started with, for processes to inherit.

use std::os::fd::RawFd;
use std::sync::Arc;

/// Without /proc, numbers up to this one are looked at.
const GUESS: RawFd = 1024;

/// The descriptors with which this program was started: those that a shell, make or a supervisor
/// has opened for it and its children, such as the pipe of a process substitution or of a
/// jobserver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InheritedFds {
    numbers: Arc<[RawFd]>,
}

impl InheritedFds {
    /// Finds the descriptors other than stdin, stdout and stderr that are open now and not
    /// close-on-exec, and makes them close-on-exec: from now on only commands for which it was
    /// requested inherit them, and no programs that are started by other means.
    ///
    /// Should be called when the program begins, before anything opens or owns descriptors. They
    /// have to stay open as long as commands are started: if one is closed, commands inherit
    /// whatever is opened under its number later.
    pub fn take() -> InheritedFds {
        let mut numbers = open_above_stdio();
        numbers.retain(|number| {
            // SAFETY: reads a flag; it fails where nothing is open under this number.
            let flags = unsafe { libc::fcntl(*number, libc::F_GETFD) };
            if flags < 0 || flags & libc::FD_CLOEXEC != 0 {
                return false;
            }
            // SAFETY: sets a flag of what is open under this number, and closes nothing.
            unsafe { libc::fcntl(*number, libc::F_SETFD, flags | libc::FD_CLOEXEC) == 0 }
        });
        numbers.sort_unstable();
        InheritedFds {
            numbers: numbers.into(),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(numbers: &[RawFd]) -> InheritedFds {
        InheritedFds {
            numbers: numbers.into(),
        }
    }

    /// Their numbers, in ascending order.
    pub fn numbers(&self) -> &[RawFd] {
        &self.numbers
    }
}

fn open_above_stdio() -> Vec<RawFd> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return (3..GUESS).collect();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    names.filter(|number| *number > 2).collect()
}
