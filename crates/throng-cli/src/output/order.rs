//! `-k`: output in the order of the commands. What comes too early waits, in memory as long as it
//! is little, then on disk. So a slow command in front neither stops the others nor fills memory.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::chunked_writer::Out;
use super::spool::{Extent, Spool};
use crate::options::Run;
use crate::records::To;

/// How much may wait in memory: this part of the memory for output, and at most that much.
const MEMORY_PART: u64 = 8;
const MEMORY_MAX: u64 = 128 << 20;
/// Less is not written to disk, unless there is far too much in memory.
const WORTH_A_WRITE: usize = 64 * 1024;
/// How much of one command waits in memory. A longer buffer would be copied each time that it
/// doubles, and the allocator does not return blocks of many megabytes to the system.
const ENTRY_MAX: usize = 1 << 20;
/// The memory of an entry besides its bytes, about.
const ENTRY_COST: usize = 128;
/// The longest frame.
const FRAME_MAX: usize = 256 * 1024;
/// How much of a frame is read at a time.
const PIECE: usize = 64 * 1024;

/// Puts the output of commands in order. Each has a place, its `seq`, and is sealed once.
#[derive(Debug)]
pub(crate) struct InOrder {
    directory: PathBuf,
    /// The place whose turn it is.
    next: u64,
    waiting: BTreeMap<u64, Entry>,
    /// What `waiting` holds in memory.
    memory: usize,
    /// With more than this in memory, entries worth a write go to disk; with twice as much, all do.
    memory_max: usize,
    spool: Option<Spool>,
    /// Whether the index has been found to have nothing for `next`.
    asked: bool,
    /// One more than the last place so far.
    end: u64,
    /// An error that could not be returned when it occurred.
    failure: Option<io::Error>,
}

/// What waits for its turn: first what is on disk, then what is not.
#[derive(Debug, Default)]
struct Entry {
    on_disk: Vec<Extent>,
    frames: Vec<u8>,
    is_sealed: bool,
}

impl InOrder {
    /// How much of the memory for output is for what waits. Captures have the rest.
    pub(crate) fn memory_of(args: &Run) -> u64 {
        match args.output.keep_order {
            true => (args.limits.memory() / MEMORY_PART).min(MEMORY_MAX),
            false => 0,
        }
    }

    /// None without `--keep-order`.
    pub(super) fn new(args: &Run) -> Option<InOrder> {
        let memory_max = usize::try_from(InOrder::memory_of(args) / 2).unwrap_or(usize::MAX);
        args.output.keep_order.then(|| InOrder {
            directory: args.limits.tmpdir(),
            ..InOrder::with_memory(memory_max)
        })
    }

    fn with_memory(memory_max: usize) -> InOrder {
        InOrder {
            directory: std::env::temp_dir(),
            next: 0,
            waiting: BTreeMap::new(),
            memory: 0,
            memory_max,
            spool: None,
            asked: false,
            end: 0,
            failure: None,
        }
    }

    /// The directory of what waits on disk.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether it is the turn of this place, so that nothing has to be held.
    pub(super) fn is_turn_of(&self, place: u64) -> bool {
        place == self.next
    }

    /// Keeps a piece until the turn of its place.
    pub(super) fn hold(&mut self, place: u64, to: To, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.end = self.end.max(place + 1);
        if !self.waiting.contains_key(&place) {
            self.memory += ENTRY_COST;
        }
        for piece in bytes.chunks(FRAME_MAX) {
            let entry = self.waiting.entry(place).or_default();
            entry.frames.push(to as u8);
            let length = piece.len() as u32;
            entry.frames.extend_from_slice(&length.to_le_bytes());
            entry.frames.extend_from_slice(piece);
            self.memory += FRAME_HEAD + piece.len();
            let is_worth_it = entry.frames.len() >= WORTH_A_WRITE;
            let is_over = self.memory > self.memory_max && is_worth_it;
            let is_far_over = self.memory / 2 > self.memory_max;
            if is_over || is_far_over || entry.frames.len() >= ENTRY_MAX {
                self.spill(place)?;
            }
        }
        Ok(())
    }

