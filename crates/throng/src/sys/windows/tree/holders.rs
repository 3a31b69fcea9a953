//! The processes that may hold a stream: those that are left in the job of its process.
//!
//! Whose handles a pipe has is not found out: the system lists the handles of all processes, but to
//! ask what one of them is can block for ever on a pipe that is being read. All that have inherited
//! the process's end of it are in its job, though, so these are named. One of them may not have it;
//! and a process that was let out of the job, or was given the handle by other
//! means, may have it and is missing.

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION,
    QueryFullProcessImageNameW,
};

use super::job::Job;
use crate::model::verdict::Holder;
use crate::sys::windows::pipe::own;

/// The longest path there is, in units of UTF-16.
const PATH_MAX: usize = 32_768;

/// From the beginning of the system's time, the year 1601, to that of Unix, in units of 100 ns.
const UNITS_TO_1970: u64 = 116_444_736_000_000_000;

/// The processes that run in a job, in the order of their ids; none where the system does not
/// tell.
pub(crate) fn left_in(job: &Job) -> Vec<Holder> {
    let pids = job.pids().unwrap_or_default();
    let pinned: Vec<_> = pids.into_iter().map(|pid| (pid, open(pid))).collect();
    // No other process has an id while a handle of its process is open. So a process that is still
    // in the list is the one that was opened, and not a later one.
    let still = job.pids().unwrap_or_default();
    let left = pinned.into_iter().filter(|(pid, _)| still.contains(pid));
    let mut holders: Vec<_> = left
        .map(|(pid, process)| describe(pid, process.as_ref()))
        .collect();
    holders.sort_unstable_by_key(|holder| holder.pid);
    holders
}

/// None if we may not look at it, or if it is gone.
fn open(pid: u32) -> Option<OwnedHandle> {
    // SAFETY: it touches no memory of ours; the handle is not inheritable.
    own(unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) }).ok()
}

fn describe(pid: u32, process: Option<&OwnedHandle>) -> Holder {
    Holder {
        pid,
        argv: process.and_then(image).into_iter().collect(),
        started: process.and_then(started),
    }
}

/// The path of the program that it runs.
fn image(process: &OwnedHandle) -> Option<OsString> {
    let mut path = vec![0_u16; PATH_MAX];
    let mut len = path.len() as u32;
    // SAFETY: the handle is open and may be asked for this; the buffer has the length that is
    // passed.
    let ok = unsafe {
        QueryFullProcessImageNameW(
            process.as_raw_handle(),
            PROCESS_NAME_WIN32,
            path.as_mut_ptr(),
            &mut len,
        )
    };
    (ok != 0).then(|| OsString::from_wide(&path[..path.len().min(len as usize)]))
}

fn started(process: &OwnedHandle) -> Option<SystemTime> {
    let mut places = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut places;
    // SAFETY: the handle is open and may be asked for this, and the four places are variables of
    // this frame.
    let ok = unsafe { GetProcessTimes(process.as_raw_handle(), created, exited, kernel, user) };
    if ok == 0 {
        return None;
    }
    point_in_time(*created)
}

fn point_in_time(time: FILETIME) -> Option<SystemTime> {
    let units = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    let since_1970 = units.checked_sub(UNITS_TO_1970)?;
    let since_1970 = Duration::from_micros(since_1970 / 10)
        + Duration::from_nanos((since_1970 % 10).saturating_mul(100));
    SystemTime::UNIX_EPOCH.checked_add(since_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_times_are_converted_to_points_in_time() {
        let time = |units: u64| FILETIME {
            dwLowDateTime: units as u32,
            dwHighDateTime: (units >> 32) as u32,
        };
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(point_in_time(time(UNITS_TO_1970)), Some(epoch));
        // 2001-09-09, 01:46:40 and 300 ns.
        let billion = epoch + Duration::new(1_000_000_000, 300);
        let units = UNITS_TO_1970 + 10_000_000_000_000_003;
        assert_eq!(point_in_time(time(units)), Some(billion));
        assert_eq!(point_in_time(time(0)), None);
    }
}
