//! How a process ended and what it used.

use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{GetExitCodeProcess, GetProcessTimes};

use super::job::Job;
use crate::model::status::{Status, Usage};
use crate::sys::api::Exit;
use crate::sys::windows::wine::is_wine;

/// How a process ended that has. 259, which stands for "still active" in the same place, is an exit
/// code like any other then.
pub(crate) fn of_ended(process: &OwnedHandle, job: Option<&Job>) -> Exit {
    Exit {
        status: status(process),
        usage: if is_wine() {
            // Asked for the times of another process, Wine 8 gives our own.
            Usage::default()
        } else {
            usage(process, job)
        },
    }
}

fn status(process: &OwnedHandle) -> Status {
    let mut code = 0;
    // SAFETY: the handle is open and has all rights, since we have made the process.
    let ok = unsafe { GetExitCodeProcess(process.as_raw_handle(), &mut code) };
    if ok == 0 {
        return Status::Unknown;
    }
    Status::Exited(code)
}

/// Times are those of the job, where there is one that the system accounts for: they count what
/// the process has started, as they do on Linux for those that it waited for.
fn usage(process: &OwnedHandle, job: Option<&Job>) -> Usage {
    let (user, system) = times(process);
    let (job_user, job_system) = job.and_then(Job::times).unwrap_or_default();
    Usage {
        user: user.max(job_user),
        system: system.max(job_system),
        max_rss_bytes: peak_working_set(process),
    }
}

fn times(process: &OwnedHandle) -> (Duration, Duration) {
    let mut places = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut places;
    // SAFETY: the handle is open, and the four places are variables of this frame.
    let ok = unsafe { GetProcessTimes(process.as_raw_handle(), created, exited, kernel, user) };
    if ok == 0 {
        return Default::default();
    }
    (span(*user), span(*kernel))
}

/// A time span of the system, which counts in units of 100 ns.
fn span(time: FILETIME) -> Duration {
    let units = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Duration::from_nanos(units.saturating_mul(100))
}

fn peak_working_set(process: &OwnedHandle) -> Option<u64> {
    let mut counters = PROCESS_MEMORY_COUNTERS::default();
    let size = size_of_val(&counters) as u32;
    // SAFETY: the handle is open, and the structure has the size that is passed.
    let ok = unsafe { K32GetProcessMemoryInfo(process.as_raw_handle(), &mut counters, size) };
    // Wine knows nothing of a process that has ended.
    (ok != 0 && counters.PeakWorkingSetSize > 0).then_some(counters.PeakWorkingSetSize as u64)
}
