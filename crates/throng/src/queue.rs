//! Commands on their way to the shards, and the shards' sleep.
//!
//! Invariant: a shard that sleeps with room for a process is marked as parked, under the same lock
//! under which a job is put in. So a job is either seen by a shard before it sleeps, or wakes one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::handle::Cell;
use crate::lock::lock;
use crate::recipient::Recipient;
use crate::{Command, Error, ErrorKind, Outcome};

/// While finished outcomes of runs that nobody has taken hold more bytes than this, no command of
/// a run is started. A consumer that does not keep up slows its run down and does not grow it.
const UNTAKEN_BYTES_MAX: u64 = 64 << 20;

/// A command and where its outcome is to go.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) seq: u64,
    pub(crate) command: Box<Command>,
    pub(crate) recipient: Recipient,
}

impl Job {
    /// It will not be started.
    pub(crate) fn cancel(self) {
        let program = self.command.program.to_string_lossy();
        let doing = format!("\"{program}\" was not started: cancelled");
        let error = Error::new(ErrorKind::Cancelled, doing);
        self.recipient
            .deliver(Outcome::not_started(self.seq, self.command, error, 0));
    }
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
    closed: bool,
}

impl Queue {
    /// Puts a job in. Returns a shard that has to be woken for it, if one sleeps; gives the job
    /// back when nobody is there any more to take it.
    pub(crate) fn push(&self, job: Job) -> Result<Option<usize>, Job> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(job);
        }
        state.jobs.push_back(job);
        Ok(state.parked.pop())
    }

    /// Takes out the job whose outcome goes to this handle, if no shard has taken it.
    pub(crate) fn remove(&self, cell: &Arc<Cell>) -> Option<Job> {
        let mut state = lock(&self.state);
        let position = state
            .jobs
            .iter()
            .position(|job| job.recipient.is_handle(cell))?;
        state.jobs.remove(position)
    }

    /// Takes no more jobs, and gives back those that nobody has taken.
    pub(crate) fn close(&self) -> VecDeque<Job> {
        let mut state = lock(&self.state);
        state.closed = true;
        std::mem::take(&mut state.jobs)
    }

    /// Takes a job out, or parks the shard.
    pub(crate) fn pop_or_park(&self, shard: usize) -> Option<Job> {
        let mut state = lock(&self.state);
        state.parked.retain(|parked| *parked != shard);
        let job = if self.is_stalled() {
            // The outcomes that wait are those of runs. Others are not to blame.
            let position = state
                .jobs
                .iter()
                .position(|job| job.recipient.is_a_handle());
            position.and_then(|position| state.jobs.remove(position))
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

    fn push(queue: &Queue, seq: u64) -> Option<usize> {
        queue.push(job(seq)).expect("the queue is open")
    }

    #[test]
    fn a_closed_queue_gives_every_job_back() {
        let queue = Queue::default();
        assert_eq!(push(&queue, 1), None);
        assert_eq!(queue.close().len(), 1);
        assert!(queue.push(job(2)).is_err());
        assert!(queue.pop_or_park(0).is_none());
    }

    #[test]
    fn a_parked_shard_is_woken_once_and_jobs_keep_their_order() {
        let queue = Queue::default();
        assert!(queue.pop_or_park(0).is_none());
        assert_eq!(push(&queue, 1), Some(0));
        assert_eq!(push(&queue, 2), None, "it is awake already");
        assert_eq!(queue.pop_or_park(0).map(|j| j.seq), Some(1));
        assert_eq!(queue.pop_or_park(1).map(|j| j.seq), Some(2));
        assert!(queue.pop_or_park(1).is_none());
        assert!(queue.pop_or_park(1).is_none());
        assert_eq!(push(&queue, 3), Some(1));
        assert_eq!(
            push(&queue, 4),
            None,
            "a shard is parked once, however often it looks"
        );
    }

    #[test]
    fn untaken_bytes_stall_the_start_until_they_are_taken() {
        let queue = Queue::default();
        queue.add_untaken(UNTAKEN_BYTES_MAX + 1);
        assert_eq!(push(&queue, 1), None);
        assert!(queue.pop_or_park(0).is_none());
        assert_eq!(queue.remove_untaken(1), vec![0]);
        assert!(queue.pop_or_park(0).is_some());
    }
}
