//! A file of ours as a slice. The same on all systems, and here because it is unsafe.

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::{Mmap, MmapOptions};

/// The first bytes of a temporary file that is no longer written.
#[derive(Debug)]
pub(crate) struct Map(Mmap);

impl Map {
    /// The caller has made the file, which has no name, and has finished writing it.
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Map> {
        // SAFETY: what is mapped must not change or shrink while the slice is lent. The file was
        // made by `SpillFile::new`. It has no name: it was made without one or, on a file system
        // that has no such files, under a random one for the owner alone, which was removed at once
        // (on Windows no other process can open it). It is handed to no other code (files that are
        // given to a process as its stdin are never mapped), so only the owner of its descriptor
        // can write to it; that is the store of a stream, which makes this call when it is finished
        // and has no code that shortens a file. A process of the same user that opens the file all
        // the same, in that moment or through /proc/self/fd, could as well write to our memory
        // through /proc/self/mem. The length is within what was written, so no page of the map is
        // beyond the end of the file.
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
