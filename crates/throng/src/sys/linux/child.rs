//! A process as the kernel sees it: its pid, our ends of its pipes, and whether it has exited.
//!
//! Invariant: a process is reaped (forgotten by the system) only when its id is no longer needed:
//! it has exited, its streams have ended, and it is not being ended. Until then no other process
//! can have its id, or that of its group, so a signal never goes astray. If other code of this
//! program has reaped it, neither id is used any more.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::host::stdin::Held;
use super::pipe::Pipe;
use super::signals;
use super::start::launch::Begun;
use super::start::loading::Loading;
use super::tree::{HeldPipe, JobCgroup, JobId, ProcessKey, Root};
use super::wait::{self, OwnMaxRss, Which};
use crate::job::command::Command;
use crate::model::kill::Signal;
use crate::model::status::Status;
use crate::model::stream::Stream;
use crate::sys::api::{Exit, StartError};
use crate::sys::base::linux::above_stdio;
use crate::sys::options::linux::ProcessGroup;
use crate::sys::options::linux::terminal::Terminal;

/// How long a process that is killed as the last resort is waited for.
const LAST_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pipes: [Option<Pipe>; 2],
    life: Life,
    /// The job that the cookie in its environment names.
    job: Option<JobId>,
    /// When it had been started.
    started: Instant,
    has_group: bool,
    /// Whether its group has been signalled to end; if so it may have to be signalled again.
    is_ending: bool,
    /// When it was seen to have exited, if a stream was still open then.
    exited_at: Option<Instant>,
    /// What has been killed of its tree.
    pub(super) killed: HashSet<ProcessKey>,
    /// Its control group, where it has one of its own.
    pub(super) cgroup: Option<JobCgroup>,
    /// What it reads, held only so that it is dropped with the process.
    #[expect(dead_code, reason = "held to be dropped")]
    stdin: Option<Held>,
    /// Set while its program is not loaded yet.
    pub(super) start: Option<Box<Start>>,
    /// Why its program could not be loaded; reported when it exits.
    failure: Option<StartError>,
    /// Whether its exit is polled for, for lack of a descriptor.
    pub(super) is_asked: bool,
    /// The terminal that it has, until it has ended.
    terminal: Option<Terminal>,
    /// Streams that were released: their pipes are read up to what was in them then.
    is_released: [bool; 2],
}

/// A start that takes longer.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) loading: Loading,
    pub(super) command: Command,
    /// When it was ended because its program was not loaded in time.
    pub(super) given_up_at: Option<Instant>,
}

#[derive(Debug)]
enum Life {
    /// It runs, as far as is known.
    Running,
    /// It runs, and this descriptor becomes readable when it has ended.
    Watched(OwnedFd),
    /// It has exited, and keeps its id until we wait for it, or other code does: then the
    /// descriptor shows it.
    Exited(Option<OwnedFd>),
    /// It was killed, does not end, and is no longer waited for.
    GivenUp(Option<OwnedFd>),
    /// We have waited for it, or other code has.
    Reaped,
}

/// How a process has ended.
#[derive(Debug)]
pub(super) enum Ended {
    Exited(Exit),
    /// Its program was never loaded.
    NotStarted(StartError),
}

/// A process that has not exited when everything else about it was over.
#[derive(Debug)]
pub(super) struct Straggler {
    pid: Pid,
    pidfd: Option<OwnedFd>,
    /// What it may still be using.
    _start: Option<Box<Start>>,
    /// The control group that it is in, which is removed when it is gone.
    _cgroup: Option<JobCgroup>,
}

impl Child {
    pub(super) fn new(
        begun: Begun,
        command: &Command,
        started: Instant,
        pipes: [Pipe; 2],
    ) -> Child {
        let start = begun.loading.map(|loading| {
            Box::new(Start {
                loading,
                command: command.clone(),
                given_up_at: None,
            })
        });
        Child {
            pid: begun.pid,
            pipes: pipes.map(Some),
            life: Life::Running,
            job: begun.own.job,
            started,
            has_group: command.os.group != ProcessGroup::Inherit || command.os.terminal.is_some(),
            is_ending: false,
            exited_at: None,
            killed: HashSet::new(),
            cgroup: begun.own.cgroup,
            stdin: begun.own.stdin,
            start,
            failure: None,
            is_asked: false,
            terminal: command.os.terminal.clone(),
            is_released: [false; 2],
        }
    }

