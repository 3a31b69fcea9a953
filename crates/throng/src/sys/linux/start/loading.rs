//! A start that has been made and whose program may not be loaded yet: what the new process needs
//! for that, and how we learn that it has succeeded or failed.
//!
//! It is never waited for without bound: a program, a directory or a named pipe that makes the new
//! process wait holds up nothing else. The engine decides how long it may take.

use std::ffi::{CString, OsString, c_char};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};

use super::clone::{self, Failed, Kept, Report, SpawnPlan, SpawnStage, Stack};
use crate::job::command::EnvChanges;
use crate::sys::base::linux::above_stdio;
use crate::sys::linux::features::Features;
use crate::sys::linux::host::SystemContext;
use crate::sys::linux::host::strings::Strings;
use crate::sys::linux::pipe::unblock;
use crate::sys::linux::raw;
use crate::sys::linux::tree::CookieBuffer;
use crate::sys::linux::wait;
use crate::sys::linux::wait::timespec;

/// A process that has not even taken its descriptors in this time does not run at all, and is
/// ended. It waits only for a processor, unless another process has stopped it.
const FIRST_STEPS: Duration = Duration::from_secs(10);

/// How long a process that was killed is waited for.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How often we look whether it has begun, and whether another process has stopped it: that its
/// program is loaded is announced, but not these.
const BEGUN_EVERY: Duration = Duration::from_millis(1);

/// Everything that a new process uses of our memory, reused from start to start.
#[derive(Debug)]
pub(crate) struct Kit {
    pub(crate) plan: Box<SpawnPlan>,
    pub(crate) stack: Stack,
    pub(crate) candidates: Strings,
    pub(crate) candidate_pointers: Vec<*const c_char>,
    pub(crate) argv: Strings,
    /// With the name of the shell before them, which runs the program if that is a script.
    pub(crate) argv_pointers: Vec<*const c_char>,
    pub(crate) envp: Strings,
    pub(crate) envp_pointers: Vec<*const c_char>,
    /// The pointers of the environment that most commands have: the host's, and the cookie.
    pub(crate) host_envp_pointers: Vec<*const c_char>,
    /// The cookie of the process that is being started.
    pub(crate) cookie: CookieBuffer,
    pub(crate) dir: Option<CString>,
    pub(crate) stdin: Option<CString>,
    /// The descriptors that it has besides stdin, stdout and stderr.
    pub(crate) kept: Vec<Kept>,
    /// What `host_envp_pointers` points to. Not the host: a kit that is never freed must not keep
    /// that from being dropped.
    _environment: Arc<Strings>,
}

/// A new process on its way to its program.
#[derive(Debug)]
pub(crate) struct Loading {
    /// Always there except while this is taken apart.
    kit: Option<Box<Kit>>,
    pub(crate) pid: Pid,
    pub(crate) begun: Instant,
    /// The pipe for its report, if memory is not shared.
    report: Option<OwnedFd>,
    /// Why it failed, once that is known.
    result: Option<Option<Failed>>,
}

impl Kit {
    pub(crate) fn new(host: &SystemContext, features: Features) -> io::Result<Box<Kit>> {
        let cookie = CookieBuffer::new(host.trees.cookies());
        let mut host_envp_pointers = Vec::new();
        host.environment.write_pointers(&mut host_envp_pointers);
        add_pointer(&mut host_envp_pointers, cookie.pointer());
        Ok(Box::new(Kit {
            plan: Box::new(SpawnPlan::new(features)),
            stack: Stack::new()?,
            candidates: Strings::default(),
            candidate_pointers: Vec::new(),
            argv: Strings::default(),
            argv_pointers: Vec::new(),
            envp: Strings::default(),
            envp_pointers: Vec::new(),
            host_envp_pointers,
            cookie,
            dir: None,
            stdin: None,
            kept: Vec::new(),
            _environment: host.environment.clone(),
        }))
    }

