//! When a read that was refused for lack of something is tried again: after 1 ms, then twice as
//! long each time up to 64 ms, each wait shortened by chance so that a thousand readers do not come
//! back as one; and given up after half a minute.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::op::Op;
use crate::model::stream::Stream;
use crate::slots::Id;

const FIRST_WAIT_MS: u64 = 1;
const LONGEST_WAIT_MS: u64 = 64;
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// The attempts at one read since the last that worked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadBackoff {
    failed: u32,
    first: Option<Instant>,
    /// Other code has cancelled it once, and it was submitted again.
    pub(crate) rearmed: bool,
}

impl ReadBackoff {
    /// How long to wait for the next attempt, or none when it is no use.
    pub(crate) fn next_wait(&mut self, now: Instant, chance: u64) -> Option<Duration> {
        let first = *self.first.get_or_insert(now);
        if now - first >= GIVE_UP_AFTER {
            return None;
        }
        let longest = LONGEST_WAIT_MS.min(FIRST_WAIT_MS << self.failed.min(16));
        self.failed = self.failed.saturating_add(1);
        let half_us = longest * 500;
        Some(Duration::from_micros(half_us + chance % (half_us + 1)))
    }
}

/// Reads that wait to be tried again.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    waiting: Vec<(Instant, Box<Op>)>,
    chance: RandomState,
    drawn: u64,
}

impl Retries {
    /// Puts a read aside, and returns when it is due; gives it back when there is no use.
    pub(crate) fn put(&mut self, mut op: Box<Op>, now: Instant) -> Result<Duration, Box<Op>> {
        self.drawn = self.drawn.wrapping_add(1);
        match op
            .mine
            .tries
            .next_wait(now, self.chance.hash_one(self.drawn))
        {
            Some(wait) => {
                self.waiting.push((now + wait, op));
                Ok(wait)
            }
            None => Err(op),
        }
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.iter().map(|(due, _)| *due).min()
    }

    /// The reads that are due.
    pub(crate) fn take_due(&mut self, now: Instant) -> VecDeque<Box<Op>> {
        self.waiting
            .extract_if(.., |(due, _)| *due <= now)
            .map(|(_, op)| op)
            .collect()
    }

    pub(crate) fn take(&mut self, id: Id, stream: Stream) -> Option<Box<Op>> {
        let place = self
            .waiting
            .iter()
            .position(|(_, op)| op.mine.id == id && op.mine.stream == stream)?;
        Some(self.waiting.swap_remove(place).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_then_end() {
        let start = Instant::now();
        let (mut now, mut tries) = (start, ReadBackoff::default());
        let mut waits = Vec::new();
        while let Some(wait) = tries.next_wait(now, waits.len() as u64 * 7919) {
            assert!(wait <= Duration::from_millis(LONGEST_WAIT_MS));
            assert!(wait >= Duration::from_micros(500));
            now += wait;
            waits.push(wait);
        }
        assert!(now - start >= GIVE_UP_AFTER && now - start < 2 * GIVE_UP_AFTER);
        assert!(waits[0] <= Duration::from_millis(1));
        assert!(waits[8] >= Duration::from_millis(32));
    }
}
