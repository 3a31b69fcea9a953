//! The job object of one process: all that it starts is in it, and ends with it.
//!
//! Each process has its own, nested in whatever job we run in ourselves (since Windows 8). The
//! system ends what is in a job when its last handle is closed, and closes ours when we end,
//! however that comes about: so nothing outlives us. A process that has finished by itself gives up
//! that claim, and what it has left behind goes on; unless all are in the job of a whole `Throng`
//! besides, which is `guardian.rs`.

use std::io;
use std::mem::offset_of;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, HANDLE};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_BASIC_PROCESS_ID_LIST,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicAccountingInformation,
    JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation, QueryInformationJobObject,
    SetInformationJobObject, TerminateJobObject,
};

use crate::sys::faults::{self, Point};
use crate::sys::windows::pipe::{from_code, own};

/// What a process that we end has for an exit code, as with `taskkill` and `std`.
pub(crate) const ENDED_BY_US: u32 = 1;

/// No system has as many processes.
const PIDS_MAX: usize = 1 << 24;

#[derive(Debug)]
pub(crate) struct Job(OwnedHandle);

impl Job {
    /// A job whose processes end when its handle is closed.
    pub(crate) fn new() -> io::Result<Job> {
        // SAFETY: it has no attributes and no name.
        let job = Job(own(unsafe { CreateJobObjectW(null(), null()) })?);
        job.limit(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)?;
        Ok(job)
    }

    pub(crate) fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    fn limit(&self, flags: u32) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        // SAFETY: the class demands this structure, its size is given, and it is only
        // read during the call.
        let ok = unsafe {
            SetInformationJobObject(
                self.raw(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_val(&limits) as u32,
            )
        };
        succeeded(ok)
    }

    /// Puts a process into it that was started without.
    pub(crate) fn assign(&self, process: &OwnedHandle) -> io::Result<()> {
        if let Some(code) = faults::code(Point::AssignJob) {
            return Err(from_code(code));
        }
        // SAFETY: both handles are open as long as they are borrowed.
        succeeded(unsafe { AssignProcessToJobObject(self.raw(), process.as_raw_handle()) })
    }

    /// Ends all that is in it.
    pub(crate) fn terminate(&self, exit_code: u32) {
        // It fails only for lack of rights, which the handle of a job that we have made gives us.
        // SAFETY: the handle is open as long as `self`.
        unsafe { TerminateJobObject(self.raw(), exit_code) };
    }

    /// Lets whatever is still in it go on when it is closed.
    pub(crate) fn let_live(&self) {
        // If this is refused they end: of the two, what we promise for the end of this program.
        let _ = self.limit(0);
    }

    /// The ids of those that run in it, and in the jobs within, in no order.
    pub(crate) fn pids(&self) -> io::Result<Vec<u32>> {
        const HEADER: usize = offset_of!(JOBOBJECT_BASIC_PROCESS_ID_LIST, ProcessIdList);
        const HEADER_WORDS: usize = HEADER / size_of::<usize>();
        let mut room = 16;
        loop {
            // In words, for its alignment.
            let mut list = vec![0_usize; HEADER_WORDS + room];
            // SAFETY: the class demands that the structure begins there, and its size is given; the
            // length that was written is not wanted.
            let ok = unsafe {
                QueryInformationJobObject(
                    self.raw(),
                    JobObjectBasicProcessIdList,
                    list.as_mut_ptr().cast(),
                    size_of_val(&*list) as u32,
                    null_mut(),
                )
            };
            let result = succeeded(ok);
            let header = list.as_ptr().cast::<JOBOBJECT_BASIC_PROCESS_ID_LIST>();
            // SAFETY: the list is larger than the structure and aligned as it is, and any bits are
            // numbers.
            let header = unsafe { header.read() };
            let all = header.NumberOfAssignedProcesses as usize;
            let listed = header.NumberOfProcessIdsInList as usize;
            match result {
                Ok(()) => {
                    let pids = list.iter().skip(HEADER_WORDS).take(listed);
                    return Ok(pids.map(|pid| *pid as u32).collect());
                }
                Err(error) if is_too_short(&error) && room < PIDS_MAX => {
                    // With room for some that come meanwhile.
                    room = room.max(all).saturating_mul(2);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Processor time in user mode and in the kernel of all that has ever been in it.
    pub(crate) fn times(&self) -> Option<(Duration, Duration)> {
        let mut accounting = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: the class demands this structure, and its size is given; the length
        // that was written is not wanted.
        let ok = unsafe {
            QueryInformationJobObject(
                self.raw(),
                JobObjectBasicAccountingInformation,
                (&raw mut accounting).cast(),
                size_of_val(&accounting) as u32,
                null_mut(),
            )
        };
        succeeded(ok).ok()?;
        let time = |units_of_100ns: i64| {
            Duration::from_nanos(
                u64::try_from(units_of_100ns)
                    .unwrap_or(0)
                    .saturating_mul(100),
            )
        };
        Some((
            time(accounting.TotalUserTime),
            time(accounting.TotalKernelTime),
        ))
    }
}

fn is_too_short(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_MORE_DATA as i32)
}

fn succeeded(ok: i32) -> io::Result<()> {
    if ok == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
