//! Starts commands: pipes, stdin, program and arguments prepared here, the last steps in
//! `clone/mod.rs`. Knows nothing of how the pipes are read.
//!
//! Invariant: when a start fails, everything that was made for it is closed again.
//!
//! Nothing here waits for a file system: the new process finds out where a program is, whether a
//! directory can be entered and whether a file can be opened as stdin, and reports it.

use std::collections::HashMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::{DupFlags, Errno};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use super::clone::{self, Failed, SpawnStage};
use super::kept::write_kept;
use super::loading::{Kit, Loading};
use super::program::candidates;
use crate::job::command::Command;
use crate::job::command::{EnvChanges, Stdin};
use crate::model::error::ErrorKind;
use crate::sys::api::StartError;
use crate::sys::base::is_exhausted;
use crate::sys::base::linux::above_stdio;
use crate::sys::faults::{self, Point};
use crate::sys::linux::features::Features;
use crate::sys::linux::host::SystemContext;
use crate::sys::linux::host::stdin::Held;
use crate::sys::linux::host::strings::Nul;
use crate::sys::linux::pipe::Pipe;
use crate::sys::linux::signals;
use crate::sys::linux::tree::{self, JobCgroup, JobId};
use crate::sys::linux::wait::{self, Which};
use crate::sys::options::linux::ProcessGroup;
use crate::sys::options::linux::terminal::Terminal;
use crate::sys::spawn_error::SpawnError;

/// How long a shard waits for a program to be loaded before it does something else meanwhile.
/// Nearly all are loaded in a tenth of it; and waiting at the word is the fastest way to notice.
const INLINE_WAIT: Duration = Duration::from_millis(5);

/// Kits that are kept for starts that take longer.
const SPARE_KITS: usize = 4;

/// If one run has more programs than this, some are looked up again; it bounds memory.
const REMEMBERED_MAX: usize = 1024;

/// The pipes of a process that is about to be started: stdout, stderr.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) ours: [Pipe; 2],
    pub(crate) theirs: [OwnedFd; 2],
}

/// A process that was made.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) pid: Pid,
    pub(crate) own: Belongings,
    /// If its program is not loaded yet.
    pub(crate) loading: Option<Loading>,
}

/// What is kept for a process.
#[derive(Debug, Default)]
pub(crate) struct Belongings {
    /// The job that its cookie names.
    pub(crate) job: Option<JobId>,
    /// Its control group, if it has one of its own.
    pub(crate) cgroup: Option<JobCgroup>,
    /// What it reads, kept until it is gone.
    pub(crate) stdin: Option<Held>,
}

/// One shard's means of starting, reused from start to start.
#[derive(Debug)]
pub(crate) struct Launcher {
    host: Arc<SystemContext>,
    /// Where programs were found along the search path of this program.
    found: HashMap<OsString, OsString>,
    /// Places with low numbers for the new process's 0, 1 and 2, so that it need not copy a table
    /// of ten thousand descriptors. Between starts all are /dev/null.
    stdio_fds: [OwnedFd; 3],
    null: OwnedFd,
    features: Features,
    #[expect(clippy::vec_box, reason = "they are handed around, and are large")]
    kits: Vec<Box<Kit>>,
    inline_wait: Duration,
    /// Processes that have failed and have not been seen to exit, and the control groups that they
    /// are in.
    pub(crate) exiting: Vec<(Pid, Option<JobCgroup>)>,
}

impl Launcher {
    pub(crate) fn new(host: Arc<SystemContext>) -> io::Result<Launcher> {
        let null = open_null()?;
        let place = || rustix::io::fcntl_dupfd_cloexec(&null, 3);
        let stdio_fds = [place()?, place()?, place()?];
        let features = Features::probe();
        if features.clone3 {
            // No handler can run in the new process.
            signals::ignore_ends();
        }
        Ok(Launcher {
            kits: vec![Kit::new(&host, features)?],
            host,
            found: HashMap::new(),
            stdio_fds,
            null,
            features,
            inline_wait: INLINE_WAIT,
            exiting: Vec::new(),
        })
    }

