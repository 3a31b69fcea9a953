//! Readiness: the kernel reports which pipes have something, and we read them.
//!
//! Our ends of the pipes do not block: what was announced need not be there any more when we read
//! it, since any process that may look at another can open its end of a pipe for reading
//! (/proc/PID/fd) and take the bytes. The other ends are not affected: each is an open file of its
//! own.
//!
//! A fork of this program has copies of our descriptors, and closing ours does not end what epoll
//! announces for them (epoll(7), Q6): the end of a pipe would be announced for ever. So a pipe is
//! taken out of the set before it is closed, which costs a system call for each stream. The
//! descriptor of a process is announced when something changes, not for as long as it has ended, so
//! that it need not be taken out.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;

use super::reader::{READ_SIZE, Read, Reader};
use crate::model::stream::Stream;
use crate::slots::{Id, Table};
use crate::sys::base::linux::above_stdio;
use crate::sys::faults::{self, Fault, Point};
use crate::sys::linux::child::Child;
use crate::sys::linux::driver::event::{
    DriverEvent, TAG_EXIT, TAG_STDERR, TAG_STDOUT, TAG_WAKE, tag,
};
use crate::sys::linux::pipe::Pipe;
use crate::sys::linux::pipe::{bytes_waiting, unblock};
use crate::sys::linux::wait::timespec;
use crate::sys::linux::waker::Waker;

/// Of a pipe that is not to be announced.
const ONCE: epoll::EventFlags = epoll::EventFlags::ONESHOT;

/// Announcements taken at once.
const BATCH: usize = 256;

