//! A file for bytes that wait. It has no name, so it is gone when the program is.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A piece of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    at: u64,
    length: u64,
}

#[derive(Debug)]
pub(super) struct Spool {
    bytes: File,
    end: u64,
    /// How many extents have not been read yet.
    unread: u64,
}

impl Spool {
    pub(super) fn new(directory: &Path) -> io::Result<Spool> {
        Ok(Spool {
            bytes: tempfile::tempfile_in(directory)?,
            end: 0,
            unread: 0,
        })
    }

    /// Appends bytes, and extends the last extent of `extents` if they follow it.
    pub(super) fn add(&mut self, bytes: &[u8], extents: &mut Vec<Extent>) -> io::Result<()> {
        self.bytes.seek(SeekFrom::Start(self.end))?;
        self.bytes.write_all(bytes)?;
        let length = bytes.len() as u64;
        match extents.last_mut() {
            Some(last) if last.at + last.length == self.end => last.length += length,
            _ => {
                extents.push(Extent {
                    at: self.end,
                    length,
                });
                self.unread += 1;
            }
        }
        self.end += length;
        Ok(())
    }

    /// The bytes of an extent, which counts as read from now on.
    pub(super) fn read(&mut self, extent: Extent) -> io::Result<impl Read + use<'_>> {
        self.unread -= 1;
        self.bytes.seek(SeekFrom::Start(extent.at))?;
        Ok(BufReader::with_capacity(64 * 1024, &self.bytes).take(extent.length))
    }

    /// Frees the disk once all has been read.
    pub(super) fn tidy(&mut self) -> io::Result<()> {
        if self.unread == 0 && self.end > 0 {
            self.bytes.set_len(0)?;
            self.end = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
impl Spool {
    pub(super) fn holds_anything(&self) -> bool {
        self.end > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_read_back_and_the_disk_is_given_back() {
        let mut spool = Spool::new(&std::env::temp_dir()).unwrap();
        let numbers = [9, 5, 7];
        let extents = numbers.map(|number| {
            let mut extents = Vec::new();
            spool.add(b"a", &mut extents).unwrap();
            spool.add(&[number; 3], &mut extents).unwrap();
            assert_eq!(extents.len(), 1, "pieces that follow each other are one");
            extents[0]
        });
        for (number, extent) in numbers.into_iter().zip(extents) {
            spool.tidy().unwrap();
            let mut bytes = Vec::new();
            spool.read(extent).unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, [b'a', number, number, number]);
        }
        spool.tidy().unwrap();
        assert_eq!(spool.bytes.metadata().unwrap().len(), 0);
    }
}
