//! What this process has used so far. Asks nothing about others: of another process, Wine 8 tells
//! our own times.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::process;
use std::time::Duration;

use windows_sys::Win32::Foundation::{FILETIME, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};

/// The processor time of all threads, user and system together.
///
/// # Errors
///
/// As the system refuses to tell.
pub(crate) fn cpu() -> io::Result<Duration> {
    let mut places = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut places;
    // SAFETY: the pseudo handle needs no closing, and the four places are variables of this frame.
    let ok = unsafe { GetProcessTimes(this_process(), created, exited, kernel, user) };
    check(ok)?;
    Ok(span(*kernel) + span(*user))
}

/// The most memory that was resident at once.
///
/// # Errors
///
/// As the system refuses to tell.
pub(crate) fn peak_working_set_bytes() -> io::Result<u64> {
    let mut counters = PROCESS_MEMORY_COUNTERS::default();
    let size = size_of_val(&counters) as u32;
    // SAFETY: the pseudo handle needs no closing, and the structure is as large as is said.
    let ok = unsafe { K32GetProcessMemoryInfo(this_process(), &mut counters, size) };
    check(ok)?;
    Ok(counters.PeakWorkingSetSize as u64)
}

/// How many threads there are now, the one that asks included.
///
/// # Errors
///
/// As the system refuses to tell, and `NotFound` when its list of processes does not have us.
pub(crate) fn threads() -> io::Result<u32> {
    // SAFETY: nothing is handed over.
    let handle = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was made by the call above, and nobody else has it.
    let snapshot = unsafe { OwnedHandle::from_raw_handle(handle) };
    let mut entry = PROCESSENTRY32W {
        dwSize: size_of::<PROCESSENTRY32W>() as u32,
        ..Default::default()
    };
    // SAFETY: the snapshot is open, and the entry says how large it is.
    let mut found = unsafe { Process32FirstW(snapshot.as_raw_handle(), &mut entry) };
    while found != 0 {
        if entry.th32ProcessID == process::id() {
            return Ok(entry.cntThreads);
        }
        // SAFETY: as above.
        found = unsafe { Process32NextW(snapshot.as_raw_handle(), &mut entry) };
    }
    Err(io::ErrorKind::NotFound.into())
}

fn this_process() -> HANDLE {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { GetCurrentProcess() }
}

/// A time span of the system, which counts in units of 100 ns.
fn span(time: FILETIME) -> Duration {
    let units = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Duration::from_nanos(units.saturating_mul(100))
}

fn check(ok: i32) -> io::Result<()> {
    if ok == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        assert!(peak_working_set_bytes().expect("it is ours") > 1 << 16);
        assert!(threads().expect("we are on the list") >= 1);
        cpu().expect("it is ours");
    }
}
