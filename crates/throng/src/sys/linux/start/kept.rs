//! Descriptors above stdin, stdout and stderr that processes are to have: those that a command or a
//! whole `Throng` names, and no others. They have the same number here and there, so none of our
//! own can be in their place, and none has to be moved.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::clone::Kept;
use crate::job::command::Command;
use crate::sys::options::linux::inherited::InheritedFds;

/// What the process of a command has open besides stdin, stdout and stderr, in ascending order:
/// what is inherited, and this terminal until its program runs.
pub(crate) fn write_kept(
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
    let inherited = all.numbers().iter().copied().chain(own).map(|fd| Kept {
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
