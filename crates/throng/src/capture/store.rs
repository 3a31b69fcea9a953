//! Bytes that begin in memory and go on in a file when memory is to be saved.
//!
//! Invariant: what `append` has taken is there to be read, whatever happens later. A disk that is
//! full loses what comes after, and that is counted.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use super::block::Block;
use crate::budget::{Budget, UNCOUNTED, WORTH_A_FILE};
use crate::sys::{self, Bytes, Map};

/// The bytes of one stream, or of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    body: Body,
    /// Why nothing is taken any more.
    failure: Option<Arc<io::Error>>,
}

#[derive(Clone, Debug)]
enum Body {
    Memory(Memory),
    File(Spilled),
}

impl Default for Body {
    fn default() -> Body {
        Body::Memory(Memory::default())
    }
}

/// Bytes in memory.
#[derive(Clone, Debug, Default)]
struct Memory {
    bytes: Block,
    /// After a file could not be had: how long to stay in memory before asking again.
    not_before: usize,
}

/// Bytes in a file of their own.
#[derive(Clone, Debug)]
struct Spilled {
    file: Arc<File>,
    len: u64,
    mapped: Arc<OnceLock<Mapped>>,
}

#[derive(Debug)]
enum Mapped {
    Map(Map),
    /// Where the system maps no files.
    Copy(Vec<u8>),
}

impl Store {
    /// Takes these bytes; says how many of them. Fewer than all only when the rest cannot be kept,
    /// and from then on none; see [`failure`](Store::failure).
    pub(super) fn append(&mut self, bytes: &[u8], budget: &Arc<Budget>) -> usize {
        if let Body::Memory(memory) = &mut self.body
            && self.failure.is_none()
        {
            if memory.append(bytes, budget) {
                return bytes.len();
            }
            self.spill(bytes.len(), budget);
            // Where that was not possible, what is in our hands is kept in memory once more.
            if let Body::Memory(memory) = &mut self.body {
                memory.force(bytes, budget);
                return bytes.len();
            }
        }
        match &mut self.body {
            Body::Memory(_) => 0,
            Body::File(_) if self.failure.is_some() => 0,
            Body::File(spilled) => {
                let (written, result) = spilled.append(bytes);
                self.failure = result.err().map(Arc::new);
                written
            }
        }
    }

    /// Moves what is in memory to a file. Where there is no descriptor for it, tries again later.
    #[cold]
    fn spill(&mut self, more: usize, budget: &Budget) {
        let Body::Memory(memory) = &mut self.body else {
            return;
        };
        let moved = budget.file().and_then(|mut file| {
            file.write_all(&memory.bytes)?;
            Ok(file)
        });
        match moved {
            Ok(file) => {
                self.body = Body::File(Spilled {
                    file: Arc::new(file),
                    len: memory.bytes.len() as u64,
                    mapped: Arc::default(),
                });
            }
            Err(error) if sys::is_want_of_files(&error) => {
                let len = memory.bytes.len() + more;
                memory.not_before = len + (len / 4).max(WORTH_A_FILE);
            }
            Err(error) => self.failure = Some(Arc::new(error)),
        }
    }

    pub(super) fn failure(&self) -> Option<&Arc<io::Error>> {
        self.failure.as_ref()
    }

    pub(super) fn len(&self) -> u64 {
        match &self.body {
            Body::Memory(memory) => memory.bytes.len() as u64,
            Body::File(spilled) => spilled.len,
        }
    }

    pub(super) fn is_spilled(&self) -> bool {
        matches!(self.body, Body::File(_))
    }

    /// Forgets what was taken after this length.
    pub(super) fn shorten(&mut self, len: u64) {
        match &mut self.body {
            Body::Memory(memory) => memory
                .bytes
                .truncate(usize::try_from(len).unwrap_or(usize::MAX)),
            Body::File(spilled) => spilled.len = spilled.len.min(len),
        }
    }

    /// The bytes that are in memory and can be changed; none when they are in a file.
    pub(super) fn memory_mut(&mut self) -> Option<&mut Bytes> {
        match &mut self.body {
            Body::Memory(memory) => Some(&mut memory.bytes),
            Body::File(_) => None,
        }
    }

    /// All of it. The first time, a file is mapped.
    ///
    /// # Panics
    ///
    /// When a file can neither be mapped nor be read.
    pub(super) fn as_slice(&self) -> &[u8] {
        match &self.body {
            Body::Memory(memory) => &memory.bytes,
            Body::File(spilled) => spilled.as_slice(),
        }
    }

    /// Reads from this position on; no bytes at the end.
    pub(super) fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.body {
            Body::Memory(memory) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let rest = memory.bytes.get(at..).unwrap_or_default();
                let len = rest.len().min(buffer.len());
                buffer[..len].copy_from_slice(&rest[..len]);
                Ok(len)
            }
            Body::File(spilled) => spilled.read_at(at, buffer),
        }
    }
}

impl Memory {
    /// Takes these bytes, unless they belong into a file.
    fn append(&mut self, bytes: &[u8], budget: &Arc<Budget>) -> bool {
        let len = self.bytes.len() + bytes.len();
        if len > self.bytes.capacity() && len > UNCOUNTED {
            let room = self.bytes.room_for(len);
            let is_worth_a_file = len >= WORTH_A_FILE && len >= self.not_before;
            if is_worth_a_file && !budget.has_room_for(self.bytes.more(room)) {
                return false;
            }
            self.bytes.grow(room, budget);
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// Takes these bytes whatever the budget says.
    fn force(&mut self, bytes: &[u8], budget: &Arc<Budget>) {
        let len = self.bytes.len() + bytes.len();
        if len > self.bytes.capacity() {
            self.bytes.grow(self.bytes.room_for(len), budget);
        }
        self.bytes.extend_from_slice(bytes);
    }
}

impl Spilled {
    /// How many bytes were written, and why not all.
    fn append(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while written < bytes.len() {
            match (&*self.file).write(&bytes[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    written += n;
                    self.len += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let len = left.min(buffer.len());
        if len == 0 {
            return Ok(0);
        }
        loop {
            match sys::read_at(&self.file, &mut buffer[..len], at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                result => return result,
            }
        }
    }

    fn as_slice(&self) -> &[u8] {
        let mapped = self.mapped.get_or_init(|| {
            let len = usize::try_from(self.len).expect("a slice is no longer than memory");
            match Map::new(&self.file, len) {
                Ok(map) => Mapped::Map(map),
                Err(_) => Mapped::Copy(self.copy(len).expect("what was spilled can be read back")),
            }
        });
        match mapped {
            Mapped::Map(map) => map,
            Mapped::Copy(bytes) => bytes,
        }
    }

    fn copy(&self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let mut at = 0;
        while at < len {
            at += self.read_at(at as u64, &mut bytes[at..])?;
        }
        Ok(bytes)
    }
}
