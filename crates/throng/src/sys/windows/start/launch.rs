//! Starts commands: the program found, the command line and the environment written, the handles
//! listed, `CreateProcessW` called. Knows nothing of how the pipes are read.
//!
//! No lock is taken around a start: each has a list of the handles that its process gets, so what
//! other threads of ours have inheritable at that moment is not in it. Code that is not ours and
//! starts processes without such a list can still take a handle along: for as long as a start
//! takes, the process's ends of its pipes are inheritable.
//!
//! Invariant: when a start fails, everything that was made for it is closed again, and no process
//! is left.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr::null;
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, HANDLE};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT,
    CreateProcessW, DETACHED_PROCESS, EXTENDED_STARTUPINFO_PRESENT, PROCESS_INFORMATION,
    ResumeThread, STARTF_USESTDHANDLES, STARTUPINFOEXW, STARTUPINFOW, SetPriorityClass,
    TerminateProcess,
};

use super::attributes::Attributes;
use super::batch;
use super::commandline::{LineError, command_line};
use super::program::{self, Lookup};
use crate::job::command::Command;
use crate::job::command::Stdin;
use crate::model::error::ErrorKind;
use crate::sys::api::StartError;
use crate::sys::base::windows::codes::{StartFate, Surroundings, start_fate, start_hint};
use crate::sys::base::windows::system_directory;
use crate::sys::faults::{self, Point};
use crate::sys::options::windows::{Console, Priority};
use crate::sys::spawn_error::SpawnError;
use crate::sys::windows::host::SystemContext;
use crate::sys::windows::host::stdin;
use crate::sys::windows::pipe::{from_code, last_code};
use crate::sys::windows::tree::{Guardian, Job};
use crate::sys::windows::wide::to_wide;
use crate::sys::windows::wine::is_wine;

/// A program file younger than this may still be in the hands of a virus scanner.
const FRESH: Duration = Duration::from_secs(30);

/// One shard's means of starting.
#[derive(Debug)]
pub(crate) struct Launcher {
    host: Arc<SystemContext>,
    /// Where programs were found in our search path.
    programs: HashMap<OsString, PathBuf>,
    /// Jobs cannot be given along with a start here: before Windows 10, or in some sandboxes.
    assigns_jobs: bool,
}

/// What a start gives.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) process: OwnedHandle,
    pub(crate) pid: u32,
    pub(crate) job: Option<Job>,
    pub(crate) can_be_asked: bool,
}

/// What `CreateProcessW` is to be given.
struct SpawnPlan {
    program: PathBuf,
    application: Vec<u16>,
    line: Vec<u16>,
    /// None for ours.
    environment: Option<Vec<u16>>,
    dir: Option<Vec<u16>>,
    flags: u32,
    /// The priority class, which is among the flags as well; 0 for the system's choice.
    priority: u32,
    can_be_asked: bool,
}

impl Launcher {
    pub(crate) fn new(host: Arc<SystemContext>) -> Launcher {
        Launcher {
            host,
            programs: HashMap::new(),
            assigns_jobs: false,
        }
    }

    #[cfg(test)]
    pub(crate) fn host(&self) -> &SystemContext {
        &self.host
    }

    #[cfg(test)]
    pub(crate) fn remember(&mut self, name: &OsString, program: &Path) {
        self.programs.insert(name.clone(), program.to_owned());
    }

    #[cfg(test)]
    pub(crate) fn forget_what_was_refused(&mut self) {
        self.assigns_jobs = false;
    }

    /// Starts a command with its ends of these pipes, which are closed here whatever happens.
    pub(crate) fn start(
        &mut self,
        command: &Command,
        theirs: [OwnedHandle; 2],
    ) -> Result<Launched, StartError> {
        self.try_start(command, theirs)
            .map_err(|failure| failure.into_start_error(command))
    }

    fn try_start(
        &mut self,
        command: &Command,
        theirs: [OwnedHandle; 2],
    ) -> Result<Launched, SpawnError> {
        let plan = self.plan(command)?;
        let stdin = self.open_stdin(&command.stdin)?;
        let stdin = stdin.as_ref().unwrap_or(&self.host.null);
        let [out, err] = theirs.each_ref().map(AsRawHandle::as_raw_handle);
        let handles = [stdin.as_raw_handle(), out, err];
        let started = self.create_in_job(&plan, handles);
        if started.is_err() {
            // It may have moved along the search path since it was found.
            self.programs.remove(&command.program);
        }
        started.map_err(|error| Self::creation_failed(&plan, command, error))
    }

