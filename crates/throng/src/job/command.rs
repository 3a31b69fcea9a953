//! What to run: pure data. Starts nothing and makes no system calls.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::capture::Limit;
use crate::capture::Retain;
use crate::job::stdin_pipe::StdinPipe;
use crate::model::verdict::OnHeld;
use crate::sys::options::{self, CommandOptions};

/// A program, its arguments and environment, and the limits for its process.
///
/// The methods have the names and meanings of [`std::process::Command`]. A command can be used any
/// number of times; nothing is started until it is given to a [`Throng`](crate::Throng).
///
/// The program is looked up in `PATH` unless its name contains a `/` (on Windows, a `\` or a drive
/// as well); no shell is involved. A relative path is relative to
/// [`current_dir`](Command::current_dir) if that is set. On Windows the current directory is never
/// searched, `.exe` may be omitted, and batch files are refused unless allowed by
/// `os::windows::CommandExt::allow_batch`.
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
    pub(crate) held: Option<OnHeld>,
    pub(crate) max_output: Option<u64>,
    pub(crate) retain: Retain,
    pub(crate) keeps_output: bool,
    pub(crate) on_start: Option<OnStart>,
    /// Variables that are set to the number of the slot.
    pub(crate) slot_vars: Vec<OsString>,
    /// The command before its `on_start` callback changed it, for another attempt.
    pub(crate) as_given: Option<Box<Command>>,
    /// Options of this system.
    pub(crate) os: CommandOptions,
    label: Option<OsString>,
}

impl Command {
    /// The same command for another attempt, as it was before its callback changed it.
    pub(crate) fn to_run_again(&self) -> Box<Command> {
        match &self.as_given {
            Some(as_given) => as_given.clone(),
            None => Box::new(self.clone()),
        }
    }
}

/// What a process reads as its stdin.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Stdin {
    /// Nothing: end of file at once.
    #[default]
    Null,
    /// These bytes, then end of file. The process reads them from a file, so any number of bytes
    /// can be given without waiting for the process and without a deadlock with its output.
    ///
    /// On Linux the file is in memory. From 32 KiB on it is counted in the
    /// [budget](crate::Builder::memory) while the process lives; if it does not fit, it is a file
    /// in the [spill directory](crate::Builder::spill_dir). Commands that have the same `Arc` and
    /// run at the same time share one file, which none of them can write to. On Windows each
    /// process has a temporary file of its own in that directory.
    Bytes(Arc<[u8]>),
    /// This file, opened for reading when the process is started.
    File(PathBuf),
    /// The stdin of this program. The process is in a process group of its own, so on Linux it is
    /// stopped by the system (`SIGTTIN`) when it reads from a terminal.
    Inherit,
    /// A pipe that the caller writes to while the process runs. It is for one start: the first
    /// process that is started with it gets it.
    Pipe(StdinPipe),
}

impl Stdin {
    /// Closes the end of a pipe, because the process has a copy by now or will never have one.
    pub(crate) fn close(&self) {
        if let Stdin::Pipe(end) = self {
            end.close();
        }
    }
}

impl From<Vec<u8>> for Stdin {
    fn from(bytes: Vec<u8>) -> Stdin {
        Stdin::Bytes(bytes.into())
    }
}

impl From<StdinPipe> for Stdin {
    fn from(end: StdinPipe) -> Stdin {
        Stdin::Pipe(end)
    }
}

