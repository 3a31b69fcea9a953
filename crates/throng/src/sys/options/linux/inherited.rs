//! Descriptors that this program was started with, for processes to inherit.

use std::os::fd::RawFd;
use std::sync::Arc;

/// Without /proc, numbers up to this one are looked at.
const GUESS: RawFd = 1024;

/// Descriptors that this program was started with: what a shell, make or a supervisor has opened
/// for it and for what it starts, such as the pipe of a process substitution or of a jobserver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InheritedFds {
    numbers: Arc<[RawFd]>,
}

impl InheritedFds {
    /// Takes stock of the descriptors above stdin, stdout and stderr that are open now and are not
    /// close-on-exec, and makes them so: from now on only commands have them that are to, and no
    /// program that is started by other means.
    ///
    /// To be called when the program begins, before anything opens or owns descriptors. They have
    /// to stay open as long as commands are started: where one is closed, commands have what is
    /// opened under its number.
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