    fn plan(&mut self, command: &Command) -> Result<SpawnPlan, SpawnError> {
        let program = self.find_program(command)?;
        let line = self.command_line(command, &program)?;
        let is_batch = batch::is_batch(&program);
        let application = if is_batch {
            system_program("cmd.exe")
        } else {
            program.clone()
        };
        let environment = if command.env.is_empty() {
            None
        } else {
            let block = self.host.vars.block(&command.env);
            Some(block.map_err(|key| {
                SpawnError::nul(&format!("the variable \"{}\"", key.to_string_lossy()))
            })?)
        };
        let dir = command.dir.as_ref().map(|dir| to_wide(dir.as_os_str()));
        let dir = dir.transpose();
        let console = command.os.console.unwrap_or(self.host.default_console());
        let console_flag = match console {
            Console::Inherit => 0,
            Console::None => DETACHED_PROCESS,
            Console::Hidden => CREATE_NO_WINDOW,
        };
        let priority = command.os.priority.map_or(0, Priority::flag);
        Ok(SpawnPlan {
            application: to_wide(application.as_os_str())
                .map_err(|_| SpawnError::nul("the program's name"))?,
            program,
            line,
            environment,
            dir: dir.map_err(|_| SpawnError::nul("the working directory"))?,
            // A group of its own: Ctrl-C is for us, and we end what we have started. It is also
            // what a Ctrl-Break can be sent to.
            flags: console_flag
                | priority
                | CREATE_NEW_PROCESS_GROUP
                | CREATE_UNICODE_ENVIRONMENT
                | EXTENDED_STARTUPINFO_PRESENT,
            priority,
            can_be_asked: console == Console::Inherit && self.host.has_console(),
        })
    }

    fn find_program(&mut self, command: &Command) -> Result<PathBuf, SpawnError> {
        let name = &command.program;
        let is_memorable = !SystemContext::has_own_path(&command.env) && program::is_bare(name);
        if is_memorable && let Some(found) = self.programs.get(name) {
            return Ok(found.clone());
        }
        let path = self.host.path(&command.env);
        let found = program::find(name, path.as_deref(), command.dir.as_deref());
        let found = found.map_err(|lookup| not_found(&lookup))?;
        if is_memorable {
            self.programs.insert(name.clone(), found.clone());
        }
        Ok(found)
    }

    fn command_line(&self, command: &Command, program: &Path) -> Result<Vec<u16>, SpawnError> {
        let tail = command.os.raw_tail.as_deref();
        if !batch::is_batch(program) {
            let line = command_line(&command.program, &command.args, tail);
            let line = line.and_then(|line| match line.len() {
                units if command.os.is_shell && units > batch::UNITS_MAX => {
                    let units_max = batch::UNITS_MAX;
                    Err(LineError::TooLong { units, units_max })
                }
                _ => Ok(line),
            });
            return line.map_err(bad_line);
        }
        let refuse = |why: &str| {
            let step = format!("{} is a batch file{why}", program.display());
            SpawnError::new(step, ErrorKind::BatchFile, None)
        };
        if !command.os.allow_batch {
            return Err(refuse(", which cmd.exe would run: that has to be allowed"));
        }
        if tail.is_some() {
            return Err(refuse(", whose raw arguments cannot be made safe"));
        }
        // What makes a `%` harmless is that this variable is never empty: see `batch.rs`.
        if self
            .host
            .vars
            .get(&command.env, "CD")
            .is_some_and(|cd| cd.is_empty())
        {
            return Err(refuse(
                ", which cannot be run safely with an empty variable CD",
            ));
        }
        batch::batch_command_line(&system_program("cmd.exe"), program, &command.args)
            .map_err(bad_line)
    }

    fn open_stdin(&self, stdin: &Stdin) -> Result<Option<OwnedHandle>, SpawnError> {
        let (opened, what) = match stdin {
            Stdin::Null => return Ok(None),
            Stdin::Bytes(bytes) => {
                let budget = &self.host.budget;
                let dir = budget.dir().display();
                let doing = format!("hold its stdin of {} bytes in {dir}", bytes.len());
                let opened = match faults::code(Point::HoldStdin) {
                    Some(code) => Err(from_code(code)),
                    None => stdin::bytes(bytes, budget),
                };
                (opened.map(Some), doing)
            }
            Stdin::File(path) => {
                let opened = stdin::open(path).map(Some);
                (opened, format!("open its stdin {}", path.display()))
            }
            Stdin::Inherit => (stdin::own_stdin(), "duplicate our stdin for it".into()),
            Stdin::Pipe(end) => (stdin::pipe(end).map(Some), "give it its pipe".into()),
        };
        opened.map_err(|error| {
            let is_own = matches!(stdin, Stdin::Bytes(_) | Stdin::File(_));
            SpawnError::io(what, ErrorKind::Stdin, error).own(is_own)
        })
    }

