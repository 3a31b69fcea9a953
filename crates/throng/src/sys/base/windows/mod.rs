//! Windows.

pub(crate) mod codes;
mod file;
mod memory;

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt;
use std::path::PathBuf;

use windows_sys::Win32::Foundation::MAX_PATH;
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;

pub(crate) use codes::{exit_code_name, is_exhausted};
pub(crate) use file::{OUT_OF_MEMORY, is_in_memory, is_want_of_files, read_at, temporary_dirs};
pub(crate) use memory::{free_memory, memory_left, memory_limit};

/// A block of a megabyte or more has pages of its own here, which go back when it is freed
/// (HeapCreate).
pub(crate) type Bytes = Vec<u8>;

/// The directory of the system's programs. The system is asked, for the variable `SystemRoot` may
/// be missing, or wrong.
pub(crate) fn system_directory() -> PathBuf {
    let mut buffer = [0_u16; MAX_PATH as usize];
    // SAFETY: the buffer has the length that is passed, which is as much as MSDN asks for.
    let length = unsafe { GetSystemDirectoryW(buffer.as_mut_ptr(), MAX_PATH) };
    match buffer.get(..length as usize) {
        Some(name) if !name.is_empty() => PathBuf::from(OsString::from_wide(name)),
        // It has no documented way to fail but a buffer that is too small.
        _ => PathBuf::from(r"C:\Windows\System32"),
    }
}
