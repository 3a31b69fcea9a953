//! The clock of the machine. Asked of libc: rustix reads the auxiliary vector for that, and cannot
//! handle valgrind's.

use std::mem::MaybeUninit;
use std::time::Duration;

/// How many of the ticks that /proc counts in make up a second.
pub(crate) fn ticks_per_second() -> u64 {
    // SAFETY: an integer.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100).max(1)
}

/// How long ago the machine was started.
pub(crate) fn since_boot() -> Duration {
    let mut time = MaybeUninit::zeroed();
    // SAFETY: the clock exists since Linux 2.6.39, and the time is ours, for this call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, time.as_mut_ptr()) };
    debug_assert_eq!(result, 0, "neither can be refused");
    // SAFETY: zeros are a time, as is what the call has written.
    let time: libc::timespec = unsafe { time.assume_init() };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
