//! Starts commands: pipes, stdin, program and arguments prepared here, the last steps in
//! `clone.rs`. Knows nothing of how the pipes are read.
//!
//! Invariant: when a start fails, everything that was made for it is closed again.

use std::ffi::{CString, OsStr, OsString, c_char};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::{DupFlags, Errno};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use super::child::Pipe;
use super::clone::{self, Features, Plan, Stack, Step};
use super::faults;
use super::groups::{Groups, Leaf};
use super::host::Host;
use super::minder::Clock;
use super::program::{Programs, search};
use super::signals;
use super::stdin::Held;
use super::strings::{Nul, Strings};
use super::tag::{self, Number};
use crate::command::{EnvChanges, Stdin};
use crate::sys::StartError;
use crate::sys::faults::Point;
use crate::{Command, Error, ErrorKind};

/// The pipes of a process that is about to be started: stdout, stderr.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) ours: [Pipe; 2],
    pub(super) theirs: [OwnedFd; 2],
}

/// One shard's means of starting, reused from start to start.
#[derive(Debug)]
pub(super) struct Launcher {
    host: Arc<Host>,
    programs: Programs,
    /// Places with low numbers for the new process's 0, 1 and 2, so that it need not copy a table
    /// of ten thousand descriptors. Between starts all are /dev/null.
    landing: [OwnedFd; 3],
    null: OwnedFd,
    features: Features,
    stack: Stack,
    argv: Strings,
    envp: Strings,
    argv_pointers: Vec<*const c_char>,
    envp_pointers: Vec<*const c_char>,
    /// The pointers of the environment that most commands have: the host's, and the mark.
    host_envp_pointers: Vec<*const c_char>,
    /// The mark of the process that is being started.
    mark: tag::Buffer,
    clock: Arc<Clock>,
    /// The control group of the process that is being started, where it has one of its own.
    leaf: Option<Leaf>,
    /// What the process that is being started reads, where that has to be kept.
    stdin: Option<Held>,
}

/// A step that failed, before it is put into words.
struct Failure {
    step: String,
    kind: ErrorKind,
    source: Option<io::Error>,
}

