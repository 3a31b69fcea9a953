//! What to run: pure data. Starts nothing and asks the system nothing.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A program, its arguments and surroundings, and the limits it is to run under.
///
/// The methods have the names and meanings of [`std::process::Command`]. A command can be used
/// any number of times; nothing is started before it is given to a [`Throng`](crate::Throng).
///
/// The program is looked up in `PATH` unless its name contains a `/`; no shell is involved. A
/// relative program with a `/` counts from [`current_dir`](Command::current_dir) where one is set.
///
/// ```
/// # fn main() -> Result<(), throng::Error> {
/// use throng::{Command, Throng};
/// let throng = Throng::builder().build()?;
/// let mut command = Command::new("sh");
/// command.args(["-c", "echo $GREETING"]).env("GREETING", "hello");
/// assert_eq!(throng.spawn(&command).wait()?.stdout(), b"hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a command does nothing until it is given to a `Throng`"]
pub struct Command {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: EnvChanges,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) stdin: Stdin,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Option<Duration>,
    pub(crate) max_output: Option<u64>,
    pub(crate) output: Keep,
    pub(crate) on_start: Option<OnStart>,
    label: Option<OsString>,
}

/// What a process reads as its stdin.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Stdin {
    /// Nothing: end of file at once.
    #[default]
    Null,
    /// These bytes, then end of file. The process sees them as a file in memory, so however much
    /// it is, giving it never waits on the process and never deadlocks with reading its output.
    Bytes(Arc<[u8]>),
    /// This file, opened for reading when the process starts.
    File(PathBuf),
    /// The stdin of this program. The process is in a process group of its own, so it is stopped
    /// by the system (`SIGTTIN`) when it reads from a terminal.
    Inherit,
}

impl From<Vec<u8>> for Stdin {
    fn from(bytes: Vec<u8>) -> Stdin {
        Stdin::Bytes(bytes.into())
    }
}

impl From<&[u8]> for Stdin {
    fn from(bytes: &[u8]) -> Stdin {
        Stdin::Bytes(bytes.into())
    }
}

/// Whether captured bytes stay in memory until the outcome is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    All,
    OnlyForCallback,
}

/// The callback of [`Command::on_start`].
#[derive(Clone)]
pub(crate) struct OnStart(Arc<OnStartFn>);

type OnStartFn = dyn Fn(&mut Command, usize) + Send + Sync;

impl OnStart {
    pub(crate) fn call(&self, command: &mut Command, slot: usize) {
        (self.0)(command, slot);
    }
}

impl std::fmt::Debug for OnStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnStart(..)")
    }
}

/// How the environment of a command differs from that of this program.
#[derive(Clone, Debug, Default)]
pub(crate) struct EnvChanges {
    pub(crate) clear: bool,
    /// `None` removes the variable.
    pub(crate) vars: BTreeMap<OsString, Option<OsString>>,
}

impl EnvChanges {
    pub(crate) fn is_empty(&self) -> bool {
        !self.clear && self.vars.is_empty()
    }
}

