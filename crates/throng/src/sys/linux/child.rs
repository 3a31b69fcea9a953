//! A started process as the kernel sees it: its id, our ends of its pipes, its exit.
//!
//! Invariant: a process is waited for (`wait4`) once, when it is forgotten or when it has exited
//! with both pipes at their end. Until then its id, and that of its group, belongs to nobody else,
//! so a signal never goes astray.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::groups::Leaf;
use super::kills::{Remains, Remnant};
use super::procfs::Name;
use super::signals;
use super::stdin::Held;
use super::tag::Number;
use super::tree::Root;
use super::wait::{self, OwnMaxRss};
use crate::sys::Exit;
use crate::{Signal, Stream};

/// Our end of a pipe. Shared only with the thread that reads it, where there is one.
pub(super) type Pipe = Arc<OwnedFd>;

#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pipes: [Option<Pipe>; 2],
    life: Life,
    /// The mark in its environment.
    number: Option<Number>,
    /// When it had been started.
    pub(super) started: Instant,
    /// Whether its group has been told to end; if so it may have to be told again.
    is_ending: bool,
    /// When it was seen to have exited, if a stream was still open then.
    pub(super) exited_at: Option<Instant>,
    /// What has been killed of its tree.
    pub(super) remains: Remains,
    /// Who stands still with it, besides its group.
    pub(super) stopped: HashSet<Name>,
    /// Its control group, where it has one of its own.
    pub(super) leaf: Option<Leaf>,
    /// What it reads, where that has to be kept.
    pub(super) stdin: Option<Held>,
}

#[derive(Debug)]
enum Life {
    /// It runs, as far as we know.
    Running,
    /// It runs, and this descriptor says when it has ended.
    Watched(OwnedFd),
    /// It has exited, and keeps its id until we wait for it.
    Exited,
    /// We have waited for it.
    Reaped,
}

impl Child {
    pub(super) fn new(
        pid: Pid,
        number: Option<Number>,
        started: Instant,
        pipes: [Pipe; 2],
    ) -> Child {
        Child {
            pid,
            pipes: pipes.map(Some),
            life: Life::Running,
            number,
            started,
            is_ending: false,
            exited_at: None,
            remains: Remains::default(),
            stopped: HashSet::new(),
            leaf: None,
            stdin: None,
        }
    }

    /// The process as the root of a tree.
    pub(super) fn root(&self) -> Root {
        Root {
            pid: self.pid,
            number: self.number,
        }
    }

    /// What is left of it when it is over.
    pub(super) fn remnant(&mut self) -> Remnant<'_> {
        Remnant {
            root: self.root(),
            leaf: self.leaf.as_ref(),
            remains: &mut self.remains,
        }
    }

    pub(super) fn pipe(&self, stream: Stream) -> Option<&Pipe> {
        self.pipes[stream.index()].as_ref()
    }

    pub(super) fn close(&mut self, stream: Stream) {
        self.pipes[stream.index()] = None;
    }

    pub(super) fn has_open_pipe(&self) -> bool {
        self.pipes.iter().any(Option::is_some)
    }

    /// Whether it makes sense to ask if it has exited: nobody has seen it exit yet.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.life, Life::Running | Life::Watched(_))
    }

    pub(super) fn is_unwatched(&self) -> bool {
        matches!(self.life, Life::Running)
    }

    /// A descriptor that becomes readable when the process ends. Opened when first asked for: most
    /// processes end so soon after their pipes that it is never needed.
    pub(super) fn watch(&mut self) -> io::Result<&OwnedFd> {
        if matches!(self.life, Life::Running) {
            self.life = Life::Watched(pidfd_open(self.pid, PidfdFlags::empty())?);
        }
        match &self.life {
            Life::Watched(fd) => Ok(fd),
            _ => Err(io::Error::from(rustix::io::Errno::SRCH)),
        }
    }

    /// Takes back [`watch`](Child::watch).
    pub(super) fn unwatch(&mut self) {
        if matches!(self.life, Life::Watched(_)) {
            self.life = Life::Running;
        }
    }

    /// Says how the process has ended, if it has; once.
    pub(super) fn poll_exit(&mut self, own_max_rss: &mut OwnMaxRss) -> Option<Exit> {
        if !self.is_running() {
            return None;
        }
        // While a pipe is open, or the group is being ended, the exit is looked at without taking
        // the id away: the group may still have to be told to end.
        let reap = !self.has_open_pipe() && !self.is_ending;
        let (status, usage) = wait::look(self.pid, reap)?;
        self.life = if reap { Life::Reaped } else { Life::Exited };
        self.exited_at = (!reap).then(Instant::now);
        Some(Exit {
            status,
            usage: own_max_rss.usage(&usage),
        })
    }

    /// Sends a signal to the process and its group, as long as their id is surely theirs.
    pub(super) fn signal(&mut self, signal: Signal) {
        self.is_ending = true;
        if !matches!(self.life, Life::Reaped) {
            signals::send_to_group(self.pid, signal);
        }
    }

    /// Stops the process and its group, or has them go on; `standstill.rs` is for who has left it.
    pub(super) fn stand_still(&self, still: bool) {
        if !matches!(self.life, Life::Reaped) {
            signals::stop_group(self.pid, still);
        }
    }

    /// Lets the system forget a process that has exited; kills one that has not.
    pub(super) fn bury(mut self) {
        if self.is_running() {
            self.signal(Signal::Kill);
        }
        if !matches!(self.life, Life::Reaped) {
            wait::until_gone(self.pid);
        }
    }
}
