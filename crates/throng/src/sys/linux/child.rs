//! A started process as the kernel sees it: its id, our ends of its pipes, its exit.
//!
//! Invariant: a process is waited for (`wait4`) once, when it is forgotten or when it has exited
//! with both pipes at their end. Until then its id, and that of its group, belongs to nobody else,
//! so a signal never goes astray.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::signals;
use crate::sys::Exit;
use crate::{Signal, Status, Stream, Usage};

/// Our end of a pipe. Shared only with the thread that reads it, where there is one.
pub(super) type Pipe = Arc<OwnedFd>;

#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pipes: [Option<Pipe>; 2],
    life: Life,
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
    pub(super) fn new(pid: Pid, pipes: [Pipe; 2]) -> Child {
        Child {
            pid,
            pipes: pipes.map(Some),
            life: Life::Running,
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
        // While a pipe is open the exit is looked at without taking the id away: the group may
        // still have to be told to end.
        let reap = !self.has_open_pipe();
        let (status, usage) = wait(self.pid, reap)?;
        self.life = if reap { Life::Reaped } else { Life::Exited };
        Some(Exit {
            status,
            usage: own_max_rss.usage(&usage),
        })
    }

    /// Sends a signal to the process and its group, as long as their id is surely theirs.
    pub(super) fn signal(&self, signal: Signal) {
        if !matches!(self.life, Life::Reaped) {
            signals::send_to_group(self.pid, signal);
        }
    }

    /// Lets the system forget a process that has exited; kills one that has not.
    pub(super) fn bury(self) {
        if self.is_running() {
            self.signal(Signal::Kill);
        }
        if !matches!(self.life, Life::Reaped) {
            while let Err(true) = wait_blocking(self.pid) {}
        }
    }
}

/// How many bytes the pipe holds now.
pub(super) fn bytes_waiting(pipe: &OwnedFd) -> u64 {
    rustix::io::ioctl_fionread(pipe).unwrap_or(0)
}

/// Whether a pipe has no writer left.
pub(super) fn all_writers_gone(pipe: &OwnedFd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::HUP)
}

/// Our own peak memory, which the system counts as a new process's as well: it shares our memory
/// until it has loaded its program (setmax_mm_hiwater_rss in the kernel's exec_mmap). A figure
/// that is not above ours tells nothing about the process.
#[derive(Debug, Default)]
pub(super) struct OwnMaxRss {
    /// In KiB. At least what it was when last asked; it never falls.
    at_least: i64,
}

impl OwnMaxRss {
    fn usage(&mut self, usage: &libc::rusage) -> Usage {
        if usage.ru_maxrss > self.at_least {
            self.at_least = own_max_rss();
        }
        let own = usage.ru_maxrss > self.at_least;
        Usage {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            max_rss_bytes: own.then_some(usage.ru_maxrss as u64 * 1024),
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}

fn own_max_rss() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: a valid place for the result.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    // SAFETY: plain integers, zeroed and then written.
    unsafe { usage.assume_init() }.ru_maxrss
}

/// Asks whether this child of ours has exited. With `reap` it is gone afterwards, else it stays.
fn wait(pid: Pid, reap: bool) -> Option<(Status, libc::rusage)> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let keep = if reap { 0 } else { libc::WNOWAIT };
    // SAFETY: waitid(2) with the fifth argument that the kernel has and libc hides; both results
    // go to places that are large enough.
    let result = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PID,
            pid.as_raw_nonzero().get(),
            info.as_mut_ptr(),
            libc::WEXITED | libc::WNOHANG | keep,
            usage.as_mut_ptr(),
        )
    };
    // SAFETY: plain integers, zeroed and then perhaps written.
    let usage = unsafe { usage.assume_init() };
    if result != 0 {
        // ECHILD: somebody else has waited for it. EINTR cannot happen with WNOHANG.
        return Some((Status::Unknown, usage));
    }
    // SAFETY: plain integers, zeroed and then perhaps written.
    let info = unsafe { info.assume_init() };
    // SAFETY: the field that waitid writes; zero when no process has exited.
    if unsafe { info.si_pid() } == 0 {
        return None;
    }
    // SAFETY: waitid has filled the fields of a SIGCHLD.
    let value = unsafe { info.si_status() };
    let status = match info.si_code {
        libc::CLD_EXITED => Status::Exited(value as u32),
        code => Status::Signaled {
            signal: value,
            core_dumped: code == libc::CLD_DUMPED,
        },
    };
    Some((status, usage))
}

/// Waits until this child of ours has exited; `Err(true)` asks to try again.
fn wait_blocking(pid: Pid) -> Result<(), bool> {
    let mut status = 0;
    // SAFETY: a valid place for the status.
    let result = unsafe { libc::waitpid(pid.as_raw_nonzero().get(), &raw mut status, 0) };
    if result < 0 {
        return Err(io::Error::last_os_error().kind() == io::ErrorKind::Interrupted);
    }
    Ok(())
}

/// Whether this child of ours has exited, without taking its status.
pub(super) fn has_exited(pid: Pid) -> bool {
    wait(pid, false).is_some()
}
