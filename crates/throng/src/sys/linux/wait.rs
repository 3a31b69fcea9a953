//! Waits for children, one by one: `waitid` with the usage that the kernel counted, never
//! `waitpid(-1)`, so no children of other code are taken.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::process::Pid;

use crate::model::status::{Status, Usage};
use crate::sys::base::linux::file::read_start;

/// Our own peak memory, which the system counts as a new process's as well: it shares our memory
/// until it has loaded its program (setmax_mm_hiwater_rss in the kernel's exec_mmap). A figure
/// that is not above ours does not show anything about the process.
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
    // The lines before it are short, except that of the groups, of which a user may have many.
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
pub(super) fn try_wait(which: Which<'_>, reap: bool) -> Option<(Status, libc::rusage)> {
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
        // EINTR cannot happen with WNOHANG.
        return match (io::Error::last_os_error().raw_os_error(), which) {
            // Before 5.4 the call does not take descriptors.
            (Some(libc::EINVAL), Which::Pidfd(_, pid)) => try_wait(Which::Pid(pid), reap),
            // Other code has waited for it.
            (Some(libc::ECHILD | libc::ESRCH), _) => Some((Status::Unknown, usage)),
            (_, Which::Pid(pid) | Which::Pidfd(_, pid)) => try_wait_without_waitid(pid, reap),
        };
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

/// The same where a sandbox refuses `waitid`.
fn try_wait_without_waitid(pid: Pid, reap: bool) -> Option<(Status, libc::rusage)> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let mut status = 0;
    let pid = pid.as_raw_nonzero().get();
    if !reap {
        // No other call leaves the status; the usage is not there.
        // SAFETY: plain integers, for which zero is valid.
        return status_in_proc(pid).map(|status| (status, unsafe { usage.assume_init() }));
    }
    // SAFETY: wait4(2); both results go to places that are large enough.
    let result = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
    // SAFETY: plain integers, zeroed and then perhaps written.
    let usage = unsafe { usage.assume_init() };
    match result {
        0 => None,
        // Other code has waited for it, or this is refused as well.
        result if result < 0 => Some((Status::Unknown, usage)),
        _ => Some((decoded(status), usage)),
    }
}

/// The status of a child that has exited and has not been waited for. If /proc does not show it, it
/// has not exited as far as is known.
fn status_in_proc(pid: i32) -> Option<Status> {
    /// A line of numbers and a short name.
    const MOST: u64 = 4096;
    let stat = match read_start(Path::new(&format!("/proc/{pid}/stat")), MOST) {
        Ok(stat) => stat,
        // Its id is free: other code has waited for it. Without /proc nothing is there either.
        Err(_) if Path::new("/proc/self/stat").exists() => return Some(Status::Unknown),
        Err(_) => return None,
    };
    // The program's name before it, in parentheses, may contain anything.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 2..)?).ok()?;
    // The fields of proc_pid_stat(5) from the third on: state, parent; the number of threads (20)
    // and the status (52), which is shown of our own children.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    if fields.get(1)?.parse() != Ok(std::process::id()) {
        return Some(Status::Unknown);
    }
    let threads: u32 = fields.get(17)?.parse().ok()?;
    let is_over = fields.first()? == &"Z" && threads <= 1;
    is_over.then(|| fields.get(49)?.parse().ok().map(decoded))?
}

/// A status as wait4 writes it.
fn decoded(status: i32) -> Status {
    match libc::WIFEXITED(status) {
        true => Status::Exited(libc::WEXITSTATUS(status) as u32),
        false => Status::Signaled {
            signal: libc::WTERMSIG(status),
            core_dumped: libc::WCOREDUMP(status),
        },
    }
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

pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// What both ways report of a child at its end, the status left and then taken.
    #[test]
    #[expect(
        clippy::zombie_processes,
        reason = "it is waited for by what is tested"
    )]
    fn without_waitid_a_status_is_the_same_left_or_taken() {
        for (script, expected) in [
            ("exit 7", Status::Exited(7)),
            (
                "kill -TERM $$",
                Status::Signaled {
                    signal: libc::SIGTERM,
                    core_dumped: false,
                },
            ),
        ] {
            let mut command = Command::new("sh");
            let child = command.args(["-c", script]).spawn().unwrap();
            let pid = Pid::from_child(&child);
            let deadline = Instant::now() + Duration::from_secs(60);
            while try_wait(Which::Pid(pid), false).is_none() {
                assert!(Instant::now() < deadline, "it never exits");
                thread::sleep(Duration::from_millis(1));
            }
            let status = |seen: Option<(Status, libc::rusage)>| seen.map(|(status, _)| status);
            for _ in 0..2 {
                assert_eq!(status(try_wait_without_waitid(pid, false)), Some(expected));
            }
            assert_eq!(status(try_wait(Which::Pid(pid), false)), Some(expected));
            assert_eq!(status(try_wait_without_waitid(pid, true)), Some(expected));
            // It has been waited for.
            for reap in [true, false] {
                assert_eq!(
                    status(try_wait_without_waitid(pid, reap)),
                    Some(Status::Unknown)
                );
                assert_eq!(
                    status(try_wait(Which::Pid(pid), reap)),
                    Some(Status::Unknown)
                );
            }
        }
    }

    #[test]
    fn without_waitid_a_child_that_runs_has_not_exited() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_child(&child);
        for reap in [false, true] {
            assert!(try_wait_without_waitid(pid, reap).is_none());
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
