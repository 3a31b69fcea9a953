//! Strings and times as Windows takes them: UTF-16 with a NUL at the end, and milliseconds.
//! Surrogates without a partner go through as they are.

use std::ffi::OsStr;
use std::os::windows::ffi::OsStrExt;
use std::time::Duration;

use windows_sys::Win32::System::Threading::INFINITE;

/// A NUL stands inside the string, where the system would take it for the end.
#[derive(Debug)]
pub(super) struct Nul;

pub(super) fn to_wide(string: &OsStr) -> Result<Vec<u16>, Nul> {
    let mut wide: Vec<u16> = string.encode_wide().collect();
    if wide.contains(&0) {
        return Err(Nul);
    }
    wide.push(0);
    Ok(wide)
}

/// A time to wait as the system takes it: in milliseconds, rounded up so that what is due then has
/// come due; none is for ever.
pub(super) fn timeout_ms(timeout: Option<Duration>) -> u32 {
    let Some(timeout) = timeout else {
        return INFINITE;
    };
    let ms = timeout.as_nanos().div_ceil(1_000_000);
    u32::try_from(ms).map_or(INFINITE - 1, |ms| ms.min(INFINITE - 1))
}
