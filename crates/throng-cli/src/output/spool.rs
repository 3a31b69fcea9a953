//! Bytes that wait on disk: a file that is only appended to, and its index, which holds where the
//! bytes of each number begin. The index is a file too, so that a command that never ends does not
//! fill memory with what waits behind it. Neither file has a name; both go away with the program.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A piece of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    at: u64,
    length: u64,
}

#[derive(Debug)]
pub(super) struct Spool {
    bytes: File,
    end: u64,
    /// An extent for each number from `first` on: two words of 64 bits, both 0 where there is none.
    index: File,
    first: u64,
    /// How many numbers the index has.
    indexed: u64,
    /// How many extents have not been read yet, those in the index included.
    unread: u64,
}

const ENTRY_SIZE: u64 = 16;

impl Spool {
    pub(super) fn new(directory: &Path, first: u64) -> io::Result<Spool> {
        Ok(Spool {
            bytes: tempfile::tempfile_in(directory)?,
            end: 0,
            index: tempfile::tempfile_in(directory)?,
            first,
            indexed: 0,
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

    /// Remembers the extent of this number on disk.
    pub(super) fn put(&mut self, number: u64, extent: Extent) -> io::Result<()> {
        let at = (number - self.first) * ENTRY_SIZE;
        self.index.seek(SeekFrom::Start(at))?;
        // Shifted by one, so that an extent is never 0.
        let words = [extent.at + 1, extent.length].map(u64::to_le_bytes);
        self.index.write_all(words.as_flattened())?;
        self.indexed += 1;
        Ok(())
    }

    /// The extent of this number, if there is one. It is forgotten.
    pub(super) fn take(&mut self, number: u64) -> io::Result<Option<Extent>> {
        if self.indexed == 0 || number < self.first {
            return Ok(None);
        }
        self.index
            .seek(SeekFrom::Start((number - self.first) * ENTRY_SIZE))?;
        let mut words = [[0; 8]; 2];
        let mut entry = Vec::new();
        (&self.index).take(ENTRY_SIZE).read_to_end(&mut entry)?;
        if entry.len() < ENTRY_SIZE as usize {
            return Ok(None);
        }
        words.as_flattened_mut().copy_from_slice(&entry);
        let [at, length] = words.map(u64::from_le_bytes);
        let Some(at) = at.checked_sub(1) else {
            return Ok(None);
        };
        self.indexed -= 1;
        Ok(Some(Extent { at, length }))
    }

    /// The bytes of an extent, which counts as read from now on.
    pub(super) fn read(&mut self, extent: Extent) -> io::Result<impl Read + use<'_>> {
        self.unread -= 1;
        self.bytes.seek(SeekFrom::Start(extent.at))?;
        Ok(BufReader::with_capacity(64 * 1024, &self.bytes).take(extent.length))
    }

    /// Frees the disk once all has been read. Numbers begin at `first` from then on.
    pub(super) fn tidy(&mut self, first: u64) -> io::Result<()> {
        if self.unread == 0 && self.end > 0 {
            self.bytes.set_len(0)?;
            self.index.set_len(0)?;
            self.end = 0;
            self.first = first;
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
    fn an_added_entry_is_found_by_its_number_and_read_once() {
        let mut spool = Spool::new(&std::env::temp_dir(), 5).unwrap();
        for number in [9, 5, 7] {
            let mut extents = Vec::new();
            spool.add(b"a", &mut extents).unwrap();
            spool.add(&[number; 3], &mut extents).unwrap();
            assert_eq!(extents.len(), 1, "pieces that follow each other are one");
            spool.put(number.into(), extents[0]).unwrap();
        }
        for number in [4, 6, 8, 10, 1000] {
            assert_eq!(spool.take(number).unwrap(), None);
        }
        for number in [5, 7, 9] {
            let extent = spool.take(number.into()).unwrap().unwrap();
            let mut bytes = Vec::new();
            spool.read(extent).unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, [b'a', number, number, number]);
        }
        spool.tidy(11).unwrap();
        assert_eq!(spool.bytes.metadata().unwrap().len(), 0);
        assert_eq!(spool.take(5).unwrap(), None);
    }
}
