//! The queue of commands, and the shards that sleep until there is one for them.
//!
//! Invariant: a shard that sleeps with room for a process is marked as parked, under the lock under
//! which jobs are added. So a job is either seen by a shard before it sleeps, or wakes one.
//!
//! Invariant: a shard that sleeps with room knows when the first delayed job is due: it learnt that
//! when it last looked, and is woken when such a job is added. So each of them looks again at that
//! time, and the first one takes the job.
//!
//! Invariant: a job is set aside only while its run has too many unconsumed bytes, and the caller
//! that takes the byte which makes them few enough puts it back. Both are decided under the lock,
//! so a job is set aside before that byte is taken, or not at all.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::scheduler::job::Job;
use crate::scheduler::oneshot::Oneshot;
use crate::scheduler::unconsumed::Unconsumed;
use crate::sync::lock;
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// The answer to a shard that looks for a job.
#[derive(Debug)]
pub(crate) enum Popped {
    Job(Job),
    /// There is one, which must not be started before this time has passed.
    NotYet(Duration),
    /// There is none. The shard is woken when one is added, and has to look again at this time.
    Parked(Option<Instant>),
}

/// The callback of [`Builder::admit`](crate::Builder::admit).
pub(crate) struct AdmissionHook {
    callback: Box<AdmissionFn>,
    /// The callback is not called again before this time.
    not_before: Option<Instant>,
}

type AdmissionFn = dyn FnMut() -> Option<Duration> + Send;

impl AdmissionHook {
    pub(crate) fn new(
        callback: impl FnMut() -> Option<Duration> + Send + 'static,
    ) -> AdmissionHook {
        AdmissionHook {
            callback: Box::new(callback),
            not_before: None,
        }
    }

    /// None when a process may be started now.
    fn ask(&mut self) -> Option<Duration> {
        let now = Instant::now();
        // This applies to the other shards as well.
        let left = self
            .not_before
            .and_then(|at| at.checked_duration_since(now));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            return Some(left);
        }
        // A wait of 0 would be a busy loop.
        let wait = (self.callback)().map(|wait| wait.max(Self::SHORTEST));
        self.not_before = wait.and_then(|wait| now.checked_add(wait));
        wait
    }

    const SHORTEST: Duration = Duration::from_millis(1);
}

impl std::fmt::Debug for AdmissionHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdmissionHook(..)")
    }
}

