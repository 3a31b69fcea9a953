//! Settings of commands and of a `Throng` that only Windows has.

use std::ffi::OsStr;

use crate::job::command::Command;
use crate::pool::builder::Builder;

pub use crate::sys::options::windows::{Console, Pipes, Priority};

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::job::command::Command {}
    impl Sealed for crate::pool::builder::Builder {}
}

/// Settings of a [`Command`] that only Windows has.
///
/// ```
/// use throng::os::windows::{CommandExt, Console};
/// let mut command = throng::Command::new("leaf.exe");
/// command.console(Console::None).raw_arg("/q \"as it is\"");
/// ```
pub trait CommandExt: sealed::Sealed {
    /// What the process has for a console: by default [`Console::Inherit`] where we have
    /// one, else [`Console::Hidden`].
    fn console(&mut self, console: Console) -> &mut Self;

    /// The priority class of the process. By default that is the system's choice: ours
    /// where it is [`Idle`](Priority::Idle) or [`BelowNormal`](Priority::BelowNormal), else
    /// [`Normal`](Priority::Normal).
    fn priority(&mut self, priority: Priority) -> &mut Self;

    /// Adds to the end of the command line, after all arguments and a space, text that is
    /// not quoted: for programs that read their command line by rules of their own.
    fn raw_arg(&mut self, text: impl AsRef<OsStr>) -> &mut Self;

    /// What [`raw_arg`](CommandExt::raw_arg) has added, or
    /// [`Command::shell`](crate::Command::shell) as its script.
    fn get_raw_arg(&self) -> Option<&OsStr>;

    /// Lets the program be a `.bat` or `.cmd` file, which `cmd.exe` then runs; not by
    /// default. Arguments are quoted so that `cmd.exe` takes none for code; those that
    /// cannot be made a command that does not start, with
    /// [`ErrorKind::BatchFile`](crate::ErrorKind::BatchFile).
    fn allow_batch(&mut self, allow: bool) -> &mut Self;
}

impl CommandExt for Command {
    fn console(&mut self, console: Console) -> &mut Command {
        self.os.console = Some(console);
        self
    }

    fn priority(&mut self, priority: Priority) -> &mut Command {
        self.os.priority = Some(priority);
        self
    }

    fn raw_arg(&mut self, text: impl AsRef<OsStr>) -> &mut Command {
        match &mut self.os.raw_tail {
            Some(tail) => {
                tail.push(" ");
                tail.push(text);
            }
            None => self.os.raw_tail = Some(text.as_ref().to_owned()),
        }
        self
    }

    fn get_raw_arg(&self) -> Option<&OsStr> {
        self.os.raw_tail.as_deref()
    }

    fn allow_batch(&mut self, allow: bool) -> &mut Command {
        self.os.allow_batch = allow;
        self
    }
}

/// Settings of a [`Builder`] that only Windows has.
///
/// ```
/// # fn main() -> Result<(), throng::Error> {
/// use throng::os::windows::{BuilderExt, Pipes};
/// let throng = throng::Throng::builder().pipes(Pipes::Named).pipe_size(4096).build()?;
/// # Ok(())
/// # }
/// ```
pub trait BuilderExt: sealed::Sealed {
    /// How pipes are made; [`Pipes::Unnamed`] by default.
    #[must_use]
    fn pipes(self, pipes: Pipes) -> Self;

    /// How many bytes a pipe takes before its writer waits: 64 KiB by default, 16 KiB for
    /// what is started while more than 256 processes are live. The system charges it to
    /// its nonpaged pool.
    #[must_use]
    fn pipe_size(self, bytes: u32) -> Self;

    /// Whether reads that finish at once are taken at once, without a packet
    /// (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`); `true` by default. Only the mechanisms
    /// `completion-port` and `thread-pool` have packets.
    #[must_use]
    fn skip_packets(self, skip: bool) -> Self;

    /// Makes a job the keeper of the `Throng`; `false` by default. When this program ends
    /// without having dropped the `Throng`, even by `TerminateProcess`, the system ends
    /// all that the `Throng` has started, and what that has started; and
    /// [`Throng::sweep`](crate::Throng::sweep) ends the same. Without it only what has not
    /// finished goes with this program: what finished processes have left behind goes on.
    ///
    /// It is around the job that each process has for itself, and within whatever this
    /// program is in. Where the system refuses that, which it does when this program was
    /// put into another job after it had started processes, they have their own alone.
    ///
    /// No other process can end or stop a job that only this program has a handle of; so,
    /// unlike the process that does this on Linux, it need not be watched.
    #[must_use]
    fn keeper(self, keep: bool) -> Self;
}

impl BuilderExt for Builder {
    fn pipes(mut self, pipes: Pipes) -> Builder {
        self.os.pipes = pipes;
        self
    }

    fn pipe_size(mut self, bytes: u32) -> Builder {
        self.os.pipe_size = Some(bytes);
        self
    }

    fn skip_packets(mut self, skip: bool) -> Builder {
        self.os.skip_packets = Some(skip);
        self
    }

    fn keeper(mut self, keep: bool) -> Builder {
        self.os.keeper = keep;
        self
    }
}