impl Launcher {
    pub(super) fn new(host: Arc<Host>) -> io::Result<Launcher> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let null = rustix::fs::open("/dev/null", flags, Mode::empty())?;
        // Above 2, in case this program was itself started without stdin, stdout or stderr.
        let place = || rustix::io::fcntl_dupfd_cloexec(&null, 3);
        let landing = [place()?, place()?, place()?];
        let mark = tag::Buffer::new(&host.tags);
        let clock = host.minder.clock();
        let features = Features::probe();
        if features.clone3 {
            // Nobody's handler can run in the new process.
            signals::ignore_ends();
        }
        let mut host_envp_pointers = Vec::new();
        host.environment.write_pointers(&mut host_envp_pointers);
        add_pointer(&mut host_envp_pointers, mark.pointer());
        Ok(Launcher {
            host,
            programs: Programs::default(),
            landing,
            null,
            features,
            stack: Stack::new()?,
            argv: Strings::default(),
            envp: Strings::default(),
            argv_pointers: Vec::new(),
            envp_pointers: Vec::new(),
            host_envp_pointers,
            mark,
            clock,
            leaf: None,
            stdin: None,
        })
    }

    /// Starts with the means of an older kernel, as a test wants it.
    #[cfg(test)]
    pub(super) fn with_features(host: Arc<Host>, features: Features) -> io::Result<Launcher> {
        let launcher = Launcher::new(host)?;
        if !features.clone3 {
            signals::block_all();
        }
        Ok(Launcher {
            features,
            ..launcher
        })
    }

    /// The pipes for a command, not yet connected to anything.
    pub(super) fn open_pipes(command: &Command) -> Result<Pipes, StartError> {
        let open = || -> Result<Pipes, Errno> {
            faults::strike(Point::Pipe)?;
            let (out, out_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
            let (err, err_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
            Ok(Pipes {
                ours: [out, err].map(Arc::new),
                theirs: [out_theirs, err_theirs],
            })
        };
        open().map_err(|errno| {
            Failure::os("create a pipe", ErrorKind::System, errno).into_start_error(command)
        })
    }

    /// Starts a command with its ends of these pipes, which are closed here whatever happens. Gives
    /// its id and its mark.
    pub(super) fn start(
        &mut self,
        command: &Command,
        theirs: [OwnedFd; 2],
    ) -> Result<(Pid, Option<Number>), StartError> {
        self.try_start(command, theirs)
            .map_err(|failure| failure.into_start_error(command))
    }

    fn try_start(
        &mut self,
        command: &Command,
        theirs: [OwnedFd; 2],
    ) -> Result<(Pid, Option<Number>), Failure> {
        self.host.await_keeper();
        let number = self.prepare_strings(command)?;
        let path = self.host.path(&command.env).to_owned();
        let uses_host_path = *path == *self.host.path(&EnvChanges::default());
        // A search path of the command's own is not worth remembering.
        let found = if uses_host_path {
            self.programs.find(&command.program, &path)
        } else {
            search(&command.program, &path)
        };
        let program = found.map_err(|errno| Failure::lookup(errno, command))?;
        let stdin = self.open_stdin(&command.stdin)?;
        let landed = self.land(stdin, theirs).and_then(|()| self.make_leaf());
        let result = landed.and_then(|()| self.clone_and_retry(command, &program, &path));
        if result.is_err() {
            self.leaf = None;
            self.stdin = None;
        }
        let cleared = self.clear_landing();
        let pid = result?;
        cleared?;
        Ok((pid, number))
    }

    /// Makes the control group of a process, where each has one. Where that is refused, the process
    /// runs without one.
    fn make_leaf(&mut self) -> Result<(), Failure> {
        let Some(groups) = &self.host.groups else {
            return Ok(());
        };
        if !self.features.clone3 {
            return Ok(());
        }
        match Groups::make_leaf(groups) {
            Ok(leaf) => self.leaf = leaf,
            Err(error) if is_exhaustion(&error) => {
                return Err(Failure {
                    step: "make a control group".into(),
                    kind: ErrorKind::System,
                    source: Some(error),
                });
            }
            Err(_) => self.leaf = None,
        }
        Ok(())
    }

    /// The control group of the process that was just started, where it has one of its own.
    pub(super) fn take_leaf(&mut self) -> Option<Leaf> {
        let mut leaf = self.leaf.take()?;
        leaf.close();
        Some(leaf)
    }

    /// What the process that was just started reads, to be kept until it is gone.
    pub(super) fn take_stdin(&mut self) -> Option<Held> {
        self.stdin.take()
    }

    fn clone_and_retry(
        &mut self,
        command: &Command,
        program: &OsString,
        path: &OsStr,
    ) -> Result<Pid, Failure> {
        match self.clone_onto_landing(command, program) {
            Err(failure)
                if failure.kind == ErrorKind::NotFound
                    && self.programs.forget(&command.program) =>
            {
                // It has moved along the search path since it was last found.
                let program = search(&command.program, path);
                let program = program.map_err(|errno| Failure::lookup(errno, command))?;
                self.clone_onto_landing(command, &program)
            }
            result => result,
        }
    }

    /// Prepares arguments and environment; gives the mark that the environment has, if it has one:
    /// who wants it empty, or has put something else in that place, gets what he wants.
    fn prepare_strings(&mut self, command: &Command) -> Result<Option<Number>, Failure> {
        self.argv.clear();
        self.argv
            .push(&command.program)
            .map_err(|Nul| Failure::nul("the program's name"))?;
        for (i, arg) in command.args.iter().enumerate() {
            self.argv
                .push(arg)
                .map_err(|Nul| Failure::nul(&format!("argument {}", i + 1)))?;
        }
        self.argv.write_pointers(&mut self.argv_pointers);
        let changes = &command.env;
        let has_mark = !changes.clear && !changes.vars.contains_key(OsStr::new(tag::NAME));
        if !changes.is_empty() {
            self.envp.clear();
            self.host
                .write_environment(changes, &mut self.envp)
                .map_err(|key| {
                    Failure::nul(&format!("the variable \"{}\"", key.to_string_lossy()))
                })?;
            self.envp.write_pointers(&mut self.envp_pointers);
            if has_mark {
                add_pointer(&mut self.envp_pointers, self.mark.pointer());
            }
        }
        if !has_mark {
            return Ok(None);
        }
        let number = self.host.tags.next();
        self.mark.set(number);
        Ok(Some(number))
    }

    fn open_stdin(&mut self, stdin: &Stdin) -> Result<Option<OwnedFd>, Failure> {
        match stdin {
            Stdin::Null => Ok(None),
            Stdin::Inherit => {
                let own = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3);
                own.map(Some)
                    .map_err(|e| Failure::os("give it our stdin", ErrorKind::Stdin, e))
            }
            Stdin::File(path) => open_file(path).map(Some).map_err(|errno| {
                Failure::os(&format!("open {}", path.display()), ErrorKind::Stdin, errno)
            }),
            Stdin::Bytes(bytes) => {
                let stdins = &self.host.stdins;
                let (file, held) = stdins.open(bytes).map_err(|error| Failure {
                    step: stdins.doing(bytes),
                    kind: ErrorKind::Stdin,
                    source: Some(error),
                })?;
                self.stdin = Some(held);
                Ok(Some(file))
            }
            Stdin::Pipe(end) => {
                let reader = end.duplicate().map_err(|error| Failure {
                    step: "give it its pipe".into(),
                    kind: ErrorKind::Stdin,
                    source: Some(error),
                })?;
                Ok(Some(reader.into()))
            }
        }
    }

    /// Puts the new process's ends onto their landing places and closes the originals.
    fn land(&mut self, stdin: Option<OwnedFd>, theirs: [OwnedFd; 2]) -> Result<(), Failure> {
        let [landing_in, landing_out, landing_err] = &mut self.landing;
        let put = |fd: BorrowedFd<'_>, place: &mut OwnedFd| {
            rustix::io::dup3(fd, place, DupFlags::CLOEXEC)
                .map_err(|errno| Failure::os("place a descriptor", ErrorKind::System, errno))
        };
        if let Some(stdin) = stdin {
            put(stdin.as_fd(), landing_in)?;
        }
        put(theirs[0].as_fd(), landing_out)?;
        put(theirs[1].as_fd(), landing_err)
    }

    /// Closes the new process's ends here: only its own copies keep the pipes open now.
    fn clear_landing(&mut self) -> Result<(), Failure> {
        for place in &mut self.landing {
            rustix::io::dup3(&self.null, place, DupFlags::CLOEXEC)
                .map_err(|errno| Failure::os("clear a descriptor", ErrorKind::System, errno))?;
        }
        Ok(())
    }

    fn clone_onto_landing(
        &mut self,
        command: &Command,
        program: &OsString,
    ) -> Result<Pid, Failure> {
        let nul = |what: &str| Failure::nul(what);
        let program_c = CString::new(program.as_bytes()).map_err(|_| nul("the program's name"))?;
        let dir = command
            .dir
            .as_ref()
            .map(|dir| CString::new(dir.as_os_str().as_bytes()));
        let dir = dir.transpose().map_err(|_| nul("the working directory"))?;
        let nofile = self.host.original_nofile.map(|limit| libc::rlimit {
            rlim_cur: limit.current.unwrap_or(libc::RLIM_INFINITY),
            rlim_max: limit.maximum.unwrap_or(libc::RLIM_INFINITY),
        });
        let envp = if command.env.is_empty() {
            &self.host_envp_pointers
        } else {
            &self.envp_pointers
        };

        let mut plan = Plan::new(
            self.landing.each_ref().map(AsRawFd::as_raw_fd),
            self.features,
        );
        plan.dir = dir.as_ref().map_or(std::ptr::null(), |dir| dir.as_ptr());
        plan.program = program_c.as_ptr();
        plan.clock = Arc::as_ptr(&self.clock);
        let limit = self.clock.set_limit(command.timeout);
        plan.argv = self.argv_pointers.as_ptr();
        plan.envp = envp.as_ptr();
        plan.nice = command.os.nice;
        plan.cgroup = self.leaf.as_ref().and_then(Leaf::fd);
        plan.nofile = nofile.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        loop {
            let started = match struck() {
                Some(failed) => Err(failed),
                // SAFETY: the strings and lists live in this function's variables and in `self`,
                // which nothing changes before the call returns; `prepare_strings` wrote the lists
                // for this command, and `Strings` and `tag::Buffer` keep them terminated. The
                // landing places are our own open descriptors. An engine, and so its launcher, is
                // made and used by a shard's thread, which has blocked all signals, but
                // for `SIGCHLD` where there is clone3: see `Engine::new` and `Launcher::new`.
                None => unsafe { clone::start(&mut plan, &mut self.stack) },
            };
            let error = match started {
                Ok(pid) => return Ok(pid),
                Err(error) => error,
            };
            // A kernel, or a sandbox before it, that knows the call but not the flag.
            match (error.0, error.1.raw_os_error()) {
                (Step::Exec, Some(libc::ETIMEDOUT)) => {
                    return Err(Failure::not_loaded(program, limit));
                }
                // Before 5.7, or where the group is not one for processes any more.
                (Step::Clone, Some(_)) if plan.cgroup.is_some() && !is_exhaustion(&error.1) => {
                    plan.cgroup = None;
                    self.leaf = None;
                }
                (Step::Clone, Some(libc::EINVAL | libc::ENOSYS)) if plan.features.clone3 => {
                    signals::block_all();
                    plan.features.clone3 = false;
                }
                (Step::Descriptors, Some(libc::EINVAL | libc::ENOSYS))
                    if plan.features.close_range =>
                {
                    plan.features.close_range = false;
                }
                _ => return Err(Failure::in_child(error.0, error.1, program, command)),
            }
            self.features = plan.features;
        }
    }
}

