//! Reads pipes into one buffer, and looks at them without reading. Pipes that are read here do not
//! block: see `unblock` in `pipe.rs`.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use crate::sys::api::End;
use crate::sys::faults::{self, Fault, Point};
use crate::sys::linux::pipe::{all_writers_gone, bytes_waiting};

/// What a pipe holds unless its size was changed: one read empties it.
pub(crate) const READ_SIZE: usize = 64 * 1024;

/// A buffer to read into, one for all pipes of a shard.
#[derive(Debug)]
pub(crate) struct Reader {
    buffer: Box<[u8]>,
    filled: usize,
    /// How many times in a row there was nothing to read although something was announced.
    vain: usize,
}

/// After this many, another process is reading faster than we do; interrupted reads are not that
/// frequent.
const VAIN_MAX: usize = 64;

pub(crate) enum Read {
    Bytes(usize),
    Nothing,
    End(End),
}

impl Reader {
    pub(crate) fn new() -> Reader {
        Reader {
            buffer: vec![0; READ_SIZE].into_boxed_slice(),
            filled: 0,
            vain: 0,
        }
    }

    pub(crate) fn output(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    pub(crate) fn read(&mut self, pipe: impl AsFd, at_most: usize) -> Read {
        let at_most = at_most.min(READ_SIZE);
        let read = match faults::inject(Point::Read) {
            Some(Fault::Code(code)) => Err(Errno::from_raw_os_error(code as i32)),
            Some(Fault::Short(most)) => {
                rustix::io::read(pipe, &mut self.buffer[..at_most.min(most)])
            }
            injected => {
                if let Some(Fault::Delay(us)) = injected {
                    faults::delay(us);
                }
                rustix::io::read(pipe, &mut self.buffer[..at_most])
            }
        };
        match read {
            Ok(0) => Read::End(End::Eof),
            Ok(n) => {
                self.filled = n;
                Read::Bytes(n)
            }
            Err(Errno::INTR | Errno::AGAIN) => Read::Nothing,
            Err(errno) => Read::End(End::Failed(errno.into())),
        }
    }

    /// Reads on in the pipe of a released stream, at most `left` bytes: what was in it when that
    /// was decided, so that a writer which never stops cannot keep us.
    pub(crate) fn drain(&mut self, pipe: &OwnedFd, left: u64) -> Read {
        let waiting = bytes_waiting(pipe).min(left);
        if waiting > 0 && self.vain < VAIN_MAX {
            let read = self.read(pipe, usize::try_from(waiting).unwrap_or(READ_SIZE));
            self.vain = match read {
                Read::Nothing => self.vain + 1,
                _ => 0,
            };
            return read;
        }
        self.vain = 0;
        let complete = bytes_waiting(pipe) == 0 && all_writers_gone(pipe);
        Read::End(if complete { End::Eof } else { End::Released })
    }
}