    /// Writes the environment of a command that changes it like this. What stays as it is in the
    /// host's is not copied; only pointers are.
    ///
    /// # Errors
    ///
    /// The name of a variable that there cannot be.
    pub(crate) fn write_environment(
        &mut self,
        host: &SystemContext,
        changes: &EnvChanges,
        has_cookie: bool,
    ) -> Result<(), OsString> {
        self.envp.clear();
        host.write_changes(changes, &mut self.envp)?;
        let pointers = &mut self.envp_pointers;
        pointers.clear();
        if !changes.clear {
            // Without the cookie and the null.
            let count = self.host_envp_pointers.len() - 2;
            pointers.extend_from_slice(&self.host_envp_pointers[..count]);
            for place in changes.vars.keys().flat_map(|key| host.places_of(key)) {
                pointers[*place] = ptr::null();
            }
            pointers.retain(|pointer| !pointer.is_null());
        }
        self.envp.add_pointers(pointers);
        if has_cookie {
            pointers.push(self.cookie.pointer());
        }
        pointers.push(ptr::null());
        Ok(())
    }

    /// Makes a process that follows the plan, which the caller has filled in from the rest of this.
    ///
    /// # Safety
    /// As for [`clone::start`], whose demands on memory are met by this kit if the pointers of the
    /// plan are null, or point to strings and lists of this kit.
    pub(crate) unsafe fn start(mut self: Box<Kit>) -> Result<Loading, (Box<Kit>, io::Error)> {
        let mut pipe = None;
        if !self.plan.features.shared {
            match report_pipe() {
                Ok(both) => pipe = Some(both),
                Err(errno) => return Err((self, errno.into())),
            }
        }
        let theirs = pipe.as_ref().map(|(_, theirs)| theirs.as_fd());
        let kit = &mut *self;
        if let Some(theirs) = theirs {
            kit.kept.push(Kept {
                fd: theirs.as_raw_fd(),
                is_inherited: false,
            });
            kit.kept.sort_unstable();
        }
        kit.plan.kept = kit.kept.as_ptr();
        kit.plan.kept_len = kit.kept.len();
        let begun = Instant::now();
        // SAFETY: by the contract of this function; the plan and the stack are in boxes of their
        // own or mapped, and `Loading` keeps them until they are no longer in use.
        let started = unsafe { clone::start(&mut kit.plan, &kit.stack, theirs) };
        match started {
            Ok(pid) => Ok(Loading {
                kit: Some(self),
                pid,
                begun,
                report: pipe.map(|(ours, _)| ours),
                result: None,
            }),
            Err(error) => Err((self, error)),
        }
    }
}

impl Loading {
    /// Waits until the program is loaded or has failed, but no longer than this; returns whether
    /// that is decided. Never returns before the new process has its descriptors, or is killed.
    pub(crate) fn wait(&mut self, at_most: Duration) -> bool {
        loop {
            if self.look() {
                return true;
            }
            let age = self.begun.elapsed();
            let left = at_most.saturating_sub(age);
            if !self.has_begun() {
                if age > FIRST_STEPS || wait::stopped_by(self.pid).is_some() {
                    return self.end_unbegun();
                }
                self.sleep(BEGUN_EVERY);
            } else if left.is_zero() {
                return false;
            } else {
                self.sleep(left);
            }
        }
    }

    /// Kills a process that has not begun, so that it takes no step when it does run. Returns
    /// whether its result is decided.
    fn end_unbegun(&mut self) -> bool {
        let _ = kill_process(self.pid, Signal::KILL);
        let deadline = Instant::now() + LAST_WAIT;
        while !self.look() && Instant::now() < deadline {
            self.sleep(LAST_WAIT);
        }
        self.look()
    }

    /// Looks whether it is decided.
    pub(crate) fn look(&mut self) -> bool {
        if self.result.is_some() {
            return true;
        }
        let result = match &self.report {
            None if self.kit().plan.is_in_use() => return false,
            None => self.kit().plan.report.failed(),
            Some(pipe) if !is_readable(pipe, Duration::ZERO) => return false,
            Some(pipe) => match read_report(pipe) {
                Some(result) => result,
                None => return false,
            },
        };
        self.result = Some(result);
        true
    }

    /// Whether the new process has its descriptors, so that ours can be closed.
    pub(crate) fn has_begun(&self) -> bool {
        self.report.is_some() || self.kit().plan.stage() > SpawnStage::Descriptors
    }