/// A fault that strikes the start of a process.
fn struck() -> Option<(Step, io::Error)> {
    let made = faults::strike(Point::Start).map_err(|errno| (Step::Clone, errno.into()));
    let loaded = || faults::strike(Point::Exec).map_err(|errno| (Step::Exec, errno.into()));
    made.and_then(|()| loaded()).err()
}

/// Adds one before the null at the end.
fn add_pointer(pointers: &mut Vec<*const c_char>, pointer: *const c_char) {
    let end = pointers.len() - 1;
    pointers.insert(end, pointer);
}

/// Opening must not wait for the writer of a named pipe; reading it later may.
fn open_file(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

/// Whether this is a want of something that comes back when processes end.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    let exhausted = [
        libc::EAGAIN,
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOMEM,
        libc::ENOSPC,
    ];
    // The bound on a directory in memory has no number of the system.
    error.kind() == io::ErrorKind::StorageFull
        || error
            .raw_os_error()
            .is_some_and(|errno| exhausted.contains(&errno))
}

impl Failure {
    fn os(step: &str, kind: ErrorKind, errno: Errno) -> Failure {
        Failure {
            step: step.into(),
            kind,
            source: Some(errno.into()),
        }
    }

    fn not_loaded(program: &OsStr, limit: Duration) -> Failure {
        let shown = program.to_string_lossy();
        Failure {
            step: format!("exec {shown}: it was not loaded in {limit:?}"),
            kind: ErrorKind::System,
            source: None,
        }
    }

