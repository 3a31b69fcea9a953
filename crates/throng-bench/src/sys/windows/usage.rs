//! What this process has used so far. Not what others have: of another process, Wine 8 tells our
//! own times.

use std::io;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use windows_sys::Win32::Foundation::{FILETIME, HANDLE};
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};

/// The processor time of all our threads, user and system together. The system counts it in steps
/// of 10 ms or more.
pub(crate) fn cpu_s() -> Result<f64> {
    let mut places = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut places;
    // SAFETY: the pseudo handle needs no closing, and the four places are variables of this frame.
    let ok = unsafe { GetProcessTimes(this_process(), created, exited, kernel, user) };
    check(ok).context("ask for our processor time")?;
    Ok((span(*kernel) + span(*user)).as_secs_f64())
}

/// Not known: what our children have used cannot be told from what others have.
pub(crate) fn machine_cpu_s() -> Result<Option<f64>> {
    Ok(None)
}

/// The figures of a process that we use: the working set counts as its resident memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) threads: u64,
    pub(crate) rss_bytes: u64,
    pub(crate) peak_rss_bytes: u64,
}

impl Usage {
    /// Of this process; others are not looked at, as they are not measured either.
    pub(crate) fn of(pid: u32) -> Result<Usage> {
        if pid != std::process::id() {
            bail!("process {pid} is not this one");
        }
        let mut counters = PROCESS_MEMORY_COUNTERS::default();
        let size = size_of_val(&counters) as u32;
        // SAFETY: the pseudo handle needs no closing, and the structure is as large as `size`.
        let ok = unsafe { K32GetProcessMemoryInfo(this_process(), &mut counters, size) };
        check(ok).context("ask for our working set")?;
        Ok(Usage {
            threads: throng_tests::threads() as u64,
            rss_bytes: counters.WorkingSetSize as u64,
            peak_rss_bytes: counters.PeakWorkingSetSize as u64,
        })
    }
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
    fn this_process_has_nonzero_usage() {
        let usage = Usage::of(std::process::id()).expect("it is ours");
        assert!(usage.peak_rss_bytes > 1 << 16);
        assert!(usage.threads >= 1);
        cpu_s().expect("it is ours");
    }
}