impl From<&[u8]> for Stdin {
    fn from(bytes: &[u8]) -> Stdin {
        Stdin::Bytes(bytes.into())
    }
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
            held: None,
            max_output: None,
            retain: Retain::Head,
            keeps_output: true,
            on_start: None,
            slot_vars: Vec::new(),
            as_given: None,
            os: CommandOptions::default(),
            label: None,
        }
    }

    /// A command from a list of the program and its arguments. An empty list makes a command that
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

    /// A command that runs this script with the shell of the system: `/bin/sh -c`, or on Windows
    /// `cmd.exe`, with its extensions and without delayed expansion.
    pub fn shell(script: impl AsRef<OsStr>) -> Command {
        let (argv, os) = options::shell(script.as_ref());
        let mut command = Command::from_argv(argv);
        command.os = os;
        command
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

    /// Sets an environment variable. Variables that are not set, removed or cleared have the value
    /// that they had in this program when the [`Throng`](crate::Throng) was built.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.slot_vars.retain(|name| name != key.as_ref());
        self.env
            .vars
            .insert(key.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Command {
        self.slot_vars.retain(|name| name != key.as_ref());
        self.env.vars.insert(key.as_ref().to_owned(), None);
        self
    }

    /// Starts with an empty environment, and discards the variables that were set so far.
    pub fn env_clear(&mut self) -> &mut Command {
        self.env.clear = true;
        self.env.vars.clear();
        self.slot_vars.clear();
        self
    }

    /// Sets an environment variable to the number of the slot in which the process runs; see
    /// [`on_start`](Command::on_start) for slots.
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// let throng = throng::Throng::builder().jobs(1).build()?;
    /// let mut command = throng::Command::new("sh");
    /// command.args(["-c", "echo $SLOT"]).env_slot("SLOT");
    /// assert_eq!(throng.spawn(&command).wait()?.stdout(), b"1\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn env_slot(&mut self, key: impl AsRef<OsStr>) -> &mut Command {
        self.env_remove(&key);
        self.slot_vars.push(key.as_ref().to_owned());
        self
    }

    /// Whether the command needs the number of its slot.
    pub(crate) fn wants_slot(&self) -> bool {
        self.on_start.is_some() || !self.slot_vars.is_empty()
    }

    /// Sets the variables that are the number of the slot.
    pub(crate) fn set_slot(&mut self, slot: usize) {
        let number = OsString::from(slot.to_string());
        for name in &self.slot_vars {
            self.env.vars.insert(name.clone(), Some(number.clone()));
        }
    }

    /// Sets the working directory of the process; by default that of this program.
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Command {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Sets the stdin of the process; [`Stdin::Null`] by default.
    pub fn stdin(&mut self, stdin: impl Into<Stdin>) -> &mut Command {
        self.stdin = stdin.into();
        self
    }

    /// Ends the process by the [kill sequence](crate::Builder::kill_sequence) when it has run for
    /// this time, counted from its start. No limit by default.
    ///
    /// The clock is that of [`Instant`](std::time::Instant). On Linux it stops while the machine is
    /// suspended (`CLOCK_MONOTONIC`): a process with an hour left has an hour left when the machine
    /// wakes up. On Windows it goes on (`QueryPerformanceCounter`): a timeout that expired
    /// meanwhile takes effect when the thread that captures the process looks again. That is when
    /// one of its processes writes or ends, or at the latest at the end of the wait that the
    /// machine's sleep has interrupted. The same holds for grace periods and kill sequences.
    pub fn timeout(&mut self, timeout: Duration) -> &mut Command {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how long the streams may stay open after the process has ended before they count as
    /// [held](crate::Verdict::Held), instead of [`Builder::grace`](crate::Builder::grace).
    pub fn grace(&mut self, grace: Duration) -> &mut Command {
        self.grace = Some(grace);
        self
    }

    /// Sets what to do about streams that are held, instead of
    /// [`Builder::on_held`](crate::Builder::on_held).
    pub fn on_held(&mut self, held: OnHeld) -> &mut Command {
        self.held = Some(held);
        self
    }

    /// Keeps at most this many bytes of each stream: the first ones, unless set otherwise by
    /// [`retain`](Command::retain). The others are read, counted and dropped, and
    /// the verdict is [`Capped`](crate::Verdict::Capped). No limit by default.
    pub fn max_output(&mut self, bytes: u64) -> &mut Command {
        self.max_output = Some(bytes);
        self
    }

    /// Sets which bytes are kept if there are more than [`max_output`](Command::max_output) allows:
    /// the first, the last, or half of each. The others are described by
    /// [`Capture::dropped_range`](crate::Capture::dropped_range).
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// use throng::{Command, Retain, Stream, Throng};
    /// let throng = Throng::builder().build()?;
    /// let mut command = Command::new("seq");
    /// command.arg("100").max_output(8).retain(Retain::Both);
    /// let outcome = throng.spawn(&command).wait()?;
    /// assert_eq!(outcome.stdout(), b"1\n2\n100\n");
    /// assert_eq!(outcome.capture().dropped_range(Stream::Stdout).unwrap().at, 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn retain(&mut self, retain: Retain) -> &mut Command {
        self.retain = retain;
        self
    }

    /// How much of each stream is kept.
    pub(crate) fn limit(&self) -> Limit {
        Limit {
            bytes: self.max_output.unwrap_or(u64::MAX),
            // Without a limit the first bytes are all.
            retain: self.max_output.map_or(Retain::Head, |_| self.retain),
        }
    }

    /// Sets whether the output is kept for the outcome; `true` by default. With `false` it is only
    /// passed to the [output callback](crate::Builder::on_output) and the capture stays empty; the
    /// verdicts are as usual.
    pub fn keep_output(&mut self, keep: bool) -> &mut Command {
        self.keeps_output = keep;
        self
    }

    /// Calls this once for each attempt, just before the process is started and on the thread that
    /// starts it, with the command and the number of its slot. Slots are numbered from 1 to
    /// [`jobs`](crate::Throng::jobs); a process gets the lowest number that is free and keeps it
    /// while it is live. If the callback panics, the command is not started, and its outcome has an
    /// error with [`ErrorKind::Callback`](crate::ErrorKind::Callback).
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

    /// Sets a name for this command, for the caller; throng does not use it.
    pub fn label(&mut self, label: impl Into<OsString>) -> &mut Command {
        self.label = Some(label.into());
        self
    }

    /// The program, as given.
    pub fn get_program(&self) -> &OsStr {
        &self.program
    }

    /// The arguments, without the program.
    pub fn get_args(&self) -> impl ExactSizeIterator<Item = &OsStr> {
        self.args.iter().map(OsString::as_os_str)
    }

    /// The stdin of the process.
    pub fn get_stdin(&self) -> &Stdin {
        &self.stdin
    }

    /// The label, if one was set.
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
