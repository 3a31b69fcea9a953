//! Deadlines of one shard: timeouts, kill steps, grace periods. They can be stopped all together.
//! The caller passes the time in.
//!
//! An alarm that is no longer needed is not removed: its process ignores it, or is gone. Alarms of
//! processes that are gone are removed when they are more than half of all, so the memory depends
//! on the number of live processes and not on the length of timeouts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::slots::Id;

/// The kinds of alarms of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    /// The timeout of the command has expired.
    Timeout,
    /// The next step of the kill sequence is due.
    KillStep,
    /// The grace period after the exit is over; streams that are still open are held.
    Grace,
    /// The process was killed some time ago and should have exited.
    GiveUp,
}

/// The alarms of a shard. While they are stopped it is always the same time for them.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Id, Alarm)>>,
    stopped_at: Option<Instant>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, id: Id, alarm: Alarm) {
        self.heap.push(Reverse((at, id, alarm)));
    }

    /// Removes the alarms of processes that are gone, once they are probably the majority.
    pub(crate) fn prune(&mut self, live: usize, is_live: impl Fn(Id) -> bool) {
        /// A live process has one alarm of each kind at the most.
        const ALARMS_EACH: usize = 4;
        const WORTH_IT: usize = 256;
        if self.heap.len() > WORTH_IT + 2 * ALARMS_EACH * live {
            self.heap.retain(|Reverse((_, id, _))| is_live(*id));
        }
    }

    /// The time from which a new alarm counts.
    pub(crate) fn now(&self) -> Instant {
        self.stopped_at.unwrap_or_else(Instant::now)
    }

    pub(crate) fn are_stopped(&self) -> bool {
        self.stopped_at.is_some()
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        self.stopped_at.get_or_insert(now);
    }

    /// Goes on as if no time had passed since the stop. Returns how long that was, if they were
    /// stopped.
    pub(crate) fn resume(&mut self, now: Instant) -> Option<Duration> {
        let stopped_at = self.stopped_at.take()?;
        let pause = now.saturating_duration_since(stopped_at);
        let alarms = std::mem::take(&mut self.heap).into_iter();
        let later = alarms.filter_map(|Reverse((at, id, alarm))| {
            // An alarm that is later than the clock can count never goes off.
            Some(Reverse((at.checked_add(pause)?, id, alarm)))
        });
        self.heap = later.collect();
        Some(pause)
    }

    /// When the earliest alarm is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Removes and returns the earliest alarm that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Id, Alarm)> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, id, alarm))| (id, alarm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Slots;
    use proptest::prelude::*;

    #[test]
    fn alarms_of_finished_processes_do_not_accumulate() {
        let far = Instant::now() + Duration::from_secs(3600);
        let mut slots = Slots::new();
        let mut timers = Timers::default();
        let stays = slots.insert(());
        timers.set(far, stays, Alarm::Grace);
        for _ in 0..10_000 {
            let id = slots.insert(());
            timers.set(far, id, Alarm::Timeout);
            slots.remove(id);
            timers.prune(slots.len(), |id| slots.get(id).is_some());
            assert!(timers.heap.len() < 1000);
        }
        assert_eq!(timers.pop_due(far), Some((stays, Alarm::Grace)));
    }

    #[test]
    fn alarms_that_were_stopped_keep_their_order_and_their_distance() {
        let (start, mut timers) = (Instant::now(), Timers::default());
        let id = Slots::new().insert(());
        let second = Duration::from_secs(1);
        timers.set(start + 2 * second, id, Alarm::Grace);
        timers.set(start + second, id, Alarm::Timeout);
        assert_eq!(timers.resume(start), None, "they are not stopped");
        timers.stop(start);
        timers.stop(start + second);
        assert_eq!(timers.now(), start);
        assert_eq!(timers.resume(start + 10 * second), Some(10 * second));
        assert!(timers.now() >= start && !timers.are_stopped());
        assert_eq!(timers.next_at(), Some(start + 11 * second));
        assert_eq!(
            timers.pop_due(start + 11 * second),
            Some((id, Alarm::Timeout))
        );
        assert_eq!(timers.pop_due(start + 11 * second), None);
        assert_eq!(
            timers.pop_due(start + 12 * second),
            Some((id, Alarm::Grace))
        );
    }

    proptest! {
        #[test]
        fn alarms_fire_in_order_and_never_early(
            delays_ms in prop::collection::vec(0u64..50, 1..40), now_ms in 0u64..60,
        ) {
            let id = Slots::new().insert(());
            let start = Instant::now();
            let mut timers = Timers::default();
            for delay in &delays_ms {
                timers.set(start + Duration::from_millis(*delay), id, Alarm::Timeout);
            }
            let now = start + Duration::from_millis(now_ms);
            let mut fired = 0;
            let mut last = timers.next_at();
            while timers.pop_due(now).is_some() {
                fired += 1;
                prop_assert!(timers.next_at().is_none_or(|next| Some(next) >= last));
                last = timers.next_at().or(last);
            }
            prop_assert_eq!(fired, delays_ms.iter().filter(|d| **d <= now_ms).count());
        }
    }
}