/// The longest delay of a job, so that the time can be represented.
const DELAY_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// The number of live processes of all shards.
    live: AtomicUsize,
    /// While the unconsumed outcomes of a run hold more bytes than this, no command of that run is
    /// started. So a slow consumer slows its run down, and the run does not grow in memory or on
    /// the disk; other runs are unaffected.
    unconsumed_bytes_max: u64,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Jobs, by run, that were at the head of the queue while their run had too many unconsumed
    /// bytes. They are set aside so that they are not looked at in each search for a job.
    backpressured: Vec<(Arc<Unconsumed>, VecDeque<Job>)>,
    /// Jobs that are run again after a delay, by the time before which they are not started; the
    /// number makes the keys differ.
    delayed: BTreeMap<(Instant, u64), Job>,
    next_delayed: u64,
    /// Shards that sleep and have room.
    parked: Vec<usize>,
    admit: Option<AdmissionHook>,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(unconsumed_bytes_max: u64) -> Queue {
        Queue {
            state: Mutex::default(),
            live: AtomicUsize::new(0),
            unconsumed_bytes_max,
        }
    }

    /// Adds a job. Returns a shard that has to be woken for it, if one sleeps.
    ///
    /// # Errors
    ///
    /// Returns the job if the queue is closed.
    pub(crate) fn push(&self, job: Job) -> Result<Option<usize>, Job> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(job);
        }
        state.jobs.push_back(job);
        Ok(state.parked.pop())
    }

    /// Adds a job that was run before: ahead of all others, once this much time has passed. Returns
    /// the shards that have to be woken.
    ///
    /// # Errors
    ///
    /// Returns the job if the queue is closed.
    pub(crate) fn push_again(&self, job: Job, after: Duration) -> Result<Vec<usize>, Job> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(job);
        }
        if after.is_zero() {
            state.jobs.push_front(job);
            return Ok(state.parked.pop().into_iter().collect());
        }
        let key = (Instant::now() + after.min(DELAY_MAX), state.next_delayed);
        state.next_delayed += 1;
        state.delayed.insert(key, job);
        Ok(mem::take(&mut state.parked))
    }

    /// Removes the job whose outcome goes to this handle, if no shard has taken it.
    pub(crate) fn remove(&self, oneshot: &Arc<Oneshot>) -> Option<Job> {
        let mut state = lock(&self.state);
        let position = state
            .jobs
            .iter()
            .position(|job| job.reply_to.is_handle(oneshot))?;
        state.jobs.remove(position)
    }

    /// Closes the queue, and returns the jobs that no shard has taken.
    pub(crate) fn close(&self) -> VecDeque<Job> {
        let mut state = lock(&self.state);
        state.closed = true;
        std::iter::from_fn(|| state.take_any()).collect()
    }

    /// Sets the hook that is asked before each start.
    pub(crate) fn set_admit(&self, admit: AdmissionHook) {
        lock(&self.state).admit = Some(admit);
    }

    /// Takes a job, or parks the shard. If the job is not going to be started, any job is returned
    /// and the hook is not asked.
    pub(crate) fn pop_or_park(&self, shard: usize, starts: bool) -> Popped {
        let mut state = lock(&self.state);
        state.parked.retain(|parked| *parked != shard);
        let job = if starts {
            state.take_in_due();
            state.set_aside(self.unconsumed_bytes_max);
            if let Some(wait) = state.ask_to_wait() {
                return Popped::NotYet(wait);
            }
            state.jobs.pop_front()
        } else {
            state.take_any()
        };
        match job {
            Some(job) => Popped::Job(job),
            None => {
                state.parked.push(shard);
                Popped::Parked(state.delayed.keys().next().map(|(at, _)| *at))
            }
        }
    }

    /// A shard that may be parked, or was woken for a job, has no room any more. Returns another
    /// one to wake instead, if there is a job.
    pub(crate) fn unpark(&self, shard: usize) -> Option<usize> {
        let mut state = lock(&self.state);
        state.parked.retain(|parked| *parked != shard);
        if state.jobs.is_empty() {
            return None;
        }
        state.parked.pop()
    }

    /// Takes any job, in order to cancel it.
    pub(crate) fn pop_to_cancel(&self) -> Option<Job> {
        lock(&self.state).take_any()
    }

    /// Outcomes of a run with this many bytes were consumed. Returns the shards to wake, if the run
    /// can go on.
    #[must_use = "the shards sleep until they are woken"]
    pub(crate) fn remove_unconsumed(&self, run: &Arc<Unconsumed>, bytes: u64) -> Vec<usize> {
        let before = run.remove(bytes);
        let max = self.unconsumed_bytes_max;
        if before <= max || before - bytes > max {
            return Vec::new();
        }
        let mut state = lock(&self.state);
        if state.put_back(run) {
            mem::take(&mut state.parked)
        } else {
            Vec::new()
        }
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

    /// Holds the lock, as another thread may at any moment.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized + '_ {
        lock(&self.state)
    }
}

impl State {
    /// Puts delayed jobs that are due ahead of all others, the earliest first.
    fn take_in_due(&mut self) {
        let Some((first, _)) = self.delayed.keys().next() else {
            return;
        };
        let now = Instant::now();
        if *first > now {
            return;
        }
        let not_due = self.delayed.split_off(&(now, u64::MAX));
        let due = mem::replace(&mut self.delayed, not_due);
        let last_first = due.into_values().rev();
        last_first.for_each(|job| self.jobs.push_front(job));
    }

    /// Sets jobs aside until the run of the first job may start it.
    fn set_aside(&mut self, unconsumed_bytes_max: u64) {
        while let Some(run) = self.jobs.front().and_then(|job| job.reply_to.unconsumed())
            && run.is_more_than(unconsumed_bytes_max)
        {
            let place = self
                .backpressured
                .iter()
                .position(|(of, _)| Arc::ptr_eq(of, run));
            let place = place.unwrap_or_else(|| {
                self.backpressured.push((run.clone(), VecDeque::new()));
                self.backpressured.len() - 1
            });
            self.backpressured[place].1.extend(self.jobs.pop_front());
        }
    }

    /// Puts the jobs of a run back to the head of the queue, in their order. Returns whether there
    /// were any.
    fn put_back(&mut self, run: &Arc<Unconsumed>) -> bool {
        let Some(place) = self
            .backpressured
            .iter()
            .position(|(of, _)| Arc::ptr_eq(of, run))
        else {
            return false;
        };
        let (_, jobs) = self.backpressured.swap_remove(place);
        jobs.into_iter()
            .rev()
            .for_each(|job| self.jobs.push_front(job));
        true
    }

    fn take_any(&mut self) -> Option<Job> {
        if let Some(job) = self.jobs.pop_front() {
            return Some(job);
        }
        let Some((_, jobs)) = self.backpressured.last_mut() else {
            return self.delayed.pop_first().map(|(_, job)| job);
        };
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.backpressured.pop();
        }
        job
    }

    /// How long the first job has to wait, if at all. A job that will be cancelled does not.
    fn ask_to_wait(&mut self) -> Option<Duration> {
        let admit = self.admit.as_mut()?;
        let next = self.jobs.front()?;
        if next.reply_to.is_unwanted() {
            return None;
        }
        admit.ask()
    }
}