    /// Whether it waits for the writer of a named pipe that is to be its stdin, or may do so.
    pub(crate) fn awaits_writer(&self) -> bool {
        let plan = &self.kit().plan;
        match &self.report {
            None => plan.report.awaits_writer() && plan.stage() == SpawnStage::Stdin,
            // Nothing is known of its steps.
            Some(_) => !plan.stdin.is_null(),
        }
    }

    /// The result, once it is decided, and the kit, which can be used again.
    pub(crate) fn into_result(mut self) -> (Box<Kit>, Result<(), Failed>) {
        debug_assert!(self.result.is_some(), "it is decided");
        let failed = self.result.take().flatten();
        let kit = self.kit.take().expect("taken here alone");
        (kit, failed.map_or(Ok(()), Err))
    }

    pub(crate) fn kit(&self) -> &Kit {
        self.kit.as_ref().expect("taken at the end alone")
    }

    fn sleep(&self, at_most: Duration) {
        if let Some(pipe) = &self.report {
            is_readable(pipe, at_most);
            return;
        }
        let word = self.kit().plan.word();
        let time = timespec(at_most);
        let args = [
            word.as_ptr() as usize,
            libc::FUTEX_WAIT as usize,
            1,
            &raw const time as usize,
            0,
            0,
        ];
        // SAFETY: an atomic and a time, which live for as long as the call, and are 32 and twice 64
        // bits as it requires. The kernel wakes waiters without FUTEX_PRIVATE (clone(2),
        // CLONE_CHILD_CLEARTID).
        unsafe { raw::call(libc::SYS_futex, args) };
    }
}

impl Drop for Loading {
    /// What a process may still use is never freed. Such processes are few: their program could not
    /// be loaded, and they could not be killed.
    fn drop(&mut self) {
        if let Some(kit) = self.kit.take()
            && kit.plan.is_in_use()
        {
            std::mem::forget(kit);
        }
    }
}

fn is_readable(pipe: &OwnedFd, at_most: Duration) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(&timespec(at_most))).is_ok() && !fds[0].revents().is_empty()
}

/// The pipe for a report: our end, and that of the new process. Ours does not block: another
/// process may read it (/proc/PID/fd) and take what was announced.
fn report_pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    unblock(&ours)?;
    Ok((above_stdio(ours), above_stdio(theirs)))
}

/// The report, once it is there; nothing at the end of the pipe, which is closed when a program is
/// loaded.
fn read_report(pipe: &OwnedFd) -> Option<Option<Failed>> {
    let mut bytes = [0; Report::SIZE];
    loop {
        match rustix::io::read(pipe, &mut bytes) {
            Ok(len) if len == bytes.len() => return Some(Report::from_bytes(&bytes).failed()),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return None,
            Ok(_) | Err(_) => return Some(None),
        }
    }
}

/// Adds one before the null at the end.
fn add_pointer(pointers: &mut Vec<*const c_char>, pointer: *const c_char) {
    let end = pointers.len() - 1;
    pointers.insert(end, pointer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::HostOptions;

    #[test]
    fn a_missing_start_report_is_not_waited_for_and_decides_nothing() {
        let (ours, theirs) = report_pipe().unwrap();
        // As when another process has taken what was announced.
        assert!(read_report(&ours).is_none());
        let two = theirs.try_clone().unwrap();
        drop(theirs);
        assert!(read_report(&ours).is_none());
        drop(two);
        assert!(matches!(read_report(&ours), Some(None)), "it is loaded");
    }

    #[test]
    fn a_kit_that_is_never_freed_does_not_keep_the_host_alive() {
        let host = Arc::new(SystemContext::new(&HostOptions::default(), Arc::default()).unwrap());
        let gone = Arc::downgrade(&host);
        let kit = Kit::new(&host, Features::NONE).unwrap();
        let environment = kit.host_envp_pointers.clone();
        drop(host);
        assert!(gone.upgrade().is_none());
        assert_eq!(kit.host_envp_pointers, environment);
        assert!(Arc::strong_count(&kit._environment) == 1);
    }
}