    pub(super) fn raw_pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get() as u32
    }

    /// Its id, as long as it still belongs to this process.
    pub(super) fn own_pid(&self) -> Option<Pid> {
        let is_over = matches!(self.life, Life::Reaped) || self.is_lost();
        (!is_over).then_some(self.pid)
    }

    /// Whether other code has waited for it.
    fn is_lost(&self) -> bool {
        let seen = wait::try_wait(self.which(), false);
        seen.is_some_and(|(status, _)| status == Status::Unknown)
    }

    /// What to wait for it by: its descriptor as long as there is one, since its id may belong to
    /// another process by now, even to another child of this program.
    fn which(&self) -> Which<'_> {
        match &self.life {
            Life::Watched(fd) | Life::Exited(Some(fd)) | Life::GivenUp(Some(fd)) => {
                Which::Pidfd(fd, self.pid)
            }
            _ => Which::Pid(self.pid),
        }
    }

    /// Whether it has exited, as long as no code has waited for it.
    pub(super) fn has_exited(&self) -> bool {
        wait::try_wait(self.which(), false).is_some()
    }

    /// The id of its group, if it has one of its own.
    pub(super) fn own_group(&self) -> Option<Pid> {
        self.own_pid().filter(|_| self.has_group)
    }

    /// The process as the root of its tree.
    pub(super) fn root(&self) -> Root {
        let (pid, group) = (self.own_pid(), self.own_group());
        Root::new(pid, group, self.job, self.cgroup.as_ref())
    }

    /// Its pipes, to find the processes that hold them.
    pub(super) fn held_pipes(&self) -> [Option<HeldPipe>; 2] {
        // While it still runs, other holders may appear.
        let not_before = self.exited_at.unwrap_or_else(Instant::now);
        Stream::ALL.map(|stream| {
            let pipe = rustix::fs::fstat(self.pipe(stream)?).ok()?;
            Some(HeldPipe {
                inode: pipe.st_ino,
                pid: self.raw_pid(),
                started: self.started,
                not_before,
            })
        })
    }

    pub(super) fn pipe(&self, stream: Stream) -> Option<&Pipe> {
        self.pipes[stream.index()].as_ref()
    }

    /// Releases a stream: its pipe is read up to what is in it now. `None` if it was released
    /// before.
    pub(super) fn release(&mut self, stream: Stream) -> Option<Pipe> {
        let is_released = std::mem::replace(&mut self.is_released[stream.index()], true);
        self.pipe(stream).filter(|_| !is_released).cloned()
    }

    pub(super) fn close(&mut self, stream: Stream) {
        self.pipes[stream.index()] = None;
    }

    pub(super) fn has_open_pipe(&self) -> bool {
        self.pipes.iter().any(Option::is_some)
    }

    /// Whether it makes sense to ask if it has exited: it has not been seen to exit yet.
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
            let pidfd = pidfd_open(self.pid, PidfdFlags::empty())?;
            self.life = Life::Watched(above_stdio(pidfd));
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

    /// Returns how the process has ended, if it has; once. The report of its start is included.
    pub(super) fn poll_exit(
        &mut self,
        own_max_rss: &mut OwnMaxRss,
        finish: impl FnOnce(&mut Child),
    ) -> Option<Ended> {
        let exit = self.take_exit(own_max_rss, finish)?;
        Some(match self.failure.take() {
            Some(error) => Ended::NotStarted(error),
            None => Ended::Exited(exit),
        })
    }

    fn take_exit(
        &mut self,
        own_max_rss: &mut OwnMaxRss,
        finish: impl FnOnce(&mut Child),
    ) -> Option<Exit> {
        if !self.is_running() {
            return None;
        }
        // While a pipe is open, or the group is being ended, the exit is looked at without taking
        // the id away: the group may still have to be signalled.
        let reap = !self.has_open_pipe() && !self.is_ending;
        let (status, usage) = wait::try_wait(self.which(), reap)?;
        let is_lost = status == Status::Unknown;
        self.life = match std::mem::replace(&mut self.life, Life::Reaped) {
            _ if reap || is_lost => Life::Reaped,
            Life::Watched(fd) => Life::Exited(Some(fd)),
            _ => Life::Exited(
                pidfd_open(self.pid, PidfdFlags::empty())
                    .ok()
                    .map(above_stdio),
            ),
        };
        self.exited_at = (!reap).then(Instant::now);
        // Before the exit is announced, and another process is started for it.
        if let Some(terminal) = self.terminal.take() {
            terminal.ended(status, self.is_ending);
        }
        if self.start.is_some() {
            finish(self);
        }
        Some(Exit {
            status,
            usage: own_max_rss.usage(&usage),
        })
    }

    /// Its program could not be loaded, and its process is about to exit.
    pub(super) fn fail(&mut self, error: StartError) {
        self.failure = Some(error);
    }

    /// Whether it is about to exit without having reached its program.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Sends a signal to the process and its group, as long as their id is certainly theirs. A
    /// process that has not reached its program cannot handle a signal, and is killed.
    pub(super) fn signal(&mut self, signal: Signal) {
        self.is_ending = true;
        let signal = match self.start {
            Some(_) => Signal::Kill,
            None => signal,
        };
        match (self.own_group(), self.own_pid()) {
            (Some(group), _) => signals::send_to_group(group, signal),
            (None, Some(pid)) => signals::send_to_process(pid, signal),
            (None, None) => {}
        }
    }

    /// Stops the process and its group, or continues them.
    pub(super) fn set_stopped(&self, is_stopped: bool) {
        if let Some(group) = self.own_group() {
            signals::stop_group(group, is_stopped);
        } else if let Some(pid) = self.own_pid() {
            signals::stop_process(pid, is_stopped);
        }
    }

    /// Whether it has been stopped since the last look; returns the signal.
    pub(super) fn poll_stop(&self) -> Option<i32> {
        // Of a child that has been waited for, the id may be another child's.
        match self.is_running() {
            true => wait::stopped_by(self.pid),
            false => None,
        }
    }

    /// It is no longer waited for. If it has exited by now, returns how: it was ended by us, so it
    /// does not matter whether its program had been loaded.
    pub(super) fn give_up(
        &mut self,
        own_max_rss: &mut OwnMaxRss,
        finish: impl FnOnce(&mut Child),
    ) -> Option<Exit> {
        if let Some(exit) = self.take_exit(own_max_rss, finish) {
            return Some(exit);
        }
        if self.is_running() {
            if let Some(terminal) = self.terminal.take() {
                terminal.take_back();
            }
            self.life = match std::mem::replace(&mut self.life, Life::Reaped) {
                Life::Watched(fd) => Life::GivenUp(Some(fd)),
                _ => Life::GivenUp(None),
            };
        }
        None
    }

    /// Reaps a process that has exited; kills one that has not, and waits for it for a moment.
    /// Returns it if it does not end.
    pub(super) fn reap(mut self) -> Option<Straggler> {
        if self.is_running() {
            self.signal(Signal::Kill);
            let deadline = Instant::now() + LAST_WAIT;
            while !self.has_exited() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
        }
        if matches!(self.life, Life::Reaped) || wait::try_wait(self.which(), true).is_some() {
            return None;
        }
        let pidfd = match self.life {
            Life::Watched(fd) => Some(fd),
            Life::Exited(fd) | Life::GivenUp(fd) => fd,
            Life::Running | Life::Reaped => None,
        };
        Some(Straggler {
            pid: self.pid,
            pidfd,
            _start: self.start,
            _cgroup: self.cgroup,
        })
    }
}

impl Straggler {
    /// A process whose start has failed.
    pub(super) fn new(pid: Pid, cgroup: Option<JobCgroup>) -> Straggler {
        Straggler {
            pid,
            pidfd: None,
            _start: None,
            _cgroup: cgroup,
        }
    }

    /// Whether it has exited; then it is reaped.
    pub(super) fn is_gone(&self) -> bool {
        let which = match &self.pidfd {
            Some(fd) => Which::Pidfd(fd, self.pid),
            None => Which::Pid(self.pid),
        };
        wait::try_wait(which, true).is_some()
    }
}