    /// Starts the process inside a job of its own, and that inside the guardian's where there is
    /// one: by the start itself, or else held back until it is in.
    fn create_in_job(&mut self, plan: &SpawnPlan, handles: [HANDLE; 3]) -> io::Result<Launched> {
        let job = Job::new()?;
        let guardian = self.host.guardian().map(Guardian::job);
        if !self.assigns_jobs {
            // The outer one first: they are assigned in this order.
            let jobs: Vec<HANDLE> = guardian.into_iter().chain([&job]).map(Job::raw).collect();
            match create(self.host.as_ref(), plan, handles, Some(&jobs), 0) {
                Ok(created) => return Ok(created.into_launched(Some(job), plan)),
                // Of the job, or of the program: without the one it is seen which.
                Err(error) if may_be_the_job(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let created = create(self.host.as_ref(), plan, handles, None, CREATE_SUSPENDED)?;
        self.assigns_jobs = true;
        // One that is refused the guardian's job still has its own.
        let kept = guardian.map_or(Ok(true), |guardian| put_into(guardian, &created.process));
        let job = match kept.and_then(|_| put_into(&job, &created.process)) {
            Ok(is_in) => is_in.then_some(job),
            Err(error) => {
                created.terminate();
                return Err(error);
            }
        };
        // SAFETY: the handle is open, and of the thread that was made suspended.
        if unsafe { ResumeThread(created.thread.as_raw_handle()) } == u32::MAX {
            let error = io::Error::last_os_error();
            created.terminate();
            return Err(error);
        }
        Ok(created.into_launched(job, plan))
    }

    fn creation_failed(plan: &SpawnPlan, command: &Command, error: io::Error) -> SpawnError {
        let code = error.raw_os_error().unwrap_or(0) as u32;
        let around = Surroundings {
            is_fresh: is_fresh(&plan.program),
            is_wine: is_wine(),
        };
        let shown = plan.program.display();
        let hint = start_hint(code).map_or(String::new(), |hint| format!(", {hint}"));
        let dir = command.dir.as_deref().filter(|dir| !dir.is_dir());
        let (step, kind) = match (start_fate(code, around), dir) {
            // Wine reports that it has not found the program.
            (StartFate::NotFound | StartFate::BadDirectory, Some(dir)) => (
                format!("chdir to {}", dir.display()),
                ErrorKind::BadDirectory,
            ),
            (StartFate::NotFound, None) => (format!("start {shown}"), ErrorKind::NotFound),
            (StartFate::BadDirectory, None) => {
                ("enter its directory".into(), ErrorKind::BadDirectory)
            }
            (StartFate::NotExecutable, _) => {
                (format!("start {shown}{hint}"), ErrorKind::NotExecutable)
            }
            (StartFate::BadFormat, _) => (format!("start {shown}{hint}"), ErrorKind::BadFormat),
            (StartFate::TooLong, _) => (format!("start {shown}"), ErrorKind::ArgumentsTooLong),
            (StartFate::Exhausted | StartFate::Busy | StartFate::Refused, _) => {
                (format!("start {shown}"), ErrorKind::System)
            }
        };
        // The call has been seen to fail without saying why: dotnet/runtime#122066.
        let source = if code == 0 {
            io::Error::other("CreateProcessW failed and gave no reason")
        } else {
            error
        };
        // The call does not report what was lacking, the program's own or what all need: so it does
        // not count as the command's own.
        SpawnError::io(step, kind, source).busy(start_fate(code, around) == StartFate::Busy)
    }
}

/// A process that has just been made.
struct Created {
    process: OwnedHandle,
    thread: OwnedHandle,
    pid: u32,
}

impl Created {
    /// The thread's handle is closed here.
    fn into_launched(self, job: Option<Job>, plan: &SpawnPlan) -> Launched {
        Launched {
            process: self.process,
            pid: self.pid,
            job,
            can_be_asked: plan.can_be_asked,
        }
    }

    fn terminate(&self) {
        // SAFETY: the handle is open, and the process was made by us.
        unsafe { TerminateProcess(self.process.as_raw_handle(), 1) };
    }
}

fn create(
    host: &SystemContext,
    plan: &SpawnPlan,
    handles: [HANDLE; 3],
    jobs: Option<&[HANDLE]>,
    flags: u32,
) -> io::Result<Created> {
    if let Some(code) = faults::code(Point::Start) {
        return Err(from_code(code));
    }
    if jobs.is_some()
        && let Some(code) = faults::code(Point::JobList)
    {
        return Err(from_code(code));
    }
    let mut listed = handles.to_vec();
    listed.sort_unstable();
    listed.dedup(); // The system refuses one that is in the list twice.
    let mut attributes = Attributes::new(&listed, jobs)?;
    let [stdin, stdout, stderr] = handles;
    let mut startup = STARTUPINFOEXW {
        StartupInfo: STARTUPINFOW {
            cb: size_of::<STARTUPINFOEXW>() as u32,
            dwFlags: STARTF_USESTDHANDLES,
            hStdInput: stdin,
            hStdOutput: stdout,
            hStdError: stderr,
            ..STARTUPINFOW::default()
        },
        lpAttributeList: attributes.as_ptr(),
    };
    let environment = plan.environment.as_ref().unwrap_or(&host.environment);
    let dir = plan.dir.as_ref().map_or(null(), |dir| dir.as_ptr());
    let mut line = plan.line.clone();
    let mut made = PROCESS_INFORMATION::default();
    // SAFETY: the program's name, the command line and the directory end with a NUL, the
    // environment with two; the startup information is of the extended kind, as its size and the
    // flags show, and its attribute list is alive. All outlive the call, which changes only the
    // command line, a copy of ours.
    let ok = unsafe {
        CreateProcessW(
            plan.application.as_ptr(),
            line.as_mut_ptr(),
            null(),
            null(),
            1, // Handles are inherited: those of the list, and no others.
            plan.flags | flags,
            environment.as_ptr().cast(),
            dir,
            (&raw mut startup).cast::<STARTUPINFOW>(),
            &mut made,
        )
    };
    if ok == 0 {
        return Err(from_code(last_code()));
    }
    // SAFETY: the call has succeeded, so this is a handle, and it is ours alone.
    let process = unsafe { OwnedHandle::from_raw_handle(made.hProcess) };
    // SAFETY: as above.
    let thread = unsafe { OwnedHandle::from_raw_handle(made.hThread) };
    if plan.priority != 0 && is_wine() {
        // Wine 8 takes no event of it in the flags. If it is refused, the process runs as it is.
        // SAFETY: the handle is open, and the process was made by us.
        unsafe { SetPriorityClass(process.as_raw_handle(), plan.priority) };
    }
    Ok(Created {
        process,
        thread,
        pid: made.dwProcessId,
    })
}

/// Puts a process into a job. `false` where a job that we are in ourselves does not allow another.
fn put_into(job: &Job, process: &OwnedHandle) -> io::Result<bool> {
    match job.assign(process) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(ERROR_ACCESS_DENIED as i32) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a start that was given a job may have failed for it.
fn may_be_the_job(error: &io::Error) -> bool {
    use windows_sys::Win32::Foundation::{
        ERROR_BAD_LENGTH, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED,
    };
    let codes = [
        ERROR_ACCESS_DENIED,
        ERROR_NOT_SUPPORTED,
        ERROR_BAD_LENGTH,
        ERROR_INVALID_PARAMETER,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&(code as u32)))
}

fn is_fresh(program: &Path) -> bool {
    let modified = std::fs::metadata(program).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < FRESH))
}

/// A program of the system's own directory, whatever the search path is.
fn system_program(name: &str) -> PathBuf {
    system_directory().join(name)
}

fn not_found(lookup: &Lookup) -> SpawnError {
    let kind = match lookup {
        Lookup::IsDirectory(_) => ErrorKind::NotExecutable,
        Lookup::Nul => ErrorKind::Nul,
        Lookup::Empty | Lookup::NotInPath | Lookup::NotFound(_) => ErrorKind::NotFound,
    };
    SpawnError::new(lookup.to_string(), kind, None)
}

fn bad_line(error: LineError) -> SpawnError {
    let kind = match error {
        LineError::Nul(_) => ErrorKind::Nul,
        LineError::TooLong { .. } => ErrorKind::ArgumentsTooLong,
        LineError::Quote => ErrorKind::NotFound,
        LineError::Unsafe { .. } => ErrorKind::BatchFile,
    };
    SpawnError::new(error.to_string(), kind, None)
}

/// The error of a process that cannot be captured.
pub(crate) fn cannot_capture(command: &Command, step: &str, error: io::Error) -> StartError {
    SpawnError::io(step, ErrorKind::System, error).into_start_error(command)
}
