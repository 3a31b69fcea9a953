//! Readiness: the kernel says which pipes have something, and we read them.
//!
//! Our ends of the pipes do not block: what was announced need not be there any more when we read
//! it, since any process that may look at another can open its end of a pipe for reading
//! (/proc/PID/fd) and take the bytes. The other ends are not affected: each is an open file of its
//! own.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::child::{Child, Pipe};
use super::descriptors::above_stdio;
use super::engine::{Notice, TAG_EXIT, TAG_STDERR, TAG_STDOUT, TAG_WAKE, tag};
use super::reader::{READ_SIZE, Read, Reader, bytes_waiting, unblock};
use super::waker::Waker;
use crate::Stream;
use crate::slots::{Id, Table};
use crate::sys::faults::{self, Fault, Point};

/// Announcements taken at once.
const BATCH: usize = 256;

pub(super) struct Epoll {
    epoll: OwnedFd,
    waker: Waker,
    events: Vec<epoll::Event>,
    ready: VecDeque<Ready>,
    reader: Reader,
}

#[derive(Clone, Copy, Debug)]
enum Ready {
    Readable {
        id: Id,
        stream: Stream,
        writers_gone: bool,
    },
    Drain {
        id: Id,
        stream: Stream,
        left: u64,
    },
    Exited(Id),
}

impl Epoll {
    pub(super) fn new(waker: Waker) -> io::Result<Epoll> {
        let epoll = above_stdio(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        // The id in this token means nothing: the tag alone distinguishes it.
        let token = epoll::EventData::new_u64(u64::from(TAG_WAKE));
        epoll::add(&epoll, waker.fd(), token, epoll::EventFlags::IN)?;
        Ok(Epoll {
            epoll,
            waker,
            events: Vec::with_capacity(BATCH),
            ready: VecDeque::new(),
            reader: Reader::new(),
        })
    }

    pub(super) fn attach(&mut self, id: Id, pipes: &[Pipe; 2]) -> io::Result<()> {
        for (stream, pipe) in Stream::ALL.into_iter().zip(pipes) {
            unblock(pipe)?;
            self.add(pipe, id.to_token(tag(stream)))?;
        }
        Ok(())
    }

    /// Begins to announce the end of a process.
    pub(super) fn watch(&mut self, id: Id, pidfd: &OwnedFd) -> io::Result<()> {
        self.add(pidfd, id.to_token(TAG_EXIT))
    }

    fn add(&self, fd: &OwnedFd, token: u64) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN)?)
    }

    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.ready.is_empty() {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        let timeout = timeout.map(timespec);
        self.events.clear();
        let struck = faults::strike(Point::Wait);
        match struck {
            Some(Fault::Code(_)) => return Ok(()),
            Some(Fault::Delay(us)) => faults::delay(us),
            _ => {}
        }
        match epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            timeout.as_ref(),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if let Some(Fault::Shuffle(number)) = struck {
            faults::shuffle(&mut self.events, number);
        }
        for event in &self.events {
            let (id, tag) = Id::from_token(event.data.u64());
            let gone = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
            let flags = event.flags;
            let writers_gone = flags.intersects(gone);
            let readable = |stream| Ready::Readable {
                id,
                stream,
                writers_gone,
            };
            match tag {
                TAG_STDOUT => self.ready.push_back(readable(Stream::Stdout)),
                TAG_STDERR => self.ready.push_back(readable(Stream::Stderr)),
                TAG_EXIT => self.ready.push_back(Ready::Exited(id)),
                _ => self.waker.clear(),
            }
        }
        Ok(())
    }

    pub(super) fn next(&mut self, children: &mut Table<Child>) -> Option<Notice> {
        loop {
            let ready = self.ready.pop_front()?;
            let (id, stream) = match ready {
                Ready::Exited(id) => return Some(Notice::Exited(id)),
                Ready::Readable { id, stream, .. } | Ready::Drain { id, stream, .. } => {
                    (id, stream)
                }
            };
            let Some(pipe) = children.get_mut(id).and_then(|child| child.pipe(stream)) else {
                continue; // A late announcement.
            };
            let end = match ready {
                Ready::Drain { left, .. } => match self.reader.drain(pipe, left) {
                    Read::Bytes(n) => {
                        let left = left - n as u64;
                        self.ready.push_front(Ready::Drain { id, stream, left });
                        return Some(Notice::Output(id, stream));
                    }
                    Read::Nothing => {
                        self.ready.push_back(ready);
                        continue;
                    }
                    Read::End(end) => end,
                },
                Ready::Readable { writers_gone, .. } => match self.reader.read(pipe, READ_SIZE) {
                    Read::Bytes(_) => {
                        if writers_gone {
                            // Nothing more comes in, so read on without being told to; but the
                            // others first.
                            self.ready.push_back(ready);
                        }
                        return Some(Notice::Output(id, stream));
                    }
                    Read::Nothing => continue,
                    Read::End(end) => end,
                },
                Ready::Exited(_) => continue,
            };
            return Some(Notice::End(id, stream, end));
        }
    }

    pub(super) fn output(&self) -> &[u8] {
        self.reader.output()
    }

    pub(super) fn stop(&mut self, id: Id, stream: Stream, pipe: &OwnedFd) {
        // It fails only when the pipe is not registered, and then it announces nothing anyway.
        let _ = epoll::delete(&self.epoll, pipe);
        self.ready.push_back(Ready::Drain {
            id,
            stream,
            left: bytes_waiting(pipe),
        });
    }
}

impl std::fmt::Debug for Epoll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Epoll")
            .field("ready", &self.ready.len())
            .finish_non_exhaustive()
    }
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
