//! A file of ours as a slice. The same on all systems, and here because it is unsafe.

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::{Mmap, MmapOptions};

/// The first bytes of a temporary file that is written no more.
#[derive(Debug)]
pub(crate) struct Map(Mmap);

impl Map {
    /// The caller has made the file, which has no name any more, and has written all that it ever
    /// will.
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Map> {
        // SAFETY: what is mapped must not change or shrink while the slice is lent. The file was
        // made by `Budget::file` and is handed to no other code in this program. That code is the
        // store of a stream, which makes this call when it is finished and never shortens a file.
        // Other programs: on Windows the file is opened without sharing. On Linux it is made
        // without a name (`O_TMPFILE`); where the file system has no such files (EOPNOTSUPP, or
        // EISDIR and ENOENT of old kernels), tempfile makes it with a random name and mode 0600,
        // and unlinks it in the next call. In between, and through /proc/PID/fd at any time, a
        // process of the same user or of root can open it, and none of another. That is relied on:
        // no process with our rights goes after files that it has no name for. One that does can as
        // well attach to us as a debugger. The length is within what was written, so no page of the
        // map is beyond the end of the file.
        let map = unsafe { MmapOptions::new().len(len).map(file) }?;
        Ok(Map(map))
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