impl Command {
    /// A command that runs this program without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        Command {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: EnvChanges::default(),
            dir: None,
            stdin: Stdin::Null,
            timeout: None,
            grace: None,
            max_output: None,
            output: Keep::All,
            on_start: None,
            label: None,
        }
    }

    /// A command from a program and its arguments in one list. An empty list makes a command that
    /// fails to start.
    ///
    /// ```
    /// let commands = (1..=3).map(|n| throng::Command::from_argv(["echo".into(), n.to_string()]));
    /// # let throng = throng::Throng::builder().build().unwrap();
    /// assert_eq!(throng.run(commands).count(), 3);
    /// ```
    pub fn from_argv<S: AsRef<OsStr>>(argv: impl IntoIterator<Item = S>) -> Command {
        let mut argv = argv.into_iter();
        let mut command = match argv.next() {
            Some(program) => Command::new(program),
            None => Command::new(""),
        };
        command.args(argv);
        command
    }

    /// A command that gives this script to the system's shell: `/bin/sh -c`.
    pub fn shell(script: impl AsRef<OsStr>) -> Command {
        Command::from_argv(crate::sys::shell_argv(script.as_ref()))
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Command {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Command {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment. What is not set, removed or cleared is as it was in
    /// this program when the [`Throng`](crate::Throng) was built.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.env
            .vars
            .insert(key.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Removes a variable from the environment.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Command {
        self.env.vars.insert(key.as_ref().to_owned(), None);
        self
    }

    /// Starts from an empty environment; forgets what [`env`](Command::env) has set so far.
    pub fn env_clear(&mut self) -> &mut Command {
        self.env.clear = true;
        self.env.vars.clear();
        self
    }

    /// The working directory of the process; that of this program by default.
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Command {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// What the process reads; [`Stdin::Null`] by default.
    pub fn stdin(&mut self, stdin: impl Into<Stdin>) -> &mut Command {
        self.stdin = stdin.into();
        self
    }

    /// Ends the process by the kill sequence when it runs for longer than this. No limit by
    /// default. The clock starts when the process does.
    pub fn timeout(&mut self, timeout: Duration) -> &mut Command {
        self.timeout = Some(timeout);
        self
    }

    /// How long the streams may stay open after the process has ended before they count as
    /// [held](crate::Verdict::Held), in place of the [builder's](crate::Builder::grace).
    pub fn grace(&mut self, grace: Duration) -> &mut Command {
        self.grace = Some(grace);
        self
    }

    /// Keeps at most this many bytes of each stream. What comes after them is read, counted and
    /// dropped, and the verdict is [`Capped`](crate::Verdict::Capped). No limit by default.
    pub fn max_output(&mut self, bytes: u64) -> &mut Command {
        self.max_output = Some(bytes);
        self
    }

    /// Whether the bytes are kept for the outcome; `true` by default. With `false` they go to the
    /// [output callback](crate::Builder::on_output) alone, the capture stays empty, and the
    /// verdicts still say whether all came.
    pub fn keep_output(&mut self, keep: bool) -> &mut Command {
        self.output = if keep {
            Keep::All
        } else {
            Keep::OnlyForCallback
        };
        self
    }

    /// Calls this once, on the thread that starts the process and just before it does, with the
    /// command and the number of its slot. Slots are numbered from 1 to
    /// [`jobs`](crate::Throng::jobs); no two live processes have the same. If it panics the
    /// command is not started, and its outcome says so.
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// let throng = throng::Throng::builder().jobs(1).build()?;
    /// let mut command = throng::Command::new("echo");
    /// command.on_start(|command, slot| drop(command.arg(slot.to_string())));
    /// assert_eq!(throng.spawn(&command).wait()?.stdout(), b"1\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_start(
        &mut self,
        callback: impl Fn(&mut Command, usize) + Send + Sync + 'static,
    ) -> &mut Command {
        self.on_start = Some(OnStart(Arc::new(callback)));
        self
    }

    /// A name for this command that its outcome gives back; means nothing to throng.
    pub fn label(&mut self, label: impl Into<OsString>) -> &mut Command {
        self.label = Some(label.into());
        self
    }

    /// The program, as it was given.
    pub fn get_program(&self) -> &OsStr {
        &self.program
    }

    /// The arguments, without the program.
    pub fn get_args(&self) -> impl ExactSizeIterator<Item = &OsStr> {
        self.args.iter().map(OsString::as_os_str)
    }

    /// The label, where one was set.
    pub fn get_label(&self) -> Option<&OsStr> {
        self.label.as_deref()
    }
}

impl From<&Command> for Command {
    fn from(command: &Command) -> Command {
        command.clone()
    }
}

impl From<&mut Command> for Command {
    fn from(command: &mut Command) -> Command {
        command.clone()
    }
}
