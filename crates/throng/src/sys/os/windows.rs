//! Options of commands and of a `Throng` that only Windows has.

use std::ffi::OsStr;

use crate::job::command::Command;
use crate::pool::builder::Builder;

pub use crate::sys::options::windows::{Console, Pipes, Priority};

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::job::command::Command {}
    impl Sealed for crate::pool::builder::Builder {}
}

/// Options of a [`Command`] that only Windows has.
///
/// ```
/// use throng::os::windows::{CommandExt, Console};
/// let mut command = throng::Command::new("leaf.exe");
/// command.console(Console::None).raw_arg("/q \"as it is\"");
/// ```
pub trait CommandExt: sealed::Sealed {
    /// Sets the console of the process; by default [`Console::Inherit`] if this program has one,
    /// otherwise [`Console::Hidden`].
    fn console(&mut self, console: Console) -> &mut Self;

    /// Sets the priority class of the process. By default the system chooses: that of this program
    /// if it is [`Idle`](Priority::Idle) or [`BelowNormal`](Priority::BelowNormal), otherwise
    /// [`Normal`](Priority::Normal).
    fn priority(&mut self, priority: Priority) -> &mut Self;

    /// Appends text to the command line, after all arguments and a space, without quoting it: for
    /// programs that parse their command line by rules of their own.
    fn raw_arg(&mut self, text: impl AsRef<OsStr>) -> &mut Self;

    /// The text that was added by [`raw_arg`](CommandExt::raw_arg), or by
    /// [`Command::shell`](crate::Command::shell) as its script.
    fn get_raw_arg(&self) -> Option<&OsStr>;

    /// Sets whether the program may be a `.bat` or `.cmd` file, which `cmd.exe` then runs; `false`
    /// by default. Arguments are quoted so that `cmd.exe` takes none for code; with arguments for
    /// which that is impossible, the command fails to start with
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

/// Options of a [`Builder`] that only Windows has.
///
/// ```
/// # fn main() -> Result<(), throng::Error> {
/// use throng::os::windows::{BuilderExt, Pipes};
/// let throng = throng::Throng::builder().pipes(Pipes::Named).pipe_size(4096).build()?;
/// # Ok(())
/// # }
/// ```
pub trait BuilderExt: sealed::Sealed {
    /// Sets how pipes are made; [`Pipes::Unnamed`] by default.
    #[must_use]
    fn pipes(self, pipes: Pipes) -> Self;

    /// Sets how many bytes a pipe takes before its writer blocks: by default 64 KiB, or 16 KiB for
    /// processes that are started while more than 256 are live. The system takes it from its
    /// nonpaged pool.
    #[must_use]
    fn pipe_size(self, bytes: u32) -> Self;

    /// Sets whether reads that complete at once are handled at once, without a packet
    /// (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`); `true` by default. Only the mechanisms
    /// `completion-port` and `thread-pool` have packets.
    #[must_use]
    fn skip_packets(self, skip: bool) -> Self;

    /// Sets whether a job object is the guardian of the `Throng`; `false` by default. If this
    /// program ends without dropping the `Throng`, even by `TerminateProcess`, the system ends
    /// everything that the `Throng` has started, descendants included;
    /// [`Throng::kill_leftovers`](crate::Throng::kill_leftovers) ends the same processes. Without a
    /// guardian, only processes that have not finished end with this program, and what finished
    /// processes have left running goes on.
    ///
    /// The job contains the job of each process, and is nested in that of this program, if any. If
    /// the system refuses that, which it does if this program was put into another job after it had
    /// started processes, only the jobs of the processes are used.
    ///
    /// No other process can end or stop a job to which only this program has a handle; so, unlike
    /// the guardian process on Linux, it need not be watched.
    #[must_use]
    fn guardian(self, wanted: bool) -> Self;
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

    fn guardian(mut self, wanted: bool) -> Builder {
        self.os.guardian = wanted;
        self
    }
}

/// How much memory of the machine is free, in bytes, as `GlobalMemoryStatusEx` reports it. `None`
/// if it does not.
pub fn free_memory() -> Option<u64> {
    crate::sys::base::windows::free_memory()
}
