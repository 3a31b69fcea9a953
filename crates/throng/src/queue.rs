//! Commands on their way to the shards, and the shards' sleep.
//!
//! Invariant: a shard that sleeps with room for a process is marked as parked, under the same lock
//! under which a job is put in. So a job is either seen by a shard before it sleeps, or wakes one.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::Command;
use crate::lock::lock;
use crate::recipient::Recipient;

/// While finished outcomes that nobody has taken hold more bytes than this, nothing is started.
/// A consumer that does not keep up slows the run down and does not grow it.
const UNTAKEN_BYTES_MAX: u64 = 64 << 20;

/// A command and where its outcome is to go.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) seq: u64,
    pub(crate) command: Box<Command>,
    pub(crate) recipient: Recipient,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Processes that are live, over all shards.
    live: AtomicUsize,
    untaken_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Shards that sleep and have room.
    parked: Vec<usize>,
}

impl Queue {
    /// Puts a job in. Returns a shard that has to be woken for it, if one sleeps.
    #[must_use = "the shard sleeps until it is woken"]
    pub(crate) fn push(&self, job: Job) -> Option<usize> {
        let mut state = lock(&self.state);
        state.jobs.push_back(job);
        state.parked.pop()
    }

    /// Takes a job out, or parks the shard.
    pub(crate) fn pop_or_park(&self, shard: usize) -> Option<Job> {
        let mut state = lock(&self.state);
        state.parked.retain(|parked| *parked != shard);
        let job = if self.is_stalled() {
            None
        } else {
            state.jobs.pop_front()
        };
        if job.is_none() {
            state.parked.push(shard);
        }
        job
    }

    /// Takes a job out whether or not anything may be started: for when it is to be cancelled.
    pub(crate) fn pop_to_cancel(&self) -> Option<Job> {
        lock(&self.state).jobs.pop_front()
    }

    fn is_stalled(&self) -> bool {
        self.untaken_bytes.load(Ordering::Relaxed) > UNTAKEN_BYTES_MAX
    }

    /// An outcome with this many bytes waits to be taken.
    pub(crate) fn add_untaken(&self, bytes: u64) {
        self.untaken_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It has been taken. Returns the shards to wake, when that lets starting go on.
    #[must_use = "the shards sleep until they are woken"]
    pub(crate) fn remove_untaken(&self, bytes: u64) -> Vec<usize> {
        let before = self.untaken_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before <= UNTAKEN_BYTES_MAX || self.is_stalled() {
            return Vec::new();
        }
        std::mem::take(&mut lock(&self.state).parked)
    }

    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    pub(crate) fn add_live(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove_live(&self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(seq: u64) -> Job {
        Job {
            seq,
            command: Box::new(Command::new("x")),
            recipient: Recipient::nobody(),
        }
    }

    #[test]
    fn a_parked_shard_is_woken_once_and_jobs_keep_their_order() {
        let queue = Queue::default();
        assert!(queue.pop_or_park(0).is_none());
        assert_eq!(queue.push(job(1)), Some(0));
        assert_eq!(queue.push(job(2)), None, "it is awake already");
        assert_eq!(queue.pop_or_park(0).map(|j| j.seq), Some(1));
        assert_eq!(queue.pop_or_park(1).map(|j| j.seq), Some(2));
        assert!(queue.pop_or_park(1).is_none());
        assert!(queue.pop_or_park(1).is_none());
        assert_eq!(queue.push(job(3)), Some(1));
        assert_eq!(
            queue.push(job(4)),
            None,
            "a shard is parked once, however often it looks"
        );
    }

    #[test]
    fn untaken_bytes_stall_the_start_until_they_are_taken() {
        let queue = Queue::default();
        queue.add_untaken(UNTAKEN_BYTES_MAX + 1);
        assert_eq!(queue.push(job(1)), None);
        assert!(queue.pop_or_park(0).is_none());
        assert_eq!(queue.remove_untaken(1), vec![0]);
        assert!(queue.pop_or_park(0).is_some());
    }
}
