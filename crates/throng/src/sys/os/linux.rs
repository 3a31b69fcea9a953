//! Settings of a `Throng` that only Linux has, for programs that are to leave nothing behind
//! even when they are killed.
//!
//! # What is there without them
//!
//! Every process has a cookie in its environment, `_THRONG_MARK`, which is inherited by all
//! that it starts. By that and as its descendants they are found and ended when it is
//! [timed out](crate::Command::timeout), cancelled, killed or dropped; commands that
//! [start from an empty environment](crate::Command::env_clear), or set this variable
//! themselves, do not have the cookie. When this program ends without dropping its `Throng`
//! (`exit`, `abort`, `kill -9`), the kernel kills the processes that the `Throng` has started,
//! and what those have started goes on. A [keeper](BuilderExt::keeper) ends that too.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use crate::job::command::Command;
use crate::model::error::{Error, ErrorKind};
use crate::pool::builder::Builder;
use crate::sys::options::linux::KeeperReport;

pub use crate::sys::options::linux::inherited::InheritedFds;
pub use crate::sys::options::linux::terminal::Terminal;
pub use crate::sys::options::linux::{Cgroups, KeeperEvent, ProcessGroup};

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::pool::builder::Builder {}
    impl Sealed for crate::job::command::Command {}
}

/// Settings of a [`Command`] that only Linux has.
///
/// ```
/// # fn main() -> Result<(), throng::Error> {
/// use throng::os::linux::CommandExt;
/// let mut command = throng::Command::new("nice");
/// command.nice(19);
/// let throng = throng::Throng::builder().build()?;
/// assert_eq!(throng.spawn(&command).wait()?.stdout(), b"19\n");
/// # Ok(())
/// # }
/// ```
pub trait CommandExt: sealed::Sealed {
    /// The niceness that the process runs at, from -20 to 19; that of this program by
    /// default. The process has it before its program begins, and hands it on to what it
    /// starts. One that is less than ours needs a privilege (`CAP_SYS_NICE`, or
    /// `RLIMIT_NICE`); without it the command does not start, with
    /// [`ErrorKind::System`].
    fn nice(&mut self, nice: i32) -> &mut Self;

    /// Which process group and session the process is in; a group of its own by default.
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// use throng::os::linux::{CommandExt, ProcessGroup};
    /// let mut command = throng::Command::new("sh");
    /// // What asks for a password on the terminal fails at once and does not wait.
    /// command.args(["-c", ": < /dev/tty"]).process_group(ProcessGroup::NoTerminal);
    /// let throng = throng::Throng::builder().build()?;
    /// assert!(!throng.spawn(&command).wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    fn process_group(&mut self, group: ProcessGroup) -> &mut Self;

    /// Has the process inherit this descriptor, under the number that it has here; without
    /// this it inherits none but stdin, stdout and stderr. Can be called more than once. The
    /// descriptor stays open here for as long as there is the command or one of its copies
    /// (an [`Outcome`](crate::Outcome) has one); where it is the end of a pipe, that
    /// counts.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::fs::File;
    /// use std::os::fd::{AsRawFd, OwnedFd};
    /// use throng::os::linux::CommandExt;
    /// let file = OwnedFd::from(File::open("/dev/null")?);
    /// let path = format!("/dev/fd/{}", file.as_raw_fd());
    /// let mut command = throng::Command::new("cat");
    /// command.arg(path).inherit_fd(file);
    /// let throng = throng::Throng::builder().build()?;
    /// assert!(throng.spawn(&command).wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    fn inherit_fd(&mut self, fd: impl Into<Arc<OwnedFd>>) -> &mut Self;

    /// Whether the process has our stdout and stderr in place of pipes; `false` by default.
    /// Then nothing is captured, and the verdicts are
    /// [`Inherited`](crate::Verdict::Inherited).
    fn inherit_output(&mut self, inherit: bool) -> &mut Self;

