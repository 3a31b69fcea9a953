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
    /// The program that is started as our keeper, and its arguments.
    pub(crate) keeper: Option<Vec<OsString>>,
    pub(crate) keeper_report: Option<KeeperReport>,
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

/// The callback for events of the keeper.
#[derive(Clone)]
pub(crate) struct KeeperReport(pub(crate) Arc<dyn Fn(KeeperEvent) + Send + Sync>);

impl fmt::Debug for KeeperReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeeperReport")
    }
}

/// The process group and the session of a process (credentials(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProcessGroup {
    /// A group of its own in our session. One signal reaches it and everything that it
    /// starts, and Ctrl-C on a terminal reaches only this program, which ends the others in
    /// its own way. For the terminal it is a background job: reading from it stops the
    /// process (`SIGTTIN`) without a message; see
    /// [`on_stopped`](crate::Builder::on_stopped).
    ///
    /// This is the default, because in a session of their own processes would lose a
    /// terminal that they may write to (a password prompt of a program that runs in the
    /// foreground, `tput`, `ps` without arguments), and would not be reached by the
    /// terminal's end when this program is killed.
    #[default]
    Own,
    /// A session of its own, and a group in it. It has no controlling terminal: opening
    /// `/dev/tty` fails (`ENXIO`), and nothing that happens on a terminal reaches it.
    ///
    /// Where the scheduler groups processes by session
    /// (`/proc/sys/kernel/sched_autogroup_enabled`, sched(7)), each of them gets as much of
    /// the processors as our whole session, and
    /// [`nice`](crate::os::linux::CommandExt::nice) has no effect between them.
    Session,
    /// A group of its own in our session, without a controlling terminal, as in
    /// [`Session`](ProcessGroup::Session). The scheduler treats it as part of our session.
    /// Unlike the leader of a session it stops when it is sent `SIGTSTP`.
    NoTerminal,
    /// Our group and session. The terminal treats it like this program: Ctrl-C and Ctrl-Z
    /// reach it, and it can read from the terminal. Our signals go to the process and to
    /// its descendants one by one.
    Inherit,
}

/// Which control groups (version 2) are made for what a `Throng` starts.
///
/// A process that has left its group and its family, and has cleared its environment, can be
/// found only by its control group. This requires a delegated control group (`systemd-run
/// --user --scope -p Delegate=yes`); most containers have none.
/// [`probe_cgroups`](crate::os::linux::probe_cgroups) finds out.
///
/// Processes that were left behind by one that ended by itself go on when the `Throng` is
/// dropped; they then move to the group that this program was started in, and the groups are
/// removed. When this program is killed only a [keeper](crate::os::linux::BuilderExt::keeper)
/// removes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cgroups {
    /// None.
    #[default]
    None,
    /// One for this whole program, which goes there when the `Throng` is built, and back
    /// when it is dropped. Starts cost nothing more; each move usually takes some milliseconds.
    /// [`Throng::sweep`](crate::Throng::sweep) and the keeper then find all that this
    /// program has started, by whatever means. For one `Throng` of a program at a time.
    Run,
    /// One for each process, so that a timeout, a cancel or a kill ends all that this
    /// process has started, as do [`Throng::sweep`](crate::Throng::sweep) and the keeper.
    /// A start costs about a tenth more. A process that is refused its group runs without
    /// one, and [`is_contained`](crate::Outcome::is_contained) is `false`; no system is known
    /// that refuses it where [`probe_cgroups`](crate::os::linux::probe_cgroups) succeeds.
    Command,
}

/// What has happened to a [keeper](crate::os::linux::BuilderExt::keeper). Any process of the same
/// user may kill or stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeeperEvent {
    /// It was gone, and another one was started, which guards the same processes. For half
    /// a second at most, between the two, there was no keeper.
    Replaced {
        /// The process id of the old keeper.
        pid: u32,
        /// The process id of the new keeper.
        by: u32,
    },
    /// It is gone, and no other is started: three were, or that failed. From now on nothing
    /// ends what is left when this program is killed.
    Lost {
        /// The process id that it had; none if the first could not be started, or not
        /// within five seconds.
        pid: Option<u32>,
    },
    /// It was stopped, and was continued.
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
