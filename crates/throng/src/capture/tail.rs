//! The last bytes of a stream of which not all are kept: a ring buffer in memory.
//!
//! It is as large as the limit of the command, or as the budget and the system allow if that is
//! less, because a ring buffer cannot be spilled.

use std::sync::Arc;

use super::counted::CountedBytes;
use crate::capture::budget::{Budget, WORTH_A_FILE};

#[derive(Debug)]
pub(super) struct Tail {
    ring: CountedBytes,
    /// The position of the oldest byte: 0 until the ring is full.
    start: usize,
    most: usize,
}

impl Tail {
    pub(super) fn new(most: u64) -> Tail {
        Tail {
            ring: CountedBytes::default(),
            start: 0,
            most: usize::try_from(most).unwrap_or(usize::MAX),
        }
    }

    /// Adds these bytes and returns how many bytes, old or new, are dropped.
    pub(super) fn push(&mut self, bytes: &[u8], budget: &Arc<Budget>) -> u64 {
        let wanted = self.ring.len().saturating_add(bytes.len()).min(self.most);
        if wanted > self.ring.capacity() {
            self.grow(wanted, budget);
        }
        let kept = &bytes[bytes.len().saturating_sub(self.most)..];
        let room = self.most - self.ring.len();
        let (added, mut over) = kept.split_at(kept.len().min(room));
        self.ring.extend_from_slice(added);
        let dropped = over.len() + bytes.len() - kept.len();
        while !over.is_empty() {
            let place = &mut self.ring[self.start..];
            let (now, later) = over.split_at(over.len().min(place.len()));
            place[..now.len()].copy_from_slice(now);
            self.start = (self.start + now.len()) % self.most;
            over = later;
        }
        dropped as u64
    }

    /// Grows to this length, or reduces the limit to what is available.
    fn grow(&mut self, wanted: usize, budget: &Arc<Budget>) {
        let room = wanted.max(self.ring.capacity() * 2).min(self.most);
        let has_room = wanted <= WORTH_A_FILE || budget.has_room_for(self.ring.more(room));
        if has_room && self.ring.grow(room, budget).is_ok() {
            return;
        }
        self.most = self.ring.capacity().max(WORTH_A_FILE).min(self.most);
        let is_grown =
            self.most <= self.ring.capacity() || self.ring.grow(self.most, budget).is_ok();
        if !is_grown {
            self.most = self.ring.capacity();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    /// The bytes from the oldest to the newest, in two pieces.
    pub(super) fn pieces(&self) -> [&[u8]; 2] {
        let (second, first) = self.ring.split_at(self.start);
        [first, second]
    }
}