    /// Lends this terminal to the process: its group is the foreground group of the
    /// terminal when its program begins, if this program is in the foreground. So it can
    /// read from the terminal, and Ctrl-C and Ctrl-Z reach it and not this program. When it
    /// ends, this program is in the foreground again, and the terminal has the modes that
    /// it had before. Only one process can have a terminal, so this is for one job at a
    /// time.
    ///
    /// When the process is [stopped](crate::Builder::on_stopped), as by Ctrl-Z, it is for
    /// the caller to [take the terminal back](Terminal::take_back), stop this program, and
    /// [give it back](Terminal::give_back) later. The process is in a group of its own in
    /// our session, whatever [`process_group`](CommandExt::process_group) says.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), throng::Error> {
    /// use throng::os::linux::{CommandExt, Terminal};
    /// let terminal = Terminal::open()?;
    /// let throng = throng::Throng::builder().jobs(1).build()?;
    /// let mut command = throng::Command::new("vim");
    /// command.stdin(throng::Stdin::Inherit);
    /// command.inherit_output(true).terminal(&terminal);
    /// throng.spawn(&command).wait()?;
    /// # Ok(())
    /// # }
    /// ```
    fn terminal(&mut self, terminal: &Terminal) -> &mut Self;

    /// Whether `/bin/sh` runs a file that may be executed and is in no format that the
    /// system knows, as with execvp(3): usually a script without `#!`. `false` by default;
    /// then it does not start, with [`ErrorKind::BadFormat`]. As in bash, a file with a NUL
    /// in its first line is not taken for a script.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::os::unix::fs::PermissionsExt;
    /// use throng::os::linux::CommandExt;
    /// let dir = std::env::temp_dir().join(format!("throng-doc-{}", std::process::id()));
    /// std::fs::create_dir_all(&dir)?;
    /// let script = dir.join("script");
    /// std::fs::write(&script, "echo hello $1\n")?;
    /// std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    /// let mut command = throng::Command::new(&script);
    /// command.arg("you").allow_script(true);
    /// let throng = throng::Throng::builder().build()?;
    /// assert_eq!(throng.spawn(&command).wait()?.stdout(), b"hello you\n");
    /// # std::fs::remove_dir_all(dir)?;
    /// # Ok(())
    /// # }
    /// ```
    fn allow_script(&mut self, allow: bool) -> &mut Self;
}

impl CommandExt for Command {
    fn process_group(&mut self, group: ProcessGroup) -> &mut Command {
        self.os.group = group;
        self
    }

    fn nice(&mut self, nice: i32) -> &mut Command {
        self.os.nice = Some(nice);
        self
    }

    fn inherit_fd(&mut self, fd: impl Into<Arc<OwnedFd>>) -> &mut Command {
        self.os.inherited.push(fd.into());
        self
    }

    fn inherit_output(&mut self, inherit: bool) -> &mut Command {
        self.os.inherits_output = inherit;
        self
    }

    fn terminal(&mut self, terminal: &Terminal) -> &mut Command {
        self.os.terminal = Some(terminal.clone());
        self
    }

    fn allow_script(&mut self, allow: bool) -> &mut Command {
        self.os.allow_script = allow;
        self
    }
}

/// Settings of a [`Builder`] that only Linux has.
pub trait BuilderExt: sealed::Sealed {
    /// Starts this program as the keeper of the `Throng`: it has to call [`keep`] and
    /// nothing else. When this program ends without having dropped the `Throng`, for
    /// example by `kill -9`, the keeper kills all that the `Throng` has started. The program
    /// is usually this one, `/proc/self/exe`, with an argument by which it recognises its task.
    #[must_use]
    fn keeper<S: AsRef<OsStr>>(self, argv: impl IntoIterator<Item = S>) -> Self;