    /// Starts with the means of an older kernel, for a test.
    #[cfg(test)]
    pub(crate) fn with_features(
        host: Arc<SystemContext>,
        features: Features,
    ) -> io::Result<Launcher> {
        let launcher = Launcher::new(host)?;
        let features = match crate::sys::linux::features::IS_SANITIZED {
            true => Features {
                shared: false,
                clone3: false,
                ..features
            },
            false => features,
        };
        if !features.clone3 {
            signals::block_all();
        }
        Ok(Launcher {
            features,
            // However slow the machine is.
            inline_wait: Duration::from_secs(60),
            ..launcher
        })
    }

    /// The pipes for a command, not yet connected to anything.
    pub(crate) fn open_pipes(command: &Command) -> Result<Pipes, StartError> {
        let open = || -> Result<Pipes, Errno> {
            faults::fail(Point::Pipe)?;
            let (out, out_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
            let (err, err_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
            Ok(Pipes {
                ours: [out, err].map(|end| Arc::new(above_stdio(end))),
                theirs: [out_theirs, err_theirs].map(above_stdio),
            })
        };
        open().map_err(|errno| {
            SpawnError::os("create a pipe", ErrorKind::System, errno).into_start_error(command)
        })
    }

    /// Starts a command with its ends of these pipes, which are closed here whatever happens.
    pub(crate) fn start(
        &mut self,
        command: &Command,
        theirs: [OwnedFd; 2],
    ) -> Result<Begun, StartError> {
        self.try_start(command, theirs).map_err(|failure| {
            command.os.terminal.iter().for_each(Terminal::take_back);
            failure.into_start_error(command)
        })
    }

    fn try_start(&mut self, command: &Command, theirs: [OwnedFd; 2]) -> Result<Begun, SpawnError> {
        self.host.trees.await_guardian();
        let mut kit = match self.kits.pop() {
            Some(kit) => kit,
            None => Kit::new(&self.host, self.features)
                .map_err(|error| SpawnError::io("make a stack", ErrorKind::System, error))?,
        };
        let begun = match self.make_ready(&mut kit, command, theirs) {
            Ok(own) => self.clone_and_retry(kit, command, own),
            Err(failure) => {
                self.keep(kit);
                Err(failure)
            }
        };
        self.clear_stdio_fds()?;
        begun
    }

    fn make_ready(
        &mut self,
        kit: &mut Kit,
        command: &Command,
        theirs: [OwnedFd; 2],
    ) -> Result<Belongings, SpawnError> {
        let job = self.prepare(kit, command)?;
        let (file, stdin) = open_stdin(&command.stdin, &self.host)?;
        self.land(file, theirs, command.os.inherits_output)?;
        let cgroup = self.make_cgroup()?;
        Ok(Belongings { job, cgroup, stdin })
    }

    /// Whether a process without a control group of its own lacks one.
    pub(crate) fn needs_cgroups(&self) -> bool {
        self.host.trees.has_job_cgroups()
    }

    /// Makes the control group of a process, where each has one. Where that is refused, the process
    /// runs without one.
    fn make_cgroup(&mut self) -> Result<Option<JobCgroup>, SpawnError> {
        if !self.features.clone3 {
            return Ok(None);
        }
        match self.host.trees.new_job_cgroup() {
            Err(error) if is_exhausted(&error) => Err(SpawnError::io(
                "make a control group",
                ErrorKind::System,
                error,
            )),
            made => Ok(made.unwrap_or(None)),
        }
    }

    /// Prepares everything that the new process needs except its descriptors; returns the job in
    /// its cookie, if it has one: a command with an empty environment, or one that has
    /// set the variable itself, has none.
    fn prepare(&mut self, kit: &mut Kit, command: &Command) -> Result<Option<JobId>, SpawnError> {
        let nul = |what: &str| SpawnError::nul(what);
        if command.program.is_empty() {
            return Err(SpawnError::empty_name());
        }
        let path = self.host.path(&command.env);
        let known = self
            .uses_host_path(command)
            .then(|| self.found.get(&command.program));
        candidates(&mut kit.candidates, &command.program, path, known.flatten())
            .map_err(|Nul| nul("the program's name"))?;
        kit.candidates.write_pointers(&mut kit.candidate_pointers);
        kit.argv.clear();
        kit.argv
            .push(&command.program)
            .map_err(|Nul| nul("the program's name"))?;
        for (i, arg) in command.args.iter().enumerate() {
            kit.argv
                .push(arg)
                .map_err(|Nul| nul(&format!("argument {}", i + 1)))?;
        }
        kit.argv_pointers.clear();
        kit.argv_pointers.push(clone::SHELL.as_ptr());
        kit.argv.add_pointers(&mut kit.argv_pointers);
        kit.argv_pointers.push(ptr::null());
        let string = |path: &OsStr, what: &str| {
            CString::new(path.as_bytes()).map_err(|_| SpawnError::nul(what))
        };
        kit.dir = match &command.dir {
            Some(dir) => Some(string(dir.as_os_str(), "the working directory")?),
            None => None,
        };
        kit.stdin = match &command.stdin {
            Stdin::File(path) => Some(string(path.as_os_str(), "the name of its stdin")?),
            _ => None,
        };
        self.prepare_environment(kit, command)
    }

    fn prepare_environment(
        &self,
        kit: &mut Kit,
        command: &Command,
    ) -> Result<Option<JobId>, SpawnError> {
        let changes = &command.env;
        let has_cookie = !changes.clear && !changes.vars.contains_key(OsStr::new(tree::VARIABLE));
        if !changes.is_empty() {
            kit.write_environment(&self.host, changes, has_cookie)
                .map_err(|key| {
                    SpawnError::nul(&format!("the variable \"{}\"", key.to_string_lossy()))
                })?;
        }
        if !has_cookie {
            return Ok(None);
        }
        let job = self.host.trees.cookies().next();
        kit.cookie.set(job);
        Ok(Some(job))
    }

    fn uses_host_path(&self, command: &Command) -> bool {
        *self.host.path(&command.env) == *self.host.path(&EnvChanges::default())
    }

    /// Puts the new process's ends onto `stdio_fds` and closes the originals. In place
    /// of those of its output it may have ours.
    fn land(
        &mut self,
        stdin: Option<OwnedFd>,
        theirs: [OwnedFd; 2],
        inherits_output: bool,
    ) -> Result<(), SpawnError> {
        let [fd_in, fd_out, fd_err] = &mut self.stdio_fds;
        let put = |fd: BorrowedFd<'_>, place: &mut OwnedFd| {
            rustix::io::dup3(fd, place, DupFlags::CLOEXEC)
                .map_err(|errno| SpawnError::os("place a descriptor", ErrorKind::System, errno))
        };
        if let Some(stdin) = stdin {
            put(stdin.as_fd(), fd_in)?;
        }
        if inherits_output {
            put(io::stdout().as_fd(), fd_out)?;
            return put(io::stderr().as_fd(), fd_err);
        }
        put(theirs[0].as_fd(), fd_out)?;
        put(theirs[1].as_fd(), fd_err)
    }

    /// Closes the new process's ends here: only its own copies keep the pipes open now.
    fn clear_stdio_fds(&mut self) -> Result<(), SpawnError> {
        for place in &mut self.stdio_fds {
            rustix::io::dup3(&self.null, place, DupFlags::CLOEXEC)
                .map_err(|errno| SpawnError::os("clear a descriptor", ErrorKind::System, errno))?;
        }
        Ok(())
    }

    /// Makes the process, leaving out what a kernel, or a sandbox in front of it, refuses: one that
    /// knows the call may not know the flag.
    fn clone_and_retry(
        &mut self,
        mut kit: Box<Kit>,
        command: &Command,
        mut own: Belongings,
    ) -> Result<Begun, SpawnError> {
        loop {
            self.fill_plan(&mut kit, command, own.cgroup.as_ref());
            let started = match injected() {
                Some((SpawnStage::Clone, errno)) => Err((kit, errno.into())),
                Some((step, errno)) => {
                    self.keep(kit);
                    return Err(SpawnError::injected(step, errno, command));
                }
                // SAFETY: the strings and lists are the kit's, and were written for this command.
                // The places of `stdio_fds` are our own open descriptors, and stay so until this
                // function returns, which is not before `wait` has. A launcher is made and used by
                // a shard's thread, which has blocked all signals, except `SIGCHLD` where there is
                // clone3: see `Engine::new` and `Launcher::new`.
                None => unsafe { kit.start() },
            };
            let mut loading = match started {
                Ok(loading) => loading,
                Err((back, error)) => {
                    kit = back;
                    if self.does_with_less(&error, &mut own.cgroup) {
                        continue;
                    }
                    self.keep(kit);
                    return Err(SpawnError::io("create a process", ErrorKind::System, error));
                }
            };
            let pid = loading.pid;
            if !loading.wait(self.inline_wait) {
                if !loading.has_begun() {
                    // It has done nothing at all and is killed: the memory is not really shared.
                    self.features.shared = false;
                    self.leave_out_clone3();
                    self.exiting.push((pid, own.cgroup.take()));
                    return Err(SpawnError::did_not_run());
                }
                return Ok(begun(pid, own, Some(loading)));
            }
            let has_begun = loading.has_begun();
            let (back, result) = loading.into_result();
            kit = back;
            let Err(failed) = result else {
                if !has_begun {
                    // It was ended before its first step, by us since another process had stopped
                    // it.
                    self.keep(kit);
                    self.see_off(pid, own.cgroup.take());
                    return Err(SpawnError::did_not_run());
                }
                self.loaded(kit, command);
                return Ok(begun(pid, own, None));
            };
            let refused = [libc::EINVAL, libc::ENOSYS, libc::EPERM].contains(&failed.errno);
            if failed.stage == SpawnStage::Descriptors && refused && self.features.close_range {
                self.features.close_range = false;
                // The next attempt is in the same control group.
                self.see_off(pid, None);
                continue;
            }
            self.see_off(pid, own.cgroup.take());
            return Err(self.failed(kit, failed, command));
        }
    }

    /// After a refusal to make a process: whether there is something to leave out.
    fn does_with_less(&mut self, error: &io::Error, cgroup: &mut Option<JobCgroup>) -> bool {
        let code = error.raw_os_error().unwrap_or(0);
        let is_unknown = [libc::EINVAL, libc::ENOSYS].contains(&code);
        if cgroup.is_some() && !is_exhausted(error) {
            // Before 5.7, or when the group no longer takes processes.
            *cgroup = None;
        } else if is_unknown && self.features.clone3 {
            self.leave_out_clone3();
        } else if self.features.shared
            && !self.features.clone3
            && (is_unknown || code == libc::EPERM)
        {
            self.features.shared = false;
        } else {
            return false;
        }
        true
    }

    /// From now on processes are born with our handlers, so no signal may be handled meanwhile.
    fn leave_out_clone3(&mut self) {
        signals::block_all();
        self.features.clone3 = false;
    }

    fn fill_plan(&self, kit: &mut Kit, command: &Command, cgroup: Option<&JobCgroup>) {
        let pointer =
            |string: &Option<CString>| string.as_ref().map_or(ptr::null(), |s| s.as_ptr());
        let plan = &mut kit.plan;
        plan.features = self.features;
        plan.stdio_fds = self.stdio_fds.each_ref().map(AsRawFd::as_raw_fd);
        plan.stdin = pointer(&kit.stdin);
        plan.dir = pointer(&kit.dir);
        plan.candidates = kit.candidate_pointers.as_ptr();
        let shell_argv = kit.argv_pointers.as_mut_ptr();
        plan.argv = shell_argv.wrapping_add(1);
        plan.script_argv = match command.os.allow_script {
            true => shell_argv,
            false => ptr::null_mut(),
        };
        plan.envp = match command.env.is_empty() {
            true => kit.host_envp_pointers.as_ptr(),
            false => kit.envp_pointers.as_ptr(),
        };
        plan.nofile = self.host.original_nofile.map(|limit| libc::rlimit {
            rlim_cur: limit.current.unwrap_or(libc::RLIM_INFINITY),
            rlim_max: limit.maximum.unwrap_or(libc::RLIM_INFINITY),
        });
        plan.fds = self.host.fds_max();
        plan.nice = command.os.nice;
        plan.group = match command.os.terminal {
            Some(_) => ProcessGroup::Own,
            None => command.os.group,
        };
        plan.cgroup = cgroup.and_then(JobCgroup::fd);
        let terminal = command.os.terminal.as_ref().and_then(Terminal::lend);
        plan.terminal = terminal.unwrap_or(-1);
        write_kept(&mut kit.kept, command, &self.host.inherited, terminal);
    }

    /// The program of a command is loaded.
    fn loaded(&mut self, kit: Box<Kit>, command: &Command) {
        if kit.plan.features.shared && self.uses_host_path(command) {
            let path = kit.candidates.get(kit.plan.report.candidate());
            let is_absolute = path.first() == Some(&b'/');
            if kit.candidates.len() > 1 && is_absolute && kit.plan.report.candidate() > 0 {
                if self.found.len() >= REMEMBERED_MAX {
                    self.found.clear();
                }
                let path = OsString::from_vec(path.to_vec());
                self.found.insert(command.program.clone(), path);
            }
        }
        self.keep(kit);
    }

    /// The result of a start that took longer is known.
    pub(crate) fn finish(&mut self, loading: Loading, command: &Command) -> Result<(), StartError> {
        let (kit, result) = loading.into_result();
        match result {
            Ok(()) => {
                self.keep(kit);
                Ok(())
            }
            Err(failed) => Err(self.failed(kit, failed, command).into_start_error(command)),
        }
    }

    fn failed(&mut self, kit: Box<Kit>, failed: Failed, command: &Command) -> SpawnError {
        let path = OsStr::from_bytes(kit.candidates.get(failed.candidate)).to_owned();
        let is_search = kit.candidates.len() > 1;
        self.keep(kit);
        SpawnError::in_child(&failed, &path, is_search, command)
    }

    fn keep(&mut self, kit: Box<Kit>) {
        if self.kits.len() < SPARE_KITS {
            self.kits.push(kit);
        }
    }

    /// Reaps a process that has reported a failure and is about to exit. It exits at once, unless
    /// closing what it has open takes long.
    fn see_off(&mut self, pid: Pid, cgroup: Option<JobCgroup>) {
        const LOOKS: usize = 50;
        for _ in 0..LOOKS {
            if wait::try_wait(Which::Pid(pid), true).is_some() {
                return;
            }
            std::thread::yield_now();
        }
        self.exiting.push((pid, cgroup));
    }
}

/// A process that was made, and is in its control group by now.
fn begun(pid: Pid, mut own: Belongings, loading: Option<Loading>) -> Begun {
    own.cgroup.iter_mut().for_each(JobCgroup::close);
    Begun { pid, own, loading }
}

fn open_null() -> io::Result<OwnedFd> {
    const NULL: &str = "/dev/null";
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let null = rustix::fs::open(NULL, flags, Mode::empty());
    let null = null.map_err(|errno| {
        let error = io::Error::from(errno);
        io::Error::new(error.kind(), format!("cannot open {NULL}: {error}"))
    });
    null.map(above_stdio)
}

/// A fault that is injected into the start of a process.
fn injected() -> Option<(SpawnStage, Errno)> {
    let made = faults::fail(Point::Start).map_err(|errno| (SpawnStage::Clone, errno));
    let loaded = || faults::fail(Point::Exec).map_err(|errno| (SpawnStage::Exec, errno));
    made.and_then(|()| loaded()).err()
}

/// What a process gets as its stdin, if that is neither nothing nor a file that it opens itself,
/// and what is to be kept for it.
fn open_stdin(
    stdin: &Stdin,
    host: &SystemContext,
) -> Result<(Option<OwnedFd>, Option<Held>), SpawnError> {
    let failed = |step: &str, error| SpawnError::io(step, ErrorKind::Stdin, error);
    let closed = || io::Error::from(Errno::BADF);
    match stdin {
        Stdin::Null | Stdin::File(_) => Ok((None, None)),
        Stdin::Inherit if !host.has_stdin() => Err(failed("give it our stdin", closed())),
        Stdin::Inherit => {
            let own = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3);
            let own = own.map_err(|errno| failed("give it our stdin", errno.into()))?;
            Ok((Some(own), None))
        }
        Stdin::Bytes(bytes) => {
            let stdins = &host.stdins;
            let opened = stdins.open(bytes);
            let doing = |error| failed(&stdins.doing(bytes), error).own(true);
            let (file, held) = opened.map_err(doing)?;
            Ok((Some(above_stdio(file)), Some(held)))
        }
        Stdin::Pipe(end) => {
            let reader = end.duplicate();
            let reader = reader.map_err(|error| failed("give it its pipe", error))?;
            Ok((Some(above_stdio(reader.into())), None))
        }
    }
}

#[cfg(test)]
mod tests;
