//! One shard's mechanism and the processes that it announces: what all mechanisms of Linux have
//! in common. Each adds how it learns that a pipe can be, or has been, read.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::child::Child;
use super::driver::Driver;
use super::exits::Exits;
use super::holders;
use super::host::Host;
use super::launch::{Launcher, cannot_capture};
use super::signals;
use super::wait::{OwnMaxRss, has_exited};
use super::waker::Waker;
use crate::slots::{Id, Table};
use crate::sys::{End, Event, StartError};
use crate::{Command, Holder, Mechanism, Signal, Stream};

/// What became ready, as a driver reports it to the engine.
#[derive(Debug)]
pub(super) enum Notice {
    /// Bytes, which are in the driver's `output` until its next call.
    Output(Id, Stream),
    End(Id, Stream, End),
    /// A watched process has ended, or a pidfd says so; worth asking.
    Exited(Id),
}

/// Tags in the tokens that the kernel hands back.
pub(super) const TAG_STDOUT: u8 = 0;
pub(super) const TAG_STDERR: u8 = 1;
pub(super) const TAG_EXIT: u8 = 2;
pub(super) const TAG_WAKE: u8 = 3;
pub(super) const TAG_CANCEL: u8 = 4;

pub(super) fn tag(stream: Stream) -> u8 {
    match stream {
        Stream::Stdout => TAG_STDOUT,
        Stream::Stderr => TAG_STDERR,
    }
}

#[derive(Debug)]
pub(crate) struct Engine {
    launcher: Launcher,
    children: Table<Child>,
    exits: Exits,
    /// Processes to ask, this turn, whether they have exited.
    to_ask: Vec<Id>,
    own_max_rss: OwnMaxRss,
    waker: Waker,
    driver: Driver,
}

/// Whether this machine offers the mechanism, or why not.
pub(crate) fn probe(mechanism: Mechanism) -> Result<(), String> {
    match mechanism {
        Mechanism::IoUring => super::uring::probe(),
        Mechanism::Epoll | Mechanism::Threads => Ok(()),
    }
}

impl Engine {
    /// Made by the thread that will use it, whose signals it blocks for good.
    pub(crate) fn new(mechanism: Mechanism, host: Arc<Host>) -> io::Result<Engine> {
        signals::block_all();
        let waker = Waker::new()?;
        Ok(Engine {
            launcher: Launcher::new(host)?,
            children: Table::new(),
            exits: Exits::default(),
            to_ask: Vec::new(),
            own_max_rss: OwnMaxRss::default(),
            driver: Driver::new(mechanism, waker.clone())?,
            waker,
        })
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Starts a process and begins to capture both of its streams. Returns its process id.
    pub(crate) fn start(&mut self, id: Id, command: &Command) -> Result<u32, StartError> {
        let pipes = Launcher::open_pipes(command)?;
        // Before the process exists: if this is refused, it can be tried again.
        let attached = self.driver.attach(id, &pipes.ours);
        attached.map_err(|error| cannot_capture(command, error))?;
        let started = self.launcher.start(command, pipes.theirs);
        let pid = started.inspect_err(|_| self.driver.detach(id))?;
        let child = Child::new(pid, pipes.ours);
        self.children.insert(id, child);
        self.exits.started(id, Instant::now());
        Ok(pid.as_raw_nonzero().get() as u32)
    }

    /// Waits until something happens, somebody calls the waker, or the time is over.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = self.ask_lingering(timeout);
        let timeout = self.watch_grown(timeout);
        self.driver.wait(timeout)
    }

