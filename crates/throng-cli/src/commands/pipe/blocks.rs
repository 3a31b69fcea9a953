//! Splits a stream into blocks of whole records. Holds one block and what was read beyond it.

use std::io::Read;

use anyhow::Context;
use memchr::memchr_iter;

use super::separator::RecordSeparator;
use super::{Bytes, Limit};
use crate::work;

/// The size of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// As many records as fit into this many bytes, at least one.
    Bytes(usize),
    /// This many records; with `lines`, a record is that many lines.
    Records { count: u64, lines: Option<u64> },
}

/// What is put before each block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Header {
    None,
    Lines(u64),
}

const READ_BYTES: usize = 64 * 1024;

pub(super) struct Blocks {
    input: Box<dyn Read + Send>,
    separator: RecordSeparator,
    measure: Measure,
    header: Header,
    limit: Limit,
    /// What was read for the header.
    before: Bytes,
    buffer: Vec<u8>,
    /// The position in the buffer where the next block begins.
    start: usize,
    is_at_end: bool,
}

impl Blocks {
    pub(super) fn new(
        input: Box<dyn Read + Send>,
        separator: RecordSeparator,
        measure: Measure,
        header: Header,
        limit: Limit,
    ) -> Blocks {
        Blocks {
            input,
            separator,
            measure,
            header,
            limit,
            before: Vec::new(),
            buffer: Vec::new(),
            start: 0,
            is_at_end: false,
        }
    }

    fn next_block(&mut self) -> anyhow::Result<Option<Bytes>> {
        if let Header::Lines(count) = std::mem::replace(&mut self.header, Header::None) {
            let length = self.lines_end(count)?;
            self.before = self.take(length);
        }
        let length = match self.measure {
            Measure::Bytes(most) => self.end_by_bytes(most)?,
            Measure::Records { count, lines } => match lines {
                Some(lines) => self.lines_end(count.saturating_mul(lines))?,
                None => self.records_end(count)?,
            },
        };
        if length == 0 {
            return Ok(None);
        }
        let block = self.take(length);
        let block = self.separator.strip(block);
        Ok(Some(if self.before.is_empty() {
            block
        } else {
            [&self.before[..], &block].concat()
        }))
    }

    /// The bytes that have been read and are in no block yet.
    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Removes this many bytes from the rest. They or what remains are copied, whichever is less.
    fn take(&mut self, length: usize) -> Bytes {
        let end = self.start + length;
        let after = self.buffer.len() - end;
        if self.start == 0 && after <= length {
            work::count(after);
            let rest = self.buffer.split_off(end);
            return std::mem::replace(&mut self.buffer, rest);
        }
        work::count(length);
        let block = self.buffer[self.start..end].to_vec();
        self.start = end;
        if after <= self.start {
            work::count(after);
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        block
    }

    /// Reads more; returns whether there was any.
    fn read(&mut self) -> anyhow::Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        // A block of the greatest length is read a little beyond its end.
        self.limit
            .check(self.rest().len().saturating_sub(2 * READ_BYTES))?;
        let filled = self.buffer.len();
        let more = match self.measure {
            Measure::Bytes(most) => most
                .saturating_sub(self.rest().len())
                .clamp(READ_BYTES, 16 << 20),
            Measure::Records { .. } => READ_BYTES,
        };
        self.buffer.resize(filled + more, 0);
        let count = loop {
            match self.input.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => break result.context("cannot read data for --pipe")?,
            }
        };
        self.buffer.truncate(filled + count);
        self.is_at_end = count == 0;
        Ok(count > 0)
    }

    fn end_by_bytes(&mut self, most: usize) -> anyhow::Result<usize> {
        // Bytes after a border may belong to it, so a little more than a block is read.
        while self.rest().len() <= most.saturating_add(READ_BYTES) && self.read()? {}
        if self.rest().len() <= most {
            return Ok(self.rest().len());
        }
        if let Some(at) = self.separator.last(self.rest(), most, self.is_at_end) {
            return Ok(at);
        }
        let mut from = most.saturating_sub(self.separator.overlap());
        loop {
            if let Some(at) = self
                .separator
                .first(self.rest(), most, from, self.is_at_end)
            {
                return Ok(at);
            }
            from = from.max(self.searched());
            if !self.read()? {
                return Ok(self.rest().len());
            }
        }
    }

    fn records_end(&mut self, count: u64) -> anyhow::Result<usize> {
        let (mut at, mut from, mut found) = (0, 0, 0);
        loop {
            match self.separator.first(self.rest(), at, from, self.is_at_end) {
                Some(next) => {
                    (at, from) = (next, next);
                    found += 1;
                    if found == count {
                        return Ok(at);
                    }
                }
                None => {
                    from = from.max(self.searched());
                    if !self.read()? {
                        return Ok(self.rest().len());
                    }
                }
            }
        }
    }

    /// The first position where a border may begin that has not been found yet.
    fn searched(&self) -> usize {
        self.rest().len().saturating_sub(self.separator.overlap())
    }

    fn lines_end(&mut self, count: u64) -> anyhow::Result<usize> {
        let (mut searched, mut left) = (0, count);
        loop {
            for at in memchr_iter(b'\n', &self.rest()[searched..]) {
                left -= 1;
                if left == 0 {
                    work::count(at);
                    return Ok(searched + at + 1);
                }
            }
            work::count(self.rest().len() - searched);
            searched = self.rest().len();
            if !self.read()? {
                return Ok(searched);
            }
        }
    }
}

impl Iterator for Blocks {
    type Item = anyhow::Result<Bytes>;

    fn next(&mut self) -> Option<anyhow::Result<Bytes>> {
        self.next_block().transpose()
    }
}
