//! Bytes in memory that are counted in the budget.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::capture::budget::{Budget, SPARE_FROM, UNCOUNTED};
use crate::sys::base::Bytes;

/// Uncounted when dropped; a large block is left in the budget for other streams.
#[derive(Debug, Default)]
pub(super) struct CountedBytes {
    bytes: Bytes,
    /// `None` while nothing is counted, so that small streams do not touch the shared counter.
    budget: Option<Arc<Budget>>,
    counted: u64,
}

impl CountedBytes {
    /// How many more bytes would be counted with this capacity.
    pub(super) fn more(&self, room: usize) -> u64 {
        (room as u64).saturating_sub(self.counted)
    }

    /// The capacity for this length: at least twice the current one, so that growing copies only a
    /// few times. Large blocks have few sizes, so that a spare one is likely to fit.
    pub(super) fn room_for(&self, len: usize) -> usize {
        let room = len.max(self.bytes.capacity().saturating_mul(2));
        if len <= UNCOUNTED {
            return room.min(UNCOUNTED);
        }
        if room < SPARE_FROM {
            return room;
        }
        room.checked_next_power_of_two().unwrap_or(room)
    }

    /// Grows to this capacity, whatever the budget, and counts it. If the system has no memory,
    /// returns an error and changes nothing.
    pub(super) fn grow(&mut self, room: usize, budget: &Arc<Budget>) -> io::Result<()> {
        if let Some(mut spare) = budget.take_spare(room) {
            spare.extend_from_slice(&self.bytes);
            budget.keep_spare(std::mem::replace(&mut self.bytes, spare));
        } else {
            budget.make_way(self.more(room));
            let more = room - self.bytes.len();
            budget.reserve(&mut self.bytes, more)?;
        }
        self.count(budget);
        Ok(())
    }

    fn count(&mut self, budget: &Arc<Budget>) {
        let room = self.bytes.capacity();
        if room <= UNCOUNTED {
            return;
        }
        let own = self.budget.get_or_insert_with(|| budget.clone());
        own.add(room as u64);
        own.remove(self.counted);
        self.counted = room as u64;
    }
}

impl Deref for CountedBytes {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl DerefMut for CountedBytes {
    fn deref_mut(&mut self) -> &mut Bytes {
        &mut self.bytes
    }
}

impl Clone for CountedBytes {
    /// Panics if there is no memory for the copy.
    fn clone(&self) -> CountedBytes {
        let (mut bytes, len) = (Bytes::default(), self.bytes.len());
        if let Err(error) = bytes.try_reserve_exact(len) {
            panic!("no memory for a copy of a capture of {len} bytes: {error}");
        }
        bytes.extend_from_slice(&self.bytes);
        let mut clone = CountedBytes {
            bytes,
            budget: None,
            counted: 0,
        };
        if let Some(budget) = &self.budget {
            clone.count(budget);
        }
        clone
    }
}

impl Drop for CountedBytes {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.remove(self.counted);
            budget.keep_spare(std::mem::take(&mut self.bytes));
        }
    }
}
