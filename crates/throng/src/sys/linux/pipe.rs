//! Our end of a pipe.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;

/// Our end of a pipe. Shared only with the thread that reads it, where there is one.
pub(crate) type Pipe = Arc<OwnedFd>;

/// Makes reads of our end fail instead of waiting.
pub(crate) fn unblock(pipe: &OwnedFd) -> Result<(), Errno> {
    fcntl_setfl(pipe, OFlags::NONBLOCK)
}

/// How many bytes the pipe holds now.
pub(crate) fn bytes_waiting(pipe: &OwnedFd) -> u64 {
    rustix::io::ioctl_fionread(pipe).unwrap_or(0)
}

/// Whether a pipe has no writer left.
pub(crate) fn all_writers_gone(pipe: &OwnedFd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::HUP)
}
