//! Commands on their way to the shards, and the shards' sleep.
//!
//! Invariant: a shard that sleeps with room for a process is marked as parked, under the same lock
//! under which a job is put in. So a job is either seen by a shard before it sleeps, or wakes one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::handle::Cell;
use crate::lock::lock;
use crate::recipient::Recipient;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering};
use crate::{Command, Error, ErrorKind, Outcome};

/// What a shard gets that looks for a job.
#[derive(Debug)]
pub(crate) enum Popped {
    Job(Job),
    /// There is one, and it must not be started before this has passed.
    NotYet(Duration),
    /// There is none. The shard is woken when one comes.
    Parked,
}

/// The callback of [`Builder::admit`](crate::Builder::admit).
pub(crate) struct Admit(Box<AdmitFn>);

type AdmitFn = dyn FnMut() -> Option<Duration> + Send;

impl Admit {
    pub(crate) fn new(callback: impl FnMut() -> Option<Duration> + Send + 'static) -> Admit {
        Admit(Box::new(callback))
    }

    /// None when a process may be started now.
    fn ask(&mut self) -> Option<Duration> {
        // Where there is nothing to wait for, coming back at once would be a busy loop.
        (self.0)().map(|wait| wait.max(Self::SHORTEST))
    }

    const SHORTEST: Duration = Duration::from_millis(1);
}

impl std::fmt::Debug for Admit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admit(..)")
    }
}

/// A command and where its outcome is to go.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) seq: u64,
    /// 1, and more when it is run again.
    pub(crate) attempt: u32,
    pub(crate) command: Box<Command>,
    pub(crate) recipient: Recipient,
}

impl Job {
    /// It will not be started.
    pub(crate) fn cancel(self) {
        let program = self.command.program.to_string_lossy();
        let doing = format!("\"{program}\" was not started: cancelled");
        let error = Error::new(ErrorKind::Cancelled, doing);
        self.not_started(error, 0);
    }

    /// It could not be started, after so many tries.
    pub(crate) fn not_started(self, error: Error, retries: u32) {
        let mut outcome = Outcome::not_started(self.seq, self.command, error, retries);
        outcome.attempt = self.attempt;
        self.recipient.deliver(outcome);
    }
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Processes that are live, over all shards.
    live: AtomicUsize,
    untaken_bytes: AtomicU64,
    /// While finished outcomes of runs that nobody has taken hold more bytes than this, no command
    /// of a run is started. A consumer that does not keep up slows its run down and does not grow
    /// it, in memory or on the disk.
    untaken_bytes_max: u64,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Shards that sleep and have room.
    parked: Vec<usize>,
    admit: Option<Admit>,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(untaken_bytes_max: u64) -> Queue {
        Queue {
            state: Mutex::default(),
            live: AtomicUsize::new(0),
            untaken_bytes: AtomicU64::new(0),
            untaken_bytes_max,
        }
    }

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

    /// Has this asked before each start.
    pub(crate) fn set_admit(&self, admit: Admit) {
        lock(&self.state).admit = Some(admit);
    }

    /// Takes a job out, or parks the shard. Where it is not going to be started there is nobody to
    /// ask.
    pub(crate) fn pop_or_park(&self, shard: usize, asks: bool) -> Popped {
        let mut state = lock(&self.state);
        state.parked.retain(|parked| *parked != shard);
        if asks && let Some(wait) = state.ask_to_wait() {
            return Popped::NotYet(wait);
        }
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
        match job {
            Some(job) => Popped::Job(job),
            None => {
                state.parked.push(shard);
                Popped::Parked
            }
        }
    }

    /// A shard that may be parked, or have been woken for a job, has no room any more. Returns
    /// another to wake in its place, if there is something to do.
    pub(crate) fn unpark(&self, shard: usize) -> Option<usize> {
        let mut state = lock(&self.state);
        state.parked.retain(|parked| *parked != shard);
        if state.jobs.is_empty() {
            return None;
        }
        state.parked.pop()
    }

    /// Takes a job out whether or not anything may be started: for when it is to be cancelled.
    pub(crate) fn pop_to_cancel(&self) -> Option<Job> {
        lock(&self.state).jobs.pop_front()
    }

    fn is_stalled(&self) -> bool {
        self.untaken_bytes.load(Ordering::Relaxed) > self.untaken_bytes_max
    }

    /// An outcome with this many bytes waits to be taken.
    pub(crate) fn add_untaken(&self, bytes: u64) {
        self.untaken_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It has been taken. Returns the shards to wake, when that lets starting go on.
    #[must_use = "the shards sleep until they are woken"]
    pub(crate) fn remove_untaken(&self, bytes: u64) -> Vec<usize> {
        let before = self.untaken_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before <= self.untaken_bytes_max || self.is_stalled() {
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

impl State {
    /// How long the next start has to wait, if it has to. Who is not wanted any more need not.
    fn ask_to_wait(&mut self) -> Option<Duration> {
        let admit = self.admit.as_mut()?;
        let next = self.jobs.front()?;
        if next.recipient.is_unwanted() {
            return None;
        }
        admit.ask()
    }
}
