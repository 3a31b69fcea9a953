//! Bytes that are in memory first and are moved to a file when the budget is used up.
//!
//! Invariant: what `append` has taken can be read, whatever happens later. When the disk is full,
//! later bytes are lost, and they are counted.
//!
//! Processes decide how many bytes there are, so each allocation may fail.

use std::io;
use std::sync::{Arc, OnceLock};

use super::counted::CountedBytes;
use crate::capture::budget::{Budget, WORTH_A_FILE, no_memory};
use crate::capture::spill::SpillFile;
use crate::sys::base::{self, Bytes, Map};

/// The bytes of one stream, or of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    body: Body,
    /// The error after which no more bytes are taken.
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
    bytes: CountedBytes,
    /// After no file could be opened: the length at which to try again.
    not_before: usize,
}

/// Bytes in a file of their own.
#[derive(Clone, Debug)]
struct Spilled {
    file: Arc<SpillFile>,
    len: u64,
    mapped: Arc<OnceLock<Mapped>>,
}

/// Why bytes cannot go into memory.
#[derive(Debug)]
enum Refused {
    OverBudget,
    /// The system has no memory.
    NoMemory(io::Error),
}

#[derive(Debug)]
enum Mapped {
    Map(Map),
    /// Where the system maps no files.
    Copy(Vec<u8>),
}

impl Store {
    /// Appends these bytes and returns how many were taken. If fewer than all, the rest cannot be
    /// stored, and from then on none are taken; see [`failure`](Store::failure).
    pub(super) fn append(&mut self, bytes: &[u8], budget: &Arc<Budget>) -> usize {
        if let Body::Memory(memory) = &mut self.body
            && self.failure.is_none()
        {
            let refused = match memory.append(bytes, budget) {
                Ok(()) => return bytes.len(),
                Err(refused) => refused,
            };
            if let Err(error) = self.spill(budget) {
                return self.without_file(bytes, refused, error, budget);
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

    /// Moves what is in memory to a file.
    #[cold]
    fn spill(&mut self, budget: &Arc<Budget>) -> io::Result<()> {
        let Body::Memory(memory) = &self.body else {
            return Ok(());
        };
        let file = SpillFile::new(budget)?;
        file.append(&memory.bytes).1?;
        self.body = Body::File(Spilled {
            len: memory.bytes.len() as u64,
            file: Arc::new(file),
            mapped: Arc::default(),
        });
        Ok(())
    }

    /// Takes bytes for which memory was refused and that could not go into a file either; returns
    /// how many. If no file is available, they stay in memory though the budget is used up, and a
    /// file is tried again when the stream has grown by a quarter; that stops when captures are far
    /// over the budget. Any other error is final.
    #[cold]
    fn without_file(
        &mut self,
        bytes: &[u8],
        refused: Refused,
        error: io::Error,
        budget: &Arc<Budget>,
    ) -> usize {
        let Body::Memory(memory) = &mut self.body else {
            return 0;
        };
        let len = memory.bytes.len() + bytes.len();
        let (failure, is_taken) = match refused {
            Refused::NoMemory(none) if base::is_want_of_files(&error) => (Some(none), false),
            Refused::NoMemory(_) => (Some(error), false),
            Refused::OverBudget if base::is_want_of_files(&error) => {
                let room = len + (len / 4).max(WORTH_A_FILE);
                memory.not_before = room;
                let may = budget.may_exceed_by(memory.bytes.more(room));
                let is_taken = may && memory.force(bytes, room, budget);
                ((!is_taken).then_some(error), is_taken)
            }
            // The bytes in hand go into memory once more.
            Refused::OverBudget => (Some(error), memory.force(bytes, len, budget)),
        };
        self.failure = failure.map(Arc::new);
        if is_taken { bytes.len() } else { 0 }
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

    /// Removes the bytes after this length.
    pub(super) fn shorten(&mut self, len: u64) {
        match &mut self.body {
            Body::Memory(memory) => memory
                .bytes
                .truncate(usize::try_from(len).unwrap_or(usize::MAX)),
            Body::File(spilled) => spilled.len = spilled.len.min(len),
        }
    }

    /// The bytes, if they are in memory.
    pub(super) fn memory_mut(&mut self) -> Option<&mut Bytes> {
        match &mut self.body {
            Body::Memory(memory) => Some(&mut memory.bytes),
            Body::File(_) => None,
        }
    }

    /// All bytes. A file is mapped by the first call.
    ///
    /// # Panics
    ///
    /// Panics if the file can neither be mapped nor read.
    pub(super) fn as_slice(&self) -> &[u8] {
        match &self.body {
            Body::Memory(memory) => &memory.bytes,
            Body::File(spilled) => spilled.as_slice(),
        }
    }

    /// Reads from this position; 0 bytes at the end.
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
    /// Appends these bytes, unless they should go to a file.
    fn append(&mut self, bytes: &[u8], budget: &Arc<Budget>) -> Result<(), Refused> {
        let len = self.bytes.len() + bytes.len();
        if len > self.bytes.capacity() {
            let room = self.bytes.room_for(len);
            let is_worth_a_file = len >= WORTH_A_FILE && len >= self.not_before;
            if is_worth_a_file && !budget.has_room_for(self.bytes.more(room)) {
                return Err(Refused::OverBudget);
            }
            self.bytes.grow(room, budget).map_err(Refused::NoMemory)?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes these bytes whatever the budget, and makes this much room for them; returns whether
    /// there was memory.
    fn force(&mut self, bytes: &[u8], room: usize, budget: &Arc<Budget>) -> bool {
        if room > self.bytes.capacity() && self.bytes.grow(room, budget).is_err() {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        true
    }
}

impl Spilled {
    /// How many bytes were written, and why not all.
    fn append(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let (written, result) = self.file.append(bytes);
        self.len += written as u64;
        (written, result)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let len = left.min(buffer.len());
        if len == 0 {
            return Ok(0);
        }
        self.file.read_at(at, &mut buffer[..len])
    }

    fn as_slice(&self) -> &[u8] {
        let mapped = self.mapped.get_or_init(|| self.map());
        match mapped {
            Mapped::Map(map) => map,
            Mapped::Copy(bytes) => bytes,
        }
    }

    fn map(&self) -> Mapped {
        let len = usize::try_from(self.len).expect("a slice is no longer than memory");
        let no_map = match Map::new(self.file.file(), len) {
            Ok(map) => return Mapped::Map(map),
            Err(error) => error,
        };
        match self.copy(len) {
            Ok(bytes) => Mapped::Copy(bytes),
            Err(error) => panic!(
                "a spilled stream of {len} bytes can neither be mapped ({no_map}) nor be read back \
                 ({error}); its reader needs no memory"
            ),
        }
    }

    fn copy(&self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| no_memory())?;
        bytes.resize(len, 0);
        let mut at = 0;
        while at < len {
            at += self.read_at(at as u64, &mut bytes[at..])?;
        }
        Ok(bytes)
    }
}
