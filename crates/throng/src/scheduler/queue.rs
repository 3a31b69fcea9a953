//! Commands on their way to the shards, and the shards' sleep.
//!
//! Invariant: a shard that sleeps with room for a process is marked as parked, under the same lock
//! under which a job is put in. So a job is either seen by a shard before it sleeps, or wakes one.
//!
//! Invariant: a shard that sleeps with room knows when the first job is due that is to be run
//! later: it was told when it last looked, and is woken when such a job is put in. So each of them
//! looks again at that time, and whoever comes first takes the job.
//!
//! Invariant: a job is set aside only while its run has too many unconsumed bytes, and the caller
//! that takes the byte which makes them few enough puts it back. Both are decided under the lock,
//! so a job is set aside before that byte is taken, or not at all.

use std::cmp::{Ordering as Order, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::scheduler::job::Job;
use crate::scheduler::oneshot::Oneshot;
use crate::scheduler::unconsumed::Unconsumed;
use crate::sync::lock;
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// What a shard gets that looks for a job.
#[derive(Debug)]
pub(crate) enum Popped {
    Job(Job),
    /// There is one, and it must not be started before this has passed.
    NotYet(Duration),
    /// There is none. The shard is woken when one comes, and has to look again at this time.
    Parked(Option<Instant>),
}

/// The callback of [`Builder::admit`](crate::Builder::admit).
pub(crate) struct AdmissionHook {
    callback: Box<AdmissionFn>,
    /// The callback has told us not to ask before this time.
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
        // The other shards have to wait as well.
        let left = self
            .not_before
            .and_then(|at| at.checked_duration_since(now));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            return Some(left);
        }
        // Where there is nothing to wait for, coming back at once would be a busy loop.
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

/// A job that is to be started when its time has come, and not before.
#[derive(Debug)]
struct Delayed {
    at: Instant,
    job: Job,
}

impl Delayed {
    /// What is later than any clock goes is due in a time that nobody waits for.
    const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

    fn new(job: Job, after: Duration) -> Delayed {
        let at = Instant::now() + after.min(Self::FAR);
        Delayed { at, job }
    }
}

impl Ord for Delayed {
    fn cmp(&self, other: &Delayed) -> Order {
        (self.at, self.job.seq).cmp(&(other.at, other.job.seq))
    }
}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Delayed) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Delayed) -> bool {
        self.cmp(other) == Order::Equal
    }
}

impl Eq for Delayed {}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Processes that are live, over all shards.
    live: AtomicUsize,
    /// While the finished outcomes of a run that nobody has taken hold more bytes than this, no
    /// command of that run is started. A consumer that does not keep up slows its run down instead
    /// of making it grow, in memory or on the disk; other runs are unaffected.
    unconsumed_bytes_max: u64,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Jobs that were met at the head of the queue while their run was held up by its consumer, by
    /// run. So they are looked at once, and not at each search for a job.
    backpressured: Vec<(Arc<Unconsumed>, VecDeque<Job>)>,
    /// Jobs that are to be run again, but not yet.
    delayed: BinaryHeap<Reverse<Delayed>>,
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

    /// Puts in a job that was run before: ahead of all others, once this much time has passed.
    /// Returns the shards that have to be woken; gives the job back when nobody is there any more
    /// to take it.
    pub(crate) fn push_again(&self, job: Job, after: Duration) -> Result<Vec<usize>, Job> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(job);
        }
        if after.is_zero() {
            state.jobs.push_front(job);
            return Ok(state.parked.pop().into_iter().collect());
        }
        state.delayed.push(Reverse(Delayed::new(job, after)));
        Ok(mem::take(&mut state.parked))
    }

    /// Takes out the job whose outcome goes to this handle, if no shard has taken it.
    pub(crate) fn remove(&self, oneshot: &Arc<Oneshot>) -> Option<Job> {
        let mut state = lock(&self.state);
        let position = state
            .jobs
            .iter()
            .position(|job| job.reply_to.is_handle(oneshot))?;
        state.jobs.remove(position)
    }

    /// Takes no more jobs, and gives back those that nobody has taken.
    pub(crate) fn close(&self) -> VecDeque<Job> {
        let mut state = lock(&self.state);
        state.closed = true;
        std::iter::from_fn(|| state.take_any()).collect()
    }

    /// Has this asked before each start.
    pub(crate) fn set_admit(&self, admit: AdmissionHook) {
        lock(&self.state).admit = Some(admit);
    }

    /// Takes a job out, or parks the shard. If the job is not going to be started, any job will do
    /// and no callback is asked.
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
                Popped::Parked(state.delayed.peek().map(|Reverse(first)| first.at))
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
        lock(&self.state).take_any()
    }

    /// Outcomes of a run with this many bytes have been taken. Returns the shards to wake, if that
    /// lets the run go on.
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

    /// Holds the lock, as another thread may do at any moment.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized + '_ {
        lock(&self.state)
    }
}

impl State {
    /// Puts what is due ahead of all others, the first of them at the head.
    fn take_in_due(&mut self) {
        if self.delayed.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut due = Vec::new();
        while self
            .delayed
            .peek()
            .is_some_and(|Reverse(first)| first.at <= now)
        {
            due.extend(self.delayed.pop().map(|Reverse(first)| first.job));
        }
        let last_first = due.into_iter().rev();
        last_first.for_each(|job| self.jobs.push_front(job));
    }

    /// Sets jobs aside until the first one's run allows it to start.
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

    /// Puts the jobs of a run back where they were, before all that came after them. Returns
    /// whether there were any.
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
            return self.delayed.pop().map(|Reverse(delayed)| delayed.job);
        };
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.backpressured.pop();
        }
        job
    }

    /// How long the first job has to wait, if at all. A job that is no longer wanted need not wait.
    fn ask_to_wait(&mut self) -> Option<Duration> {
        let admit = self.admit.as_mut()?;
        let next = self.jobs.front()?;
        if next.reply_to.is_unwanted() {
            return None;
        }
        admit.ask()
    }
}
