//! `--tty`: each command has the terminal that we were started from, as a shell's foreground job
//! has. What Ctrl-C and Ctrl-Z do to it happens to us as well, and to all of our group, as if the
//! terminal had sent it there.

use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_current_process_group, kill_process_group};
use throng::os::linux::{CommandExt, Terminal};
use throng::{Command, Stdin};

use super::stat_fields;

const TERMINAL: &str = "/dev/tty";

/// How long no command is started after one was ended from the terminal: by then we have been asked
/// to end as well, unless that is ignored.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct Tty {
    terminal: Terminal,
    paused_until: Arc<Mutex<Option<Instant>>>,
}

impl Tty {
    /// The terminal. To be called before there are other threads.
    pub(crate) fn open() -> anyhow::Result<Tty> {
        let terminal = Terminal::open();
        let terminal = terminal.map_err(|error| anyhow::anyhow!("--tty: {error}"))?;
        Ok(Tty {
            terminal,
            paused_until: Arc::default(),
        })
    }

    pub(crate) fn set_command(&self, command: &mut Command) {
        command.stdin(match io::stdin().is_terminal() {
            true => Stdin::Inherit,
            false => Stdin::File(TERMINAL.into()),
        });
        command.inherit_output(true).terminal(&self.terminal);
    }

    /// A command was stopped, on the thread of its shard.
    pub(crate) fn stopped(&self, pid: u32, signal: i32) {
        let wants_terminal = [Signal::TTIN, Signal::TTOU].map(Signal::as_raw);
        if wants_terminal.contains(&signal) && self.terminal.is_ours() {
            // As when we have been in the background and no longer are.
            self.terminal.give_back(pid);
            go_on(pid);
        } else if has_job_control() {
            // We take the terminal back when this comes to us.
            let _ = kill_current_process_group(Signal::TSTP);
        } else {
            // Nobody would continue us.
            go_on(pid);
        }
    }

    /// We are about to stand still.
    pub(crate) fn suspend(&self) {
        self.terminal.take_back();
    }

    /// We go on, and so will this command.
    pub(crate) fn resume(&self, pid: u32) {
        self.terminal.give_back(pid);
    }

    /// Whether no command may be started, as the last was ended from the terminal, and how long.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.pass_on_interrupt();
        let until = *self
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let left = until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Has what has ended a command from the terminal happen to our own group. Returns whether it
    /// has just been so.
    pub(crate) fn pass_on_interrupt(&self) -> bool {
        let signal = self.terminal.take_interrupt();
        let Some(signal) = signal.and_then(Signal::from_named_raw) else {
            return false;
        };
        let mut until = self
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + PAUSE);
        kill_current_process_group(signal).is_ok()
    }
}

fn go_on(pid: u32) {
    if let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process_group(group, Signal::CONT);
    }
}

/// Whether somebody would have us go on if we stopped: a process of our session in another group,
/// as a shell with job control is, has started our group. Without one the group is orphaned, and
/// the system itself stops nothing of it at Ctrl-Z (setpgid(2), kill(2)).
pub(super) fn has_job_control() -> bool {
    let Some(own) = Kin::of("self") else {
        return false;
    };
    let mut parent = own.parent;
    // There are not so many of a group above one another, but they change meanwhile.
    for _ in 0..100 {
        // A parent outside our PID namespace has the number 0: what it would do cannot be known.
        let Some(kin) = Kin::of(parent) else {
            return false;
        };
        if kin.session != own.session {
            return false;
        }
        if kin.group != own.group {
            return true;
        }
        parent = kin.parent;
    }
    false
}

/// Where a process belongs. A session or group whose leader is outside our PID namespace has the
/// number 0 (pid_namespaces(7)), which a `Pid` of rustix cannot be.
struct Kin {
    parent: u32,
    group: u32,
    session: u32,
}

impl Kin {
    fn of(process: impl Display) -> Option<Kin> {
        let fields = stat_fields(process)?;
        let mut fields = fields.split(' ').skip(1).map(|field| field.parse().ok());
        Some(Kin {
            parent: fields.next()??,
            group: fields.next()??,
            session: fields.next()??,
        })
    }
}
