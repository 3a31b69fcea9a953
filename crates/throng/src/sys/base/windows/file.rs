//! Our own files, and where they are.

use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::ERROR_NOT_ENOUGH_MEMORY;

use super::codes::is_exhausted;

/// The error code for a lack of memory.
pub(crate) const OUT_OF_MEMORY: i32 = ERROR_NOT_ENOUGH_MEMORY as i32;

/// Reads at a position. Moves the position of the file, which matters only for writes, and what
/// is read is no longer written.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(buffer, at)
}

/// Whether a file could not be opened for lack of handles, memory or quota.
pub(crate) fn is_want_of_files(error: &io::Error) -> bool {
    is_exhausted(error)
}

/// Directories for temporary files, the preferred first: there is only one (GetTempPath2).
pub(crate) fn temporary_dirs() -> Vec<PathBuf> {
    vec![std::env::temp_dir()]
}

/// Whether files in this directory are in memory: Windows comes with no such file system.
pub(crate) fn is_in_memory(_: &Path) -> bool {
    false
}
