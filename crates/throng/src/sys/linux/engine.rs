//! One shard's mechanism and the processes that it announces: what all mechanisms of Linux have
//! in common. Each adds how it learns that a pipe can be, or has been, read.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::child::Child;
use super::driver::Driver;
use super::exits::Exits;
use super::faults;
use super::holders::{Holders, Question};
use super::host::Host;
use super::kills::Kills;
use super::launch::{Launcher, cannot_capture};
use super::wait::{OwnMaxRss, has_exited};
use super::waker::Waker;
use super::{signals, standstill};
use crate::slots::{Id, Table};
use crate::sys::faults::Point;
use crate::sys::{Cleared, End, Event, StartError, Started};
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
    kills: Kills,
    holders: Holders,
    waker: Waker,
    driver: Driver,
}

/// Whether this machine offers the mechanism, or why not.
pub(crate) fn probe(mechanism: Mechanism) -> Result<(), String> {
    match mechanism {
        Mechanism::IoUring => super::uring::probe(),
        Mechanism::Epoll | Mechanism::Threads => Ok(()),
        Mechanism::CompletionPort | Mechanism::ThreadPool | Mechanism::Events | Mechanism::Apc => {
            Err("it is a mechanism of Windows".into())
        }
    }
}

impl Engine {
    /// Made by the thread that will use it, whose signals it blocks for good.
    pub(crate) fn new(mechanism: Mechanism, host: Arc<Host>) -> io::Result<Engine> {
        signals::block_all();
        let waker = Waker::new()?;
        Ok(Engine {
            kills: Kills::new(host.tags.run().clone(), host.groups.as_deref()),
            holders: Holders::new(),
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

    /// Starts a process and begins to capture both of its streams.
    pub(crate) fn start(&mut self, id: Id, command: &Command) -> Result<Started, StartError> {
        let pipes = Launcher::open_pipes(command)?;
        // Before the process exists: if this is refused, it can be tried again.
        let attached = faults::strike(Point::Attach)
            .map_err(io::Error::from)
            .and_then(|()| self.driver.attach(id, &pipes.ours));
        attached.map_err(|error| cannot_capture(command, error))?;
        let started = self.launcher.start(command, pipes.theirs);
        let (pid, number) = started.inspect_err(|_| self.driver.detach(id))?;
        let now = Instant::now();
        let mut child = Child::new(pid, number, now, pipes.ours);
        child.leaf = self.launcher.take_leaf();
        child.stdin = self.launcher.take_stdin();
        let is_contained = child.leaf.is_some() || !self.kills.needs_leaves();
        self.children.insert(id, child);
        self.exits.started(id, now);
        Ok(Started {
            pid: pid.as_raw_nonzero().get() as u32,
            is_contained,
        })
    }

    /// Waits until something happens, somebody calls the waker, or the time is over.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = self.ask_lingering(timeout);
        let timeout = self.watch_grown(timeout);
        let timeout = match self.kills.flush() {
            None => timeout,
            Some(at) => {
                let until = at.saturating_duration_since(Instant::now());
                Some(timeout.map_or(until, |timeout| timeout.min(until)))
            }
        };
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
        let Some(child) = self.children.get_mut(id) else {
            return Vec::new();
        };
        // One that still runs may yet be joined by others.
        let since = child.exited_at.unwrap_or_else(Instant::now);
        let (Some(pipe), Some(procfs)) = (child.pipe(stream), self.kills.procfs()) else {
            return Vec::new();
        };
        let question = Question {
            pipe,
            pid: child.pid.as_raw_nonzero().get() as u32,
            started: child.started,
            not_before: since,
        };
        self.holders.find(procfs, question)
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

    /// Sends a signal to a process and all of its tree: to its group and its family now, to who has
    /// left both at the next wait.
    pub(crate) fn signal(&mut self, id: Id, signal: Signal) {
        if let Some(child) = self.children.get_mut(id) {
            self.kills.signal(
                child.root(),
                child.leaf.as_ref(),
                signal,
                &mut child.remains,
            );
            child.signal(signal);
        }
    }

    /// Has processes and their trees stand still.
    pub(crate) fn suspend(&mut self, ids: &[Id]) {
        for id in ids {
            if let Some(child) = self.children.get_mut(*id) {
                child.stand_still(true);
            }
        }
        if let Some(census) = self.kills.census() {
            standstill::stop(census, &mut self.children, ids);
        }
    }

    /// Has them go on: first those below, so that nobody finds his children stopped.
    pub(crate) fn resume(&mut self, ids: &[Id]) {
        for id in ids {
            if let Some(child) = self.children.get_mut(*id) {
                if let Some(census) = self.kills.census() {
                    standstill::go_on(census, &mut child.stopped);
                }
                child.stand_still(false);
            }
        }
    }

    /// Kills all that is left of processes that were ended and have exited.
    pub(crate) fn clear(&mut self, ids: &[Id]) -> Cleared {
        let mut remains: Vec<_> = ids
            .iter()
            .filter_map(|id| Some((*id, self.children.remove(*id)?)))
            .collect();
        let mut asked: Vec<_> = remains
            .iter_mut()
            .map(|(_, child)| child.remnant())
            .collect();
        let (survivors, again_at) = self.kills.clear(&mut asked);
        let mut cleared = Cleared {
            done: Vec::new(),
            again_at,
        };
        for ((id, child), survivors) in remains.into_iter().zip(survivors) {
            self.children.insert(id, child);
            cleared
                .done
                .extend(survivors.map(|survivors| (id, survivors)));
        }
        cleared
    }

    /// Ends all there is of a process that has exited and whose streams have ended. Says how often
    /// a read had to be tried again: never, on Linux.
    pub(crate) fn forget(&mut self, id: Id) -> u32 {
        self.driver.forget(id);
        if let Some(mut child) = self.children.remove(id) {
            if let Some(census) = self.kills.census() {
                // It has ended while all stood still. Whom it leaves behind nobody else continues.
                standstill::go_on(census, &mut child.stopped);
            }
            child.bury();
        }
        0
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
            thread::yield_now();
        }
        for id in self.exits.take_lingering() {
            let Some(child) = self.children.get_mut(id) else {
                continue;
            };
            if busy || (faults::strike(Point::Look).is_ok() && has_exited(child.pid)) {
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
        let watched = faults::strike(Point::Watch).map_err(io::Error::from);
        let watched = watched.and_then(|()| child.watch());
        let watched = watched.and_then(|pidfd| self.driver.watch(id, pidfd));
        if watched.is_err() {
            // No descriptor to be had: ask again later, when others have ended.
            child.unwatch();
            self.exits.started(id, Instant::now());
        }
    }
}

impl Drop for Engine {
    /// A shard ends when none of its processes is left, so there is something to do here only when
    /// it panics. Nobody comes back then to look whether their trees are gone.
    fn drop(&mut self) {
        let mut children: Vec<Child> = self.children.drain().map(|(_, child)| child).collect();
        for child in &mut children {
            let leaf = child.leaf.as_ref();
            self.kills
                .signal(child.root(), leaf, Signal::Kill, &mut child.remains);
            child.signal(Signal::Kill);
        }
        let mut left: Vec<_> = children.iter_mut().map(Child::remnant).collect();
        while !left.is_empty() {
            let (cleared, again_at) = self.kills.clear(&mut left);
            let mut is_left = cleared.iter().map(Option::is_none);
            left.retain(|_| is_left.next() == Some(true));
            if !left.is_empty() {
                thread::sleep(again_at.saturating_duration_since(Instant::now()));
            }
        }
        drop(left);
        children.into_iter().for_each(Child::bury);
    }
}

#[cfg(test)]
mod tests;