pub(crate) struct Epoll {
    epoll: OwnedFd,
    waker: Waker,
    events: Vec<epoll::Event>,
    ready: VecDeque<Ready>,
    reader: Reader,
    is_paused: bool,
    /// Pipes that hold something and are not announced until reading is resumed.
    unread: HashSet<(Id, Stream)>,
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
    pub(crate) fn new(waker: Waker) -> io::Result<Epoll> {
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
            is_paused: false,
            unread: HashSet::new(),
        })
    }

    pub(crate) fn attach(&mut self, id: Id, pipes: &[Pipe; 2]) -> io::Result<()> {
        for (stream, pipe) in Stream::ALL.into_iter().zip(pipes) {
            unblock(pipe)?;
            self.add(pipe, id.to_token(tag(stream)), epoll::EventFlags::IN)?;
        }
        Ok(())
    }

    /// The process of these pipes was not started.
    pub(crate) fn detach(&mut self, pipes: &[Pipe; 2]) {
        for pipe in pipes {
            self.remove(pipe);
        }
    }

    /// Begins to announce the end of a process: when it ends, and again when a debugger that has
    /// kept us from seeing that lets go of it (`do_notify_pidfd` in the kernel's
    /// `do_notify_parent`).
    pub(crate) fn watch(&mut self, id: Id, pidfd: &OwnedFd) -> io::Result<()> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        self.add(pidfd, id.to_token(TAG_EXIT), flags)
    }

    fn add(&self, fd: &OwnedFd, token: u64, flags: epoll::EventFlags) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::add(&self.epoll, fd, data, flags)?)
    }

    fn remove(&self, pipe: &OwnedFd) {
        // It fails only when the pipe is not registered, and then it announces nothing anyway.
        let _ = epoll::delete(&self.epoll, pipe);
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.ready.is_empty() {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        let timeout = timeout.map(timespec);
        self.events.clear();
        let injected = faults::inject(Point::Wait);
        match injected {
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
        if let Some(Fault::Shuffle(number)) = injected {
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

    pub(crate) fn next(&mut self, children: &mut Table<Child>) -> Option<DriverEvent> {
        loop {
            let ready = self.ready.pop_front()?;
            let (id, stream) = match ready {
                Ready::Exited(id) => return Some(DriverEvent::Exited(id)),
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
                        return Some(DriverEvent::Output(id, stream));
                    }
                    Read::Nothing => {
                        self.ready.push_back(ready);
                        continue;
                    }
                    Read::End(end) => end,
                },
                Ready::Readable { .. } if self.is_paused && bytes_waiting(pipe) > 0 => {
                    // Announced once more if its writers go away, and then not before it is asked
                    // for again. That changes an entry that is there, so it cannot be refused.
                    if self.unread.insert((id, stream)) {
                        let token = epoll::EventData::new_u64(id.to_token(tag(stream)));
                        let _ = epoll::modify(&self.epoll, &**pipe, token, ONCE);
                    }
                    continue;
                }
                Ready::Readable { writers_gone, .. } => match self.reader.read(pipe, READ_SIZE) {
                    Read::Bytes(_) => {
                        if writers_gone {
                            // Nothing more comes in, so read on without an event; but the
                            // others first.
                            self.ready.push_back(ready);
                        }
                        return Some(DriverEvent::Output(id, stream));
                    }
                    Read::Nothing => continue,
                    Read::End(end) => {
                        // It is closed next.
                        let _ = epoll::delete(&self.epoll, pipe);
                        end
                    }
                },
                Ready::Exited(_) => continue,
            };
            return Some(DriverEvent::End(id, stream, end));
        }
    }

    pub(crate) fn output(&self) -> &[u8] {
        self.reader.output()
    }

    /// Whether pipes are left unread that hold something.
    pub(crate) fn set_paused(&mut self, is_paused: bool, children: &mut Table<Child>) {
        self.is_paused = is_paused;
        if is_paused {
            return;
        }
        for (id, stream) in self.unread.drain() {
            if let Some(pipe) = children.get_mut(id).and_then(|child| child.pipe(stream)) {
                let token = epoll::EventData::new_u64(id.to_token(tag(stream)));
                let _ = epoll::modify(&self.epoll, &**pipe, token, epoll::EventFlags::IN);
            }
        }
    }

    pub(crate) fn release(&mut self, id: Id, stream: Stream, pipe: &OwnedFd) {
        self.remove(pipe);
        self.unread.remove(&(id, stream));
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;
    use std::thread;
    use std::time::Instant;

    use rustix::pipe::pipe;
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

    use super::*;
    use crate::job::command::Command;
    use crate::model::mechanism::Mechanism;
    use crate::slots::Slots;
    use crate::sys::HostOptions;
    use crate::sys::api::Event;
    use crate::sys::linux::engine::Engine;
    use crate::sys::linux::host::SystemContext;

    /// Far more turns than there is anything to announce, and far fewer than a shard makes that is
    /// woken all the time.
    const TURNS_MAX: u32 = 50;

    /// How many times this returns within some time, if each call may take a part of it.
    fn turns(mut wait: impl FnMut(Duration)) -> u32 {
        let deadline = Instant::now() + Duration::from_millis(300);
        let mut turns = 0;
        while Instant::now() < deadline {
            wait(Duration::from_millis(50));
            turns += 1;
        }
        turns
    }

    /// Starts a fork of this program that does nothing, for a minute at most.
    fn idle_fork() -> Pid {
        // SAFETY: the child calls nothing but system calls, and leaves by a signal.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: the call has no conditions. The signal has no handler: it ends the child.
            unsafe { libc::alarm(60) };
            loop {
                // SAFETY: the call has no conditions.
                unsafe { libc::pause() };
            }
        }
        Pid::from_raw(pid).expect("it can fork")
    }

    fn engine(mechanism: Mechanism) -> Engine {
        let host = SystemContext::new(&HostOptions::default(), Arc::default()).unwrap();
        Engine::new(mechanism, Arc::new(host)).unwrap()
    }

    /// Runs a command until it has exited and its streams have ended, or only until the former.
    fn run(engine: &mut Engine, id: Id, has_ended: impl Fn(usize, bool) -> bool) {
        let (mut ends, mut has_exited) = (0, false);
        while !has_ended(ends, has_exited) {
            engine.wait(Some(Duration::from_secs(20))).unwrap();
            while let Some((of, event)) = engine.next() {
                assert_eq!(of, id);
                ends += usize::from(matches!(event, Event::End(..)));
                has_exited |= matches!(event, Event::Exited(_));
            }
        }
    }

    #[test]
    fn a_fork_that_has_our_descriptors_does_not_wake_us_when_a_process_is_over() {
        for mechanism in [Mechanism::Epoll, Mechanism::Threads] {
            let body = move || {
                let mut engine = engine(mechanism);
                let id = Slots::new().insert(());
                let dir = tempfile::tempdir().unwrap();
                let gate = dir.path().join("gate");
                let script = "until [ -e $0 ]; do sleep 0.01; done; echo a";
                let mut command = Command::from_argv(["sh", "-c", script]);
                engine.start(id, command.arg(&gate)).unwrap();
                // Until its exit is watched.
                for _ in 0..10 {
                    engine.wait(Some(Duration::from_millis(10))).unwrap();
                    while let Some((_, event)) = engine.next() {
                        assert!(matches!(event, Event::Loaded));
                    }
                }
                let fork = idle_fork();
                File::create(gate).unwrap();
                run(&mut engine, id, |ends, has_exited| ends == 2 && has_exited);
                engine.forget(id);
                let turns = turns(|time| {
                    engine.wait(Some(time)).unwrap();
                    assert!(engine.next().is_none());
                });
                kill_process(fork, Signal::KILL).unwrap();
                waitpid(Some(fork), WaitOptions::empty()).unwrap();
                assert!(turns < TURNS_MAX, "{mechanism}: {turns}");
            };
            thread::spawn(body).join().unwrap();
        }
    }

    #[test]
    fn a_process_that_has_exited_does_not_wake_us_while_another_holds_its_pipes() {
        let body = || {
            let mut engine = engine(Mechanism::Epoll);
            let id = Slots::new().insert(());
            let dir = tempfile::tempdir().unwrap();
            let gate = dir.path().join("gate");
            let script = "(until [ -e $0 ]; do sleep 0.01; done) & sleep 0.1";
            let mut command = Command::from_argv(["sh", "-c", script]);
            engine.start(id, command.arg(&gate)).unwrap();
            run(&mut engine, id, |_, has_exited| has_exited);
            let turns = turns(|time| {
                engine.wait(Some(time)).unwrap();
                assert!(engine.next().is_none());
            });
            assert!(turns < TURNS_MAX, "{turns}");
            File::create(gate).unwrap();
            run(&mut engine, id, |ends, _| ends == 2);
            engine.forget(id);
        };
        thread::spawn(body).join().unwrap();
    }

    #[test]
    fn pipes_of_a_process_that_was_not_started_are_not_announced() {
        let mut epoll = Epoll::new(Waker::new().unwrap()).unwrap();
        let id = Slots::new().insert(());
        let (out, out_writer) = pipe().unwrap();
        let (err, err_writer) = pipe().unwrap();
        // As a fork of this program has them.
        let copies = [out.try_clone().unwrap(), err.try_clone().unwrap()];
        let pipes = [out, err].map(Arc::new);
        epoll.attach(id, &pipes).unwrap();
        epoll.detach(&pipes);
        drop((pipes, out_writer, err_writer));
        let turns = turns(|time| epoll.wait(Some(time)).unwrap());
        assert!(turns < TURNS_MAX && epoll.ready.is_empty(), "{turns}");
        drop(copies);
    }
}
