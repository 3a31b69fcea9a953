//! Descriptors above stdin, stdout and stderr that processes are to have: those that a command or a
//! whole `Throng` names, and no others. They have the same number here and there, so none of our
//! own can be in their place, and none has to be moved.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::clone::Kept;
use crate::job::command::Command;

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
    pub(super) fn of(numbers: &[RawFd]) -> InheritedFds {
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

/// What the process of a command has open besides stdin, stdout and stderr, in ascending order:
/// what is inherited, and this terminal until its program runs.
pub(super) fn write_kept(
    out: &mut Vec<Kept>,
    command: &Command,
    all: &InheritedFds,
    terminal: Option<RawFd>,
) {
    out.clear();
    let own = command
        .os
        .inherited
        .iter()
        .map(|fd: &Arc<OwnedFd>| fd.as_raw_fd());
    let inherited = all.numbers.iter().copied().chain(own).map(|fd| Kept {
        fd,
        is_inherited: true,
    });
    // The places of stdin, stdout and stderr are taken.
    out.extend(inherited.filter(|kept| kept.fd > 2));
    out.extend(terminal.map(|fd| Kept {
        fd,
        is_inherited: false,
    }));
    out.sort_unstable();
    out.dedup_by_key(|kept| kept.fd);
}
