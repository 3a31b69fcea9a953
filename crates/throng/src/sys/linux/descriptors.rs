//! The numbers of our own descriptors: above stdin, stdout and stderr, whatever of those this
//! program was started without or has closed since. One of ours in such a place would be handed on
//! as what it is not.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::fcntl_dupfd_cloexec;

/// The same descriptor with a number above 2. Where there is none left it stays where it is.
pub(super) fn above_stdio(fd: OwnedFd) -> OwnedFd {
    if fd.as_raw_fd() > 2 {
        return fd;
    }
    fcntl_dupfd_cloexec(&fd, 3).unwrap_or(fd)
}