    fn nul(what: &str) -> Failure {
        let step = format!("{what} contains a NUL byte or is no valid name");
        Failure {
            step,
            kind: ErrorKind::Nul,
            source: None,
        }
    }

    fn lookup(errno: Errno, command: &Command) -> Failure {
        let (step, kind) = match errno {
            Errno::NOENT if command.program.is_empty() => {
                ("its name is empty", ErrorKind::NotFound)
            }
            Errno::NOENT => ("not found in PATH", ErrorKind::NotFound),
            _ => (
                "found in PATH, but not executable",
                ErrorKind::NotExecutable,
            ),
        };
        Failure {
            step: step.into(),
            kind,
            source: None,
        }
    }

    /// What the new process reported before it ended.
    fn in_child(step: Step, source: io::Error, program: &OsString, command: &Command) -> Failure {
        let dir = command.dir.as_deref().unwrap_or(Path::new("."));
        let path = dir.join(program);
        let shown = program.to_string_lossy();
        let (step, kind) = match (step, source.raw_os_error().unwrap_or(0)) {
            (Step::Exec, libc::ENOENT | libc::ENOTDIR) if path.exists() => (
                format!("exec {shown}: its interpreter is missing"),
                ErrorKind::BadFormat,
            ),
            (Step::Exec, libc::ENOENT | libc::ENOTDIR) => {
                (format!("exec {shown}"), ErrorKind::NotFound)
            }
            (Step::Exec, libc::EACCES) if path.is_dir() => (
                format!("exec {shown}, which is a directory"),
                ErrorKind::NotExecutable,
            ),
            (Step::Exec, libc::EACCES | libc::EPERM) => {
                (format!("exec {shown}"), ErrorKind::NotExecutable)
            }
            (Step::Exec, libc::ENOEXEC) => (
                format!("exec {shown}, perhaps a script without #!"),
                ErrorKind::BadFormat,
            ),
            (Step::Exec, libc::E2BIG) => (format!("exec {shown}"), ErrorKind::ArgumentsTooLong),
            (Step::Exec, _) => (format!("exec {shown}"), ErrorKind::System),
            (Step::Directory, _) => (
                format!("chdir to {}", dir.display()),
                ErrorKind::BadDirectory,
            ),
            (Step::None | Step::Clone, _) => ("create a process".into(), ErrorKind::System),
            (Step::Descriptors, _) => ("place its descriptors".into(), ErrorKind::System),
            (Step::Group, _) => ("make a process group".into(), ErrorKind::System),
            (Step::ParentDeath, _) => ("tie its life to ours".into(), ErrorKind::System),
            (Step::Limits, _) => ("restore its limits".into(), ErrorKind::System),
            (Step::Niceness, _) => ("set its niceness".into(), ErrorKind::System),
            (Step::Signals, _) => ("reset its signals".into(), ErrorKind::System),
        };
        Failure {
            step,
            kind,
            source: Some(source),
        }
    }

    fn into_start_error(self, command: &Command) -> StartError {
        let doing = format!(
            "cannot start \"{}\": {}",
            command.program.to_string_lossy(),
            self.step
        );
        let Some(source) = self.source else {
            return StartError::Refused(Error::new(self.kind, doing));
        };
        if is_exhaustion(&source) {
            StartError::Exhausted(Error::os(ErrorKind::Exhausted, doing, source))
        } else if source.raw_os_error() == Some(libc::ETXTBSY) {
            StartError::Busy(Error::os(self.kind, doing, source))
        } else {
            StartError::Refused(Error::os(self.kind, doing, source))
        }
    }
}

/// The error of a process that cannot be captured, for a reason that the driver gives.
pub(super) fn cannot_capture(command: &Command, error: io::Error) -> StartError {
    let step = "watch its output".into();
    Failure {
        step,
        kind: ErrorKind::System,
        source: Some(error),
    }
    .into_start_error(command)
}

#[cfg(test)]
mod tests;
