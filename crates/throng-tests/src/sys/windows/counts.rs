//! What this program has: handles, threads, memory, children.

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CREATE_TOOLHELP_SNAPSHOT_FLAGS, CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW,
    Process32NextW, TH32CS_SNAPPROCESS, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First,
    Thread32Next,
};
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};

/// How many handles this program has open.
///
/// Wine 8 always reports none. There the number of the next handle is used instead: handles are
/// numbered in steps of four and the lowest free number is taken first, so it grows as well if
/// handles leak.
///
/// # Panics
///
/// When the system does not report it.
pub fn open_handles() -> usize {
    let mut count = 0;
    // SAFETY: the pseudo handle of this process is always valid.
    let ourselves = unsafe { GetCurrentProcess() };
    // SAFETY: as above, and the count is a variable of this frame.
    let ok = unsafe { GetProcessHandleCount(ourselves, &mut count) };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    if count > 0 {
        return count as usize;
    }
    let next = File::open("NUL").expect("NUL can be opened");
    next.as_raw_handle() as usize / 4
}

/// How many threads this program has.
///
/// # Panics
///
/// When the system does not report it.
pub fn threads() -> usize {
    let own = std::process::id();
    let snapshot = snapshot(TH32CS_SNAPTHREAD);
    let mut entry = THREADENTRY32 {
        dwSize: size_of::<THREADENTRY32>() as u32,
        ..THREADENTRY32::default()
    };
    // SAFETY: the snapshot is of threads; the entry is a variable of this frame and states its
    // size.
    let mut ok = unsafe { Thread32First(snapshot.as_raw_handle(), &mut entry) };
    let mut count = 0;
    while ok != 0 {
        count += usize::from(entry.th32OwnerProcessID == own);
        // SAFETY: as above.
        ok = unsafe { Thread32Next(snapshot.as_raw_handle(), &mut entry) };
    }
    count
}

/// The running children of this program. One that has ended is not in the system's list even if a
/// process still has a handle of it; the count of handles shows that.
///
/// # Panics
///
/// When the system does not report it.
pub fn children() -> Vec<u32> {
    let own = std::process::id();
    let snapshot = snapshot(TH32CS_SNAPPROCESS);
    let mut entry = PROCESSENTRY32W {
        dwSize: size_of::<PROCESSENTRY32W>() as u32,
        ..PROCESSENTRY32W::default()
    };
    // SAFETY: the snapshot is of processes; the entry is a variable of this frame and states its
    // size.
    let mut ok = unsafe { Process32FirstW(snapshot.as_raw_handle(), &mut entry) };
    let mut found = Vec::new();
    while ok != 0 {
        if entry.th32ParentProcessID == own {
            found.push(entry.th32ProcessID);
        }
        // SAFETY: as above.
        ok = unsafe { Process32NextW(snapshot.as_raw_handle(), &mut entry) };
    }
    found
}

fn snapshot(of: CREATE_TOOLHELP_SNAPSHOT_FLAGS) -> OwnedHandle {
    // SAFETY: it touches no memory of ours.
    let handle = unsafe { CreateToolhelp32Snapshot(of, 0) };
    assert_ne!(
        handle,
        INVALID_HANDLE_VALUE,
        "{}",
        io::Error::last_os_error()
    );
    // SAFETY: it has just been created, and has no other owner.
    unsafe { OwnedHandle::from_raw_handle(handle) }
}

/// How much memory this program has resident now, in KiB.
///
/// # Panics
///
/// When the system does not report it.
pub fn rss_kib() -> u64 {
    let mut counters = PROCESS_MEMORY_COUNTERS::default();
    let size = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
    // SAFETY: the pseudo handle of this process is always valid.
    let ourselves = unsafe { GetCurrentProcess() };
    // SAFETY: as above, and the structure has the stated size.
    let ok = unsafe { K32GetProcessMemoryInfo(ourselves, &mut counters, size) };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    counters.WorkingSetSize as u64 / 1024
}
