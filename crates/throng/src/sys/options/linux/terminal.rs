//! Our controlling terminal, lent to one process at a time: its foreground process group and its
//! modes. The steps are those that a shell with job control takes ("Implementing a Job Control
//! Shell" in the manual of glibc).
//!
//! The new process makes its group the foreground group itself, before its program runs
//! (`clone/steps.rs`); we take the terminal back when it has ended. Nothing here waits for the
//! terminal: modes are set without waiting for what is still to be shown.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, getppid};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};

use crate::model::error::{Error, ErrorKind};
use crate::model::status::Status;
use crate::sync::lock;
use crate::sys::base::linux::above_stdio;
use crate::sys::base::linux::{group_of, own_group};

const TERMINAL: &str = "/dev/tty";

/// The controlling terminal of this program, which is lent to processes; see
/// [`CommandExt::terminal`](crate::os::linux::CommandExt::terminal).
#[derive(Clone, Debug)]
pub struct Terminal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    fd: OwnedFd,
    loan: Mutex<Loan>,
    /// The signal by which the last process was ended that had the terminal, if it may have come
    /// from there.
    interrupt: AtomicI32,
}

#[derive(Debug, Default)]
struct Loan {
    is_lent: bool,
    /// The modes that the terminal had when it was lent.
    ours: Option<Termios>,
    /// The modes that the process had when it was stopped.
    theirs: Option<Termios>,
}

impl Terminal {
    /// Opens the controlling terminal of this program. Blocks `SIGTTOU` in the calling thread, and
    /// so in those that it starts from now on: while a process has the terminal this program is in
    /// the background, and must neither be stopped when it writes to the terminal nor when it takes
    /// the terminal back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] when there is none, or when the leader of our process group is outside
    /// our PID namespace: the terminal could not be given back to that group.
    pub fn open() -> Result<Terminal, Error> {
        if own_group().is_none() {
            let reason = "the process group of this program is outside of its PID namespace, so \
                          the terminal could not be taken back from a command; start the program \
                          from a shell with job control in that namespace (bash -m)";
            return Err(Error::new(ErrorKind::System, reason));
        }
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(TERMINAL, flags, Mode::empty());
        let fd = fd.map_err(|errno| {
            let doing = format!("cannot open {TERMINAL}, the terminal");
            Error::os(ErrorKind::System, doing, errno.into())
        })?;
        block_output_stops();
        Ok(Terminal(Arc::new(Shared {
            fd: above_stdio(fd),
            loan: Mutex::default(),
            interrupt: AtomicI32::new(0),
        })))
    }

    /// Whether this program is in the foreground. It is not while a process has the terminal.
    pub fn is_ours(&self) -> bool {
        own_group().is_some_and(|own| tcgetpgrp(&self.0.fd) == Ok(own))
    }

    /// Whether the foreground is that of the shell with job control that has started this program.
    fn is_with_our_shell(&self) -> bool {
        let shell = getppid().and_then(group_of);
        let shell = shell.filter(|group| Some(*group) != own_group());
        shell.is_some() && tcgetpgrp(&self.0.fd).ok() == shell
    }

    /// Takes the terminal back from a process that has been stopped, and restores the modes that it
    /// had when it was lent. What has ended has been left without it already.
    pub fn take_back(&self) {
        let mut loan = lock(&self.0.loan);
        if !std::mem::take(&mut loan.is_lent) {
            return;
        }
        // A shell that has put this program into the background has taken it already.
        if self.is_with_our_shell() {
            return;
        }
        loan.theirs = tcgetattr(&self.0.fd).ok();
        // Neither can be helped where the terminal is gone.
        if let Some(own) = own_group() {
            let _ = tcsetpgrp(&self.0.fd, own);
        }
        if let Some(ours) = &loan.ours {
            let _ = tcsetattr(&self.0.fd, OptionalActions::Now, ours);
        }
    }

    /// Gives the terminal to the group of a process that goes on, with the modes that it had when
    /// it was taken back. Does nothing while this program is in the background.
    pub fn give_back(&self, pid: u32) {
        let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        if self.lend().is_none() {
            return;
        }
        let mut loan = lock(&self.0.loan);
        if let Some(theirs) = loan.theirs.take() {
            let _ = tcsetattr(&self.0.fd, OptionalActions::Now, &theirs);
        }
        loan.is_lent = tcsetpgrp(&self.0.fd, group).is_ok();
    }

    /// The signal that has ended the last process which had the terminal, if it is one that a
    /// terminal sends (Ctrl-C, Ctrl-\) and not one that this program has sent. Returned once.
    pub fn take_interrupt(&self) -> Option<i32> {
        let signal = self.0.interrupt.swap(0, Ordering::SeqCst);
        (signal != 0).then_some(signal)
    }

    /// Before a process is made that is to have it: the descriptor, unless this program is in the
    /// background.
    pub(crate) fn lend(&self) -> Option<RawFd> {
        if !self.is_ours() {
            return None;
        }
        let mut loan = lock(&self.0.loan);
        loan.ours = tcgetattr(&self.0.fd).ok();
        loan.is_lent = true;
        Some(self.0.fd.as_raw_fd())
    }

    /// The process that had it has ended, perhaps because we ended it.
    pub(crate) fn ended(&self, status: Status, by_us: bool) {
        let was_lent = lock(&self.0.loan).is_lent;
        self.take_back();
        lock(&self.0.loan).theirs = None;
        let signal = status.signal().unwrap_or_default();
        if was_lent && !by_us && [libc::SIGINT, libc::SIGQUIT].contains(&signal) {
            self.0.interrupt.store(signal, Ordering::SeqCst);
        }
    }
}

fn block_output_stops() {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset writes the whole set that it is given, which is large enough for one.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: a set that has been written, and a signal that exists.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGTTOU) };
    // SAFETY: a set that has been written, and no place for the old one. No handler runs later than
    // it would have, but one for this signal, as the documentation says.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut()) };
}