    /// Calls this when something has happened to the keeper, which is looked at twice a
    /// second: when it was killed, stopped, or could not be started. The callback runs on a
    /// thread of the `Throng`.
    #[must_use]
    fn on_keeper_lost(self, report: impl Fn(KeeperEvent) + Send + Sync + 'static) -> Self;

    /// Makes this program the one to which descendants come that have lost their parent
    /// (`PR_SET_CHILD_SUBREAPER`), so that [`Throng::sweep`](crate::Throng::sweep) finds
    /// those that have no cookie either. A program that is the first process of a process
    /// namespace (a container without an init) adopts them in any case, and should ask for
    /// this.
    ///
    /// Those that end are waited for, and those that are left are ended by a sweep. An
    /// orphan is recognised as a child of the program's first thread that the thread did
    /// not have when the `Throng` was built. So processes that are started by other means
    /// have to be started before that, or from another thread, which must not end before it
    /// has waited for them. Orphans still come to this program when the `Throng` is gone,
    /// but then they are not waited for.
    #[must_use]
    fn adopt_orphans(self, adopt: bool) -> Self;

    /// Which control groups are made; none by default. Where they cannot be made,
    /// [`build`](Builder::build) fails with [`ErrorKind::Unsupported`].
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// use throng::os::linux::{BuilderExt, Cgroups, probe_cgroups};
    /// let wanted = Cgroups::Command;
    /// // With them where they can be had, and without them elsewhere.
    /// let groups = probe_cgroups(wanted).map_or(Cgroups::None, |_| wanted);
    /// let throng = throng::Throng::builder().cgroups(groups).build()?;
    /// assert!(throng.spawn(&throng::Command::new("true")).wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    fn cgroups(self, cgroups: Cgroups) -> Self;

    /// Has every process inherit descriptors that this program was started with, under the
    /// same numbers; none by default. They stay open here as well. Which they are is found
    /// out by [`InheritedFds::take`]. One that has been closed since is left out.
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// use throng::os::linux::{BuilderExt, InheritedFds};
    /// // First of all.
    /// let inherited = InheritedFds::take();
    /// let throng = throng::Throng::builder().inherit_fds(&inherited).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    fn inherit_fds(self, fds: &InheritedFds) -> Self;
}

impl BuilderExt for Builder {
    fn keeper<S: AsRef<OsStr>>(mut self, argv: impl IntoIterator<Item = S>) -> Builder {
        let argv = argv.into_iter().map(|arg| arg.as_ref().to_owned());
        self.os.keeper = Some(argv.collect());
        self
    }

    fn on_keeper_lost(mut self, report: impl Fn(KeeperEvent) + Send + Sync + 'static) -> Builder {
        let report = std::sync::Arc::new(report);
        self.os.keeper_report = Some(KeeperReport(report));
        self
    }

    fn adopt_orphans(mut self, adopt: bool) -> Builder {
        self.os.adopt_orphans = adopt;
        self
    }

    fn cgroups(mut self, cgroups: Cgroups) -> Builder {
        self.os.cgroups = cgroups;
        self
    }

    fn inherit_fds(mut self, fds: &InheritedFds) -> Builder {
        self.os.inherited = fds.clone();
        self
    }
}

/// The directory of the control group that this program is in, if groups of this kind can
/// be made below it; tried by making one and removing it.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] with the reason why they cannot.
pub fn probe_cgroups(cgroups: Cgroups) -> Result<PathBuf, Error> {
    crate::sys::linux::probe_cgroups(cgroups)
}

/// What a [keeper](BuilderExt::keeper) does: waits until the program that has started it is
/// gone, and kills what that has left behind. Closes all descriptors but stdin, stdout and
/// stderr, blocks all signals, and goes to `/`.
///
/// # Errors
///
/// [`ErrorKind::System`] when this program was not started as a keeper, or there is no
/// /proc.
pub fn keep() -> Result<(), Error> {
    let doing = "cannot keep what a throng has started";
    crate::sys::linux::keep().map_err(|error| Error::os(ErrorKind::System, doing, error))
}
