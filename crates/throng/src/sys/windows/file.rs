//! Files of ours.

use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;

use super::host::is_exhausted;

/// Reads at a position. Moves the position of the file, which matters only to who writes, and what
/// is read is written no more.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(buffer, at)
}

/// Whether a file could not be opened for want of handles, memory or quota.
pub(crate) fn is_want_of_files(error: &io::Error) -> bool {
    is_exhausted(error)
}
