//! Files: ours, and the kernel's that are read from their beginning.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Reads at a position; that of the file itself does not matter.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(buffer, at)
}

/// Whether a file could not be opened because there are too many, or for want of memory.
pub(crate) fn is_want_of_files(error: &io::Error) -> bool {
    let want = [libc::EMFILE, libc::ENFILE, libc::ENOMEM];
    error
        .raw_os_error()
        .is_some_and(|errno| want.contains(&errno))
}

/// The beginning of a file, up to so many bytes: what the kernel writes there may be others' doing.
pub(super) fn read_start(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
