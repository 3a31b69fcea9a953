//! The numbers of our own descriptors: above stdin, stdout and stderr, even if this program was
//! started without some of those or has closed them since. A descriptor of ours in such a place
//! would be handed on as the stream that it is not.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::fcntl_dupfd_cloexec;

/// The same descriptor with a number above 2. If there is none left it keeps its number.
pub(crate) fn above_stdio(fd: OwnedFd) -> OwnedFd {
    if fd.as_raw_fd() > 2 {
        return fd;
    }
    fcntl_dupfd_cloexec(&fd, 3).unwrap_or(fd)
}
