//! Waits for children, one by one: `waitid` with the usage that the kernel counted, never
//! `waitpid(-1)`, so nobody else's children are taken.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::process::Pid;

use super::file::read_start;
use crate::{Status, Usage};

/// Our own peak memory, which the system counts as a new process's as well: it shares our memory
/// until it has loaded its program (setmax_mm_hiwater_rss in the kernel's exec_mmap). A figure
/// that is not above ours tells nothing about the process.
#[derive(Debug, Default)]
pub(super) struct OwnMaxRss {
    /// In KiB. At least the figure of the last call; it is never taken for less later.
    at_least: i64,
}

impl OwnMaxRss {
    pub(super) fn usage(&mut self, usage: &libc::rusage) -> Usage {
        if usage.ru_maxrss > self.at_least {
            self.at_least = self.at_least.max(own_max_rss());
        }
        let own = usage.ru_maxrss > self.at_least;
        Usage {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            max_rss_bytes: own.then_some(usage.ru_maxrss as u64 * 1024),
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}

/// The peak of our own memory, in KiB. `getrusage` counts as the kernel does for a new process, but
/// also includes the peak of the process that started *us* by vfork, for the same reason; `VmHWM`
/// (proc_pid_status(5)) does not, but may differ by what each processor has yet to add up. So the
/// result is the former, unless that is more by an eighth.
fn own_max_rss() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: a valid place for the result.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    // SAFETY: plain integers, zeroed and then written.
    let ours_and_before = unsafe { usage.assume_init() }.ru_maxrss;
    // Without /proc there is no other figure.
    let ours = high_water_mark().unwrap_or(i64::MAX);
    ours_and_before.min(ours.saturating_add(ours / 8))
}

fn high_water_mark() -> Option<i64> {
    // What comes before this line is short, except for the groups of a user who has very many.
    const MOST: u64 = 64 * 1024;
    let status = read_start(Path::new("/proc/self/status"), MOST).ok()?;
    let mut lines = status.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(b"VmHWM:"))?;
    let value = std::str::from_utf8(value).ok()?.trim();
    value.strip_suffix(" kB")?.trim_end().parse().ok()
}

/// A child of ours: by a descriptor, which always means this child, or by its id, which may mean
/// another process once it has been waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    Pid(Pid),
    Pidfd(&'a OwnedFd, Pid),
}

/// Asks whether this child of ours has exited. With `reap` it is gone afterwards, else it stays.
pub(super) fn look(which: Which<'_>, reap: bool) -> Option<(Status, libc::rusage)> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let keep = if reap { 0 } else { libc::WNOWAIT };
    let (kind, id) = match which {
        Which::Pid(pid) => (libc::P_PID, pid.as_raw_nonzero().get()),
        Which::Pidfd(fd, _) => (libc::P_PIDFD, fd.as_raw_fd()),
    };
    // SAFETY: waitid(2) with the fifth argument that the kernel has and libc hides; both results
    // go to places that are large enough.
    let result = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            kind,
            id,
            info.as_mut_ptr(),
            libc::WEXITED | libc::WNOHANG | keep,
            usage.as_mut_ptr(),
        )
    };
    // SAFETY: plain integers, zeroed and then perhaps written.
    let usage = unsafe { usage.assume_init() };
    if result != 0 {
        // Before 5.4 the call does not take descriptors.
        if let Which::Pidfd(_, pid) = which
            && io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL)
        {
            return look(Which::Pid(pid), reap);
        }
        // ECHILD: somebody else has waited for it. EINTR cannot happen with WNOHANG.
        return Some((Status::Unknown, usage));
    }
    // SAFETY: plain integers, zeroed and then perhaps written.
    let info = unsafe { info.assume_init() };
    // SAFETY: the field that waitid writes; zero when no process has exited.
    if unsafe { info.si_pid() } == 0 {
        return None;
    }
    // SAFETY: waitid has filled the fields of a SIGCHLD.
    let value = unsafe { info.si_status() };
    let status = match info.si_code {
        libc::CLD_EXITED => Status::Exited(value as u32),
        code => Status::Signaled {
            signal: value,
            core_dumped: code == libc::CLD_DUMPED,
        },
    };
    Some((status, usage))
}

/// The signal that has stopped this child of ours, if it is stopped and that has not been reported
/// yet: each stop is reported once.
pub(super) fn stopped_by(pid: Pid) -> Option<i32> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WSTOPPED | libc::WNOHANG;
    // SAFETY: waitid(2); the result goes to a place that is large enough.
    let result = unsafe {
        libc::waitid(
            libc::P_PID,
            pid.as_raw_nonzero().get() as libc::id_t,
            info.as_mut_ptr(),
            flags,
        )
    };
    // SAFETY: plain integers, zeroed and then perhaps written.
    let info = unsafe { info.assume_init() };
    // SAFETY: the field that waitid writes; zero when no process is stopped.
    if result != 0 || unsafe { info.si_pid() } == 0 {
        return None;
    }
    // SAFETY: waitid has filled the fields of a SIGCHLD.
    Some(unsafe { info.si_status() })
}
