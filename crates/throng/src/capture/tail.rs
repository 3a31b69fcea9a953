//! The last bytes of a stream of which not all are kept: a ring in memory.
//!
//! It is as large as the user wants it, or as the budget allows if that is less: a ring cannot go
//! on in a file.

use std::collections::VecDeque;
use std::sync::Arc;

use super::store::Charge;
use crate::budget::{Budget, UNCOUNTED, WORTH_A_FILE};

#[derive(Debug)]
pub(super) struct Tail {
    ring: VecDeque<u8>,
    most: usize,
    charge: Charge,
}

impl Tail {
    pub(super) fn new(most: u64) -> Tail {
        Tail {
            ring: VecDeque::new(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
            charge: Charge::default(),
        }
    }

    /// Takes these bytes; says how many of all that it has had it drops for them.
    pub(super) fn push(&mut self, bytes: &[u8], budget: &Arc<Budget>) -> u64 {
        let wanted = self.ring.len().saturating_add(bytes.len()).min(self.most);
        if wanted > self.ring.capacity() {
            self.grow(wanted, budget);
        }
        let kept = &bytes[bytes.len().saturating_sub(self.most)..];
        let over = (self.ring.len() + kept.len()).saturating_sub(self.most);
        self.ring.drain(..over);
        self.ring.extend(kept);
        (over + bytes.len() - kept.len()) as u64
    }

    /// Makes room for so many, or sees to it that no more is needed than there is.
    fn grow(&mut self, wanted: usize, budget: &Arc<Budget>) {
        let room = wanted.max(self.ring.capacity() * 2).min(self.most);
        let more = (room as u64).saturating_sub(self.charge.bytes());
        if wanted > WORTH_A_FILE && !budget.has_room_for(more) {
            self.most = self.ring.capacity().max(WORTH_A_FILE).min(self.most);
            return;
        }
        self.ring.reserve_exact(room - self.ring.len());
        if self.ring.capacity() > UNCOUNTED {
            self.charge.set(self.ring.capacity() as u64, budget);
        }
    }

    pub(super) fn into_ring(self) -> VecDeque<u8> {
        self.ring
    }
}
