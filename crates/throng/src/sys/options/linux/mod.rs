//! Settings that only Linux has. The public traits that set them are in `sys/os`.

pub(crate) mod inherited;
pub(crate) mod terminal;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use inherited::InheritedFds;
use terminal::Terminal;

/// Of a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandOptions {
    pub(crate) nice: Option<i32>,
    pub(crate) group: ProcessGroup,
    pub(crate) inherited: Vec<Arc<OwnedFd>>,
    pub(crate) inherits_output: bool,
    pub(crate) terminal: Option<Terminal>,
    pub(crate) allow_script: bool,
}

impl CommandOptions {
    /// Whether stdout and stderr are ours, and nothing is captured.
    pub(crate) fn inherits_output(&self) -> bool {
        self.inherits_output
    }
}

/// Of a [`Throng`](crate::Throng).
#[derive(Clone, Debug, Default)]
pub(crate) struct HostOptions {
    /// The program that is started as our guardian, and its arguments.
    pub(crate) guardian: Option<Vec<OsString>>,
    pub(crate) guardian_report: Option<GuardianReport>,
    pub(crate) adopt_orphans: bool,
    pub(crate) cgroups: Cgroups,
    pub(crate) watches_stops: bool,
    pub(crate) inherited: InheritedFds,
}

impl HostOptions {
    /// Whether stopped processes are reported.
    pub(crate) fn watch_stops(&mut self) {
        self.watches_stops = true;
    }
}

/// The callback for events of the guardian.
#[derive(Clone)]
pub(crate) struct GuardianReport(pub(crate) Arc<dyn Fn(GuardianEvent) + Send + Sync>);

impl fmt::Debug for GuardianReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardianReport")
    }
}

/// The process group and the session of a process (credentials(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProcessGroup {
    /// A group of its own in the session of this program. One signal reaches the process and its
    /// descendants, and Ctrl-C on a terminal reaches only this program, which can then end the
    /// processes. For the terminal it is a background job: reading from it stops the process
    /// (`SIGTTIN`) without a message; see
    /// [`on_stopped`](crate::Builder::on_stopped).
    ///
    /// This is the default. In a session of their own, processes would lose the terminal, which
    /// some need (`tput`, `ps` without arguments), and would not receive `SIGHUP` when the terminal
    /// is closed after this program was killed.
    #[default]
    Own,
    /// A session of its own, and a group in it. It has no controlling terminal: opening `/dev/tty`
    /// fails (`ENXIO`), and it receives no signals from a terminal.
    ///
    /// If the scheduler groups processes by session (`/proc/sys/kernel/sched_autogroup_enabled`,
    /// sched(7)), each such process gets as much processor time as the whole session of this
    /// program, and
    /// [`nice`](crate::os::linux::CommandExt::nice) has no effect between them.
    Session,
    /// A group of its own in the session of this program, but without a controlling terminal, as in
    /// [`Session`](ProcessGroup::Session). The scheduler treats it as part of that session. Unlike
    /// the leader of a session it is stopped by `SIGTSTP`.
    NoTerminal,
    /// The group and session of this program. The terminal treats both alike: Ctrl-C and Ctrl-Z
    /// reach the process, and it can read from the terminal. Signals are sent to the process and
    /// its descendants one by one.
    Inherit,
}

/// Which control groups (version 2) are made for what a `Throng` starts.
///
/// A descendant that has left its process group, has lost its parent and has cleared its
/// environment is found only by its control group. This requires a delegated cgroup v2, which most
/// containers do not have; systemd delegates one with `systemd-run --user --scope -p Delegate=yes`.
/// [`probe_cgroups`](crate::os::linux::probe_cgroups) checks this.
///
/// Descendants that were left by processes which ended by themselves go on when the `Throng` is
/// dropped; they are moved to the group in which this program was started, and the groups are
/// removed. If this program is killed, only a [guardian](crate::os::linux::BuilderExt::guardian)
/// removes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cgroups {
    /// None.
    #[default]
    None,
    /// One for this whole program, which is moved there when the `Throng` is built, and back when
    /// it is dropped. Starts cost no more; each move usually takes some milliseconds.
    /// [`Throng::kill_leftovers`](crate::Throng::kill_leftovers) and the guardian then find
    /// everything that this program has started, by whatever means. Only one `Throng` of a program
    /// at a time can have this.
    Run,
    /// One for each process, so that a timeout, a cancel or a kill ends everything that it has
    /// started, as do [`Throng::kill_leftovers`](crate::Throng::kill_leftovers) and the guardian. A
    /// start costs about a tenth more. If the group of a process cannot be made, which should not
    /// happen after [`probe_cgroups`](crate::os::linux::probe_cgroups) has succeeded, the process
    /// runs without one, and [`Outcome::is_contained`](crate::Outcome::is_contained) is `false`.
    Command,
}

/// An event of a [guardian](crate::os::linux::BuilderExt::guardian). Any process of the same user
/// may kill or stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuardianEvent {
    /// It has ended, and another one was started, which guards the same processes. Between the two
    /// there was no guardian for at most half a second.
    Replaced {
        /// The process id of the old guardian.
        pid: u32,
        /// The process id of the new guardian.
        by: u32,
    },
    /// It has ended, and no other one is started, because three were, or because that failed. From
    /// now on nothing ends the remaining processes if this program is killed.
    Lost {
        /// The process id that it had; `None` if the first one could not be started within five
        /// seconds.
        pid: Option<u32>,
    },
    /// It was stopped, and this program has continued it.
    Continued {
        /// Its process id.
        pid: u32,
    },
}

/// The arguments by which the system's shell runs a script, and the settings for it.
///
/// A script that begins with a dash would be taken for options of the shell, which look at the
/// argument after `-c`; a blank before it means nothing.
pub(crate) fn shell(script: &OsStr) -> (Vec<OsString>, CommandOptions) {
    let is_like_options =
        script.as_encoded_bytes().starts_with(b"-") || script.as_encoded_bytes().starts_with(b"+");
    let mut safe = OsString::from(if is_like_options { " " } else { "" });
    safe.push(script);
    let argv = vec!["/bin/sh".into(), "-c".into(), safe];
    (argv, CommandOptions::default())
}
