//! How much memory there is: what the machine has, or what our job may use if that is less; and
//! what this process may still request.

use std::mem;
use std::ptr;

use windows_sys::Win32::System::JobObjects::{
    JOB_OBJECT_LIMIT_JOB_MEMORY, JOB_OBJECT_LIMIT_PROCESS_MEMORY,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    QueryInformationJobObject,
};
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

pub(crate) fn memory_limit() -> Option<u64> {
    let physical = status().map(|status| status.ullTotalPhys);
    let of_our_job = limits_of_our_job()
        .filter(|limits| has(limits, JOB_OBJECT_LIMIT_JOB_MEMORY))
        .map(|limits| limits.JobMemoryLimit as u64);
    physical.into_iter().chain(of_our_job).min()
}

/// How much more this process may request: its address space, and what a job allows each of its
/// processes. What the whole system can still promise is not counted, because that changes all the
/// time; if the system is short of it, memory is refused.
pub(crate) fn memory_left() -> Option<u64> {
    let address_space = status().map(|status| status.ullAvailVirtual);
    let of_our_job = limits_of_our_job()
        .filter(|limits| has(limits, JOB_OBJECT_LIMIT_PROCESS_MEMORY))
        .map(|limits| (limits.ProcessMemoryLimit as u64).saturating_sub(committed()));
    address_space.into_iter().chain(of_our_job).min()
}

/// How much memory of the machine is free.
pub(crate) fn free_memory() -> Option<u64> {
    status().map(|status| status.ullAvailPhys)
}

fn status() -> Option<MEMORYSTATUSEX> {
    let mut status = MEMORYSTATUSEX {
        dwLength: mem::size_of::<MEMORYSTATUSEX>() as u32,
        ..MEMORYSTATUSEX::default()
    };
    // SAFETY: the structure contains its size, and outlives the call.
    let succeeded = unsafe { GlobalMemoryStatusEx(&mut status) } != 0;
    succeeded.then_some(status)
}

/// What has been promised to this process already.
fn committed() -> u64 {
    let mut counters = PROCESS_MEMORY_COUNTERS::default();
    let size = mem::size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
    // SAFETY: it takes no arguments and returns a constant that stands for this process.
    let own = unsafe { GetCurrentProcess() };
    // SAFETY: the handle is valid as long as this process is; the structure has the given size.
    let succeeded = unsafe { K32GetProcessMemoryInfo(own, &mut counters, size) } != 0;
    if succeeded {
        counters.PagefileUsage as u64
    } else {
        0
    }
}

fn has(limits: &JOBOBJECT_EXTENDED_LIMIT_INFORMATION, flag: u32) -> bool {
    limits.BasicLimitInformation.LimitFlags & flag != 0
}

/// Without a job there are no limits.
fn limits_of_our_job() -> Option<JOBOBJECT_EXTENDED_LIMIT_INFORMATION> {
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    // SAFETY: no handle stands for the job of this process; the structure is of the class that is
    // asked for and of the size that is passed; how much was written need not be returned.
    let succeeded = unsafe {
        QueryInformationJobObject(
            ptr::null_mut(),
            JobObjectExtendedLimitInformation,
            ptr::from_mut(&mut limits).cast(),
            mem::size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>() as u32,
            ptr::null_mut(),
        )
    } != 0;
    succeeded.then_some(limits)
}