    /// The next thing that happened, none when a new wait is due. Ids are of live processes only.
    pub(crate) fn next(&mut self) -> Option<(Id, Event<'_>)> {
        loop {
            match self.driver.next(&mut self.children) {
                Some(Notice::Output(id, stream)) => {
                    return Some((id, Event::Output(stream, self.driver.output())));
                }
                Some(Notice::End(id, stream, end)) => {
                    let Some(child) = self.children.get_mut(id) else {
                        continue;
                    };
                    child.close(stream);
                    if child.is_running() && !child.has_open_pipe() {
                        self.to_ask.push(id);
                    }
                    return Some((id, Event::End(stream, end)));
                }
                Some(Notice::Exited(id)) => self.to_ask.push(id),
                None => {
                    let id = self.to_ask.pop()?;
                    let Some(child) = self.children.get_mut(id) else {
                        continue;
                    };
                    if let Some(exit) = child.poll_exit(&mut self.own_max_rss) {
                        return Some((id, Event::Exited(exit)));
                    }
                    if child.is_unwatched() && !child.has_open_pipe() {
                        self.exits.linger(id);
                    }
                }
            }
        }
    }

    /// Who else has this stream open.
    pub(crate) fn holders(&mut self, id: Id, stream: Stream) -> Vec<Holder> {
        let pipe = self
            .children
            .get_mut(id)
            .and_then(|child| child.pipe(stream));
        pipe.map_or_else(Vec::new, |pipe| holders::find(pipe))
    }

    /// Stops reading a stream, after what is in its pipe now. Its end is announced as any other.
    pub(crate) fn stop(&mut self, id: Id, stream: Stream) {
        let Some(pipe) = self
            .children
            .get_mut(id)
            .and_then(|child| child.pipe(stream))
        else {
            return;
        };
        self.driver.stop(id, stream, pipe);
    }

    /// Sends a signal to a process and all of its group.
    pub(crate) fn signal(&mut self, id: Id, signal: Signal) {
        if let Some(child) = self.children.get_mut(id) {
            child.signal(signal);
        }
    }

    /// Ends all there is of a process that has exited and whose streams have ended.
    pub(crate) fn forget(&mut self, id: Id) {
        self.driver.forget(id);
        if let Some(child) = self.children.remove(id) {
            child.bury();
        }
    }

    /// Asks processes that closed their pipes in an earlier turn whether they have exited by now.
    /// Before the shard goes to sleep, those that have not get a pidfd.
    fn ask_lingering(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        if !self.exits.has_lingering() {
            return timeout;
        }
        let busy = timeout == Some(Duration::ZERO);
        if !busy {
            // A process closes its pipes a few microseconds before it has exited; let it.
            std::thread::yield_now();
        }
        for id in self.exits.take_lingering() {
            let Some(child) = self.children.get_mut(id) else {
                continue;
            };
            if busy || has_exited(child.pid) {
                self.to_ask.push(id);
            } else {
                self.watch(id);
            }
        }
        if self.to_ask.is_empty() {
            timeout
        } else {
            Some(Duration::ZERO)
        }
    }

    /// Watches the exit of processes that have come of age, and shortens the wait so that the
    /// next one is not missed.
    fn watch_grown(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let children = &mut self.children;
        let is_young = |id| {
            children
                .get_mut(id)
                .is_some_and(|child| child.is_unwatched())
        };
        let Some(due) = self.exits.next_due(is_young) else {
            return timeout;
        };
        let now = Instant::now();
        if due > now {
            let until = due - now;
            return Some(timeout.map_or(until, |timeout| timeout.min(until)));
        }
        while let Some(id) = self.exits.next_grown(now) {
            self.watch(id);
        }
        // Another may be due soon; one short turn finds out.
        let soon = Duration::from_millis(1);
        Some(timeout.map_or(soon, |timeout| timeout.min(soon)))
    }

    fn watch(&mut self, id: Id) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if !child.is_unwatched() {
            return;
        }
        let watched = child.watch().and_then(|pidfd| self.driver.watch(id, pidfd));
        if watched.is_err() {
            // No descriptor to be had: ask again later, when others have ended.
            child.unwatch();
            self.exits.started(id, Instant::now());
        }
    }
}

impl Drop for Engine {
    /// A shard ends when none of its processes is left, so there is something to do here only when
    /// it panics.
    fn drop(&mut self) {
        for (_, mut child) in self.children.drain() {
            child.signal(Signal::Kill);
            child.bury();
        }
    }
}
