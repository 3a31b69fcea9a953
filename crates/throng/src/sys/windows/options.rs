//! Settings that only Windows has, and the public traits that set them. Pure data.

use std::ffi::OsString;

use self::os::windows::{Console, Pipes, Priority};

/// Of a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandOptions {
    pub(super) console: Option<Console>,
    pub(super) priority: Option<Priority>,
    /// What follows the arguments on the command line, as it is.
    pub(super) raw_tail: Option<OsString>,
    pub(super) allow_batch: bool,
    /// It is `cmd.exe`, which takes a shorter command line than others.
    pub(super) is_shell: bool,
}

impl CommandOptions {
    /// Output is always captured here.
    pub(crate) fn inherits_output(&self) -> bool {
        false
    }
}

/// Of a [`Throng`](crate::Throng).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HostOptions {
    pub(super) pipes: Pipes,
    pub(super) pipe_size: Option<u32>,
    pub(super) skip_packets: Option<bool>,
    pub(super) keeper: bool,
}

impl HostOptions {
    /// Nothing is ever stopped here.
    pub(crate) fn watch_stops(&mut self) {}
}

/// What only this system has.
pub mod os {
    /// Settings of commands and of a `Throng` that only Windows has.
    pub mod windows {
        use std::ffi::OsStr;

        use windows_sys::Win32::System::Threading::{
            ABOVE_NORMAL_PRIORITY_CLASS, BELOW_NORMAL_PRIORITY_CLASS, HIGH_PRIORITY_CLASS,
            IDLE_PRIORITY_CLASS, NORMAL_PRIORITY_CLASS,
        };

        use crate::job::command::Command;
        use crate::pool::builder::Builder;

        /// What a process has for a console.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Console {
            /// Ours. If we have none, the process gets a new one in a window of its own.
            Inherit,
            /// None. The cheapest, for programs that start no others: a console program that a
            /// process without a console starts gets a console and a window of its own, and what
            /// it says goes there and not to us, unless its starter hands its streams on by name.
            None,
            /// One of its own that nobody sees. The system starts a `conhost.exe` for it.
            Hidden,
        }

        /// The priority class of a process.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Priority {
            /// Runs when nobody else wants to.
            Idle,
            /// Below what programs have by default.
            BelowNormal,
            /// What programs have by default.
            Normal,
            /// Above what programs have by default.
            AboveNormal,
            /// Well above it.
            High,
        }

        impl Priority {
            /// The flag for `CreateProcessW`.
            pub(crate) fn flag(self) -> u32 {
                match self {
                    Priority::Idle => IDLE_PRIORITY_CLASS,
                    Priority::BelowNormal => BELOW_NORMAL_PRIORITY_CLASS,
                    Priority::Normal => NORMAL_PRIORITY_CLASS,
                    Priority::AboveNormal => ABOVE_NORMAL_PRIORITY_CLASS,
                    Priority::High => HIGH_PRIORITY_CLASS,
                }
            }
        }

        /// How the pipes of a process's streams are made.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Pipes {
            /// Without a name, as only `NtCreateNamedPipeFile` can; nobody else can open them.
            /// Where the system refuses that, named ones are used.
            #[default]
            Unnamed,
            /// With a random name of 128 bits, made so that it must be the first of that name, and
            /// opened at once.
            Named,
        }

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
            /// without having dropped the `Throng`, be it by `TerminateProcess`, the system ends
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
    }
}