    /// The same for a caller that cannot handle an error.
    pub(super) fn hold_or_remember(&mut self, place: u64, to: To, bytes: &[u8]) {
        if let Err(error) = self.hold(place, to, bytes) {
            self.failure.get_or_insert(error);
        }
    }

    pub(super) fn take_failure(&mut self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// No more pieces come for this place.
    pub(super) fn seal(&mut self, place: u64) -> io::Result<()> {
        self.end = self.end.max(place + 1);
        if place == self.next {
            self.asked = false;
        }
        let is_new = !self.waiting.contains_key(&place);
        let entry = self.waiting.entry(place).or_default();
        entry.is_sealed = true;
        self.memory += if is_new { ENTRY_COST } else { 0 };
        if self.memory <= self.memory_max && entry.on_disk.is_empty() {
            return Ok(());
        }
        self.spill(place)?;
        let spool = self.spool.as_mut().expect("made just now");
        // What is in one piece needs no memory at all.
        if let [extent] = self.waiting[&place].on_disk[..] {
            spool.put(place, extent)?;
            self.waiting.remove(&place);
            self.memory -= ENTRY_COST;
        }
        Ok(())
    }

    fn spill(&mut self, place: u64) -> io::Result<()> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(Spool::new(&self.directory, self.next)?),
        };
        let entry = self.waiting.entry(place).or_default();
        spool.add(&entry.frames, &mut entry.on_disk)?;
        self.memory -= entry.frames.len();
        entry.frames = Vec::new();
        Ok(())
    }

    /// The place whose turn it was has been written in full.
    pub(super) fn turn(&mut self) {
        self.next += 1;
        self.asked = false;
    }

    /// Passes on all places whose turn has come; the last of them may not be sealed yet.
    pub(super) fn give_out(&mut self, out: Out<'_>) -> io::Result<()> {
        while self.give_out_next(out)? {
            self.turn();
        }
        match &mut self.spool {
            Some(spool) => spool.tidy(self.next),
            None => Ok(()),
        }
    }

    /// Passes on all that waits, although some places are missing.
    pub(super) fn give_out_rest(&mut self, out: Out<'_>) -> io::Result<()> {
        while self.next < self.end {
            self.give_out_next(out)?;
            self.turn();
        }
        Ok(())
    }

    /// Passes on what there is of the next place; returns whether that was all.
    fn give_out_next(&mut self, out: Out<'_>) -> io::Result<bool> {
        let Some(entry) = self.waiting.remove(&self.next) else {
            return self.give_out_indexed(out);
        };
        self.memory -= entry.frames.len() + ENTRY_COST;
        for extent in entry.on_disk {
            let spool = self.spool.as_mut().expect("something is on disk");
            unframe(spool.read(extent)?, out)?;
        }
        unframe(&entry.frames[..], out)?;
        Ok(entry.is_sealed)
    }

    fn give_out_indexed(&mut self, out: Out<'_>) -> io::Result<bool> {
        let Some(spool) = self.spool.as_mut().filter(|_| !self.asked) else {
            return Ok(false);
        };
        let Some(extent) = spool.take(self.next)? else {
            self.asked = true;
            return Ok(false);
        };
        unframe(spool.read(extent)?, out)?;
        Ok(true)
    }
}

/// Destination and length.
const FRAME_HEAD: usize = 5;

/// Passes on framed bytes, a piece at a time.
fn unframe(mut frames: impl Read, out: Out<'_>) -> io::Result<()> {
    let mut head = [0; FRAME_HEAD];
    let mut piece = Vec::new();
    loop {
        match frames.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let to = To::ALL[usize::from(head[0])];
        let mut left = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        while left > 0 {
            piece.resize(left.min(PIECE), 0);
            frames.read_exact(&mut piece)?;
            out(to, &piece);
            left -= piece.len();
        }
    }
}

#[cfg(test)]
mod tests;
