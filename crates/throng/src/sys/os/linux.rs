//! Options of commands and of a `Throng` that only Linux has.
//!
//! # Without a guardian
//!
//! Every process has a variable in its environment, `_THRONG_MARK`, which its descendants inherit.
//! By this cookie and by their parents descendants are found and ended when the process is ended by
//! its [timeout](crate::Command::timeout), cancelled, killed or dropped. Commands that [start with
//! an empty environment](crate::Command::env_clear), or set this variable themselves, do not have
//! the cookie. If this program ends without dropping its `Throng` (`exit`, `abort`, `kill -9`), the
//! kernel kills the processes that the `Throng` has started, and their descendants go on. A
//! [guardian](BuilderExt::guardian) ends those too.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use crate::job::command::Command;
use crate::model::error::{Error, ErrorKind};
use crate::pool::builder::Builder;
use crate::sys::options::linux::GuardianReport;

pub use crate::sys::options::linux::inherited::InheritedFds;
pub use crate::sys::options::linux::terminal::Terminal;
pub use crate::sys::options::linux::{Cgroups, GuardianEvent, ProcessGroup};

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::pool::builder::Builder {}
    impl Sealed for crate::job::command::Command {}
}

/// Options of a [`Command`] that only Linux has.
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
    /// Sets the niceness of the process, from -20 to 19; by default that of this program. It is set
    /// before the program begins, and descendants inherit it. A lower niceness than that of this
    /// program needs a privilege (`CAP_SYS_NICE`, or `RLIMIT_NICE`); without it the command fails
    /// to start with [`ErrorKind::System`].
    fn nice(&mut self, nice: i32) -> &mut Self;

    /// Sets the process group and session of the process; by default a group of its own.
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

    /// Lets the process inherit this descriptor, under the number that it has in this program;
    /// otherwise it inherits only stdin, stdout and stderr. May be called several times. The
    /// descriptor stays open in this program as long as the command or one of its copies exists (an
    /// [`Outcome`](crate::Outcome) has one), which matters for the end of a pipe.
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

    /// Sets whether the process inherits this program's stdout and stderr instead of writing to
    /// pipes; `false` by default. If so, nothing is captured, and the verdicts are
    /// [`Inherited`](crate::Verdict::Inherited).
    fn inherit_output(&mut self, inherit: bool) -> &mut Self;

    /// Lends this terminal to the process: if this program is in the foreground, the group of the
    /// process becomes the foreground group of the terminal before its program begins. So it can
    /// read from the terminal, and Ctrl-C and Ctrl-Z reach it and not this program. When it ends,
    /// this program is in the foreground again, and the modes of the terminal are restored. Only
    /// one process can have the terminal, so this is for pools with
    /// [`jobs(1)`](crate::Builder::jobs).
    ///
    /// When the process is [stopped](crate::Builder::on_stopped), for example by Ctrl-Z, the caller
    /// has to [take the terminal back](Terminal::take_back), stop this program, and [give the
    /// terminal back](Terminal::give_back) later. The process is in a group of its own in the
    /// session of this program, whatever [`process_group`](CommandExt::process_group) is set to.
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

    /// Sets whether `/bin/sh` runs an executable file whose format the system does not know,
    /// usually a script without `#!`, as execvp(3) does. `false` by default; then the command fails
    /// to start with [`ErrorKind::BadFormat`]. As in bash, a file with a NUL in its first line does
    /// not count as a script.
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

/// Options of a [`Builder`] that only Linux has.
pub trait BuilderExt: sealed::Sealed {
    /// Starts a program as the guardian of the `Throng`, which has to call [`guard`] and nothing
    /// else. If this program ends without dropping the `Throng`, even by `kill -9`, the guardian
    /// kills everything that the `Throng` has started. The guardian is usually this same program,
    /// `/proc/self/exe`, with an argument that makes it call [`guard`].
    #[must_use]
    fn guardian<S: AsRef<OsStr>>(self, argv: impl IntoIterator<Item = S>) -> Self;

    /// Sets a callback for when the guardian was killed, was stopped, or could not be started. The
    /// guardian is checked twice a second. The callback runs on a thread of the `Throng`.
    #[must_use]
    fn on_guardian_lost(self, report: impl Fn(GuardianEvent) + Send + Sync + 'static) -> Self;

    /// Makes this program a subreaper (`PR_SET_CHILD_SUBREAPER`): descendants whose parent has
    /// ended become its children, so that [`Throng::kill_leftovers`](crate::Throng::kill_leftovers)
    /// finds them even if they have no cookie. The first process of a PID namespace (a container
    /// without an init) adopts them in any case, and should set this.
    ///
    /// Orphans that end are waited for, and those that are left are ended by that. A child of
    /// the first thread of this program counts as an orphan if it was not there when the `Throng`
    /// was built. So processes that are started by other means must be started before that, or from
    /// another thread, which must not end before it has waited for them. This program still adopts
    /// orphans after the `Throng` is dropped, but then they are not waited for.
    #[must_use]
    fn adopt_orphans(self, adopt: bool) -> Self;

    /// Sets which control groups are made; by default none. If they cannot be made,
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

    /// Lets every process inherit the descriptors with which this program was started, under the
    /// same numbers; by default none. They stay open in this program as well.
    /// [`InheritedFds::take`] finds them. Those that were closed since are left out.
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
    fn guardian<S: AsRef<OsStr>>(mut self, argv: impl IntoIterator<Item = S>) -> Builder {
        let argv = argv.into_iter().map(|arg| arg.as_ref().to_owned());
        self.os.guardian = Some(argv.collect());
        self
    }

    fn on_guardian_lost(
        mut self,
        report: impl Fn(GuardianEvent) + Send + Sync + 'static,
    ) -> Builder {
        let report = std::sync::Arc::new(report);
        self.os.guardian_report = Some(GuardianReport(report));
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

/// What a [guardian](BuilderExt::guardian) does: waits until the program that has started it is
/// gone, and kills what that has left behind. Closes all descriptors but stdin, stdout and
/// stderr, blocks all signals, and goes to `/`.
///
/// # Errors
///
/// [`ErrorKind::System`] when this program was not started as a guardian, or there is no
/// /proc.
pub fn guard() -> Result<(), Error> {
    let doing = "cannot guard what a throng has started";
    crate::sys::linux::guard().map_err(|error| Error::os(ErrorKind::System, doing, error))
}
