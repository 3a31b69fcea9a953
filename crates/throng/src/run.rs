//! Many commands in, many outcomes out, both streaming.
//!
//! The commands are taken by a thread of their own, so that a source that makes us wait (a
//! terminal, a pipe) keeps no outcome waiting. It stops when a window of commands is under way.

mod again;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::panic;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use self::again::Later;
use crate::inner::{Inner, Request};
use crate::lock::lock;
use crate::queue::Job;
use crate::recipient::Recipient;
use crate::{Command, Outcome};

/// Commands that are taken beyond those that can run: a shard that has room finds one.
const LOOK_AHEAD: usize = 64;

fn window(jobs: usize) -> usize {
    jobs.saturating_mul(2).saturating_add(LOOK_AHEAD)
}

/// The outcomes of many commands, in the order in which they finish; see
/// [`Throng::run`](crate::Throng::run).
///
/// Dropping it takes no more commands and ends those that run by the kill sequence.
#[derive(Debug)]
#[must_use = "outcomes come from iterating; dropping ends the run"]
pub struct Run {
    basket: Arc<Basket>,
    inner: Arc<Inner>,
    /// Outcomes that have been fetched and not yet been given out.
    batch: VecDeque<Outcome>,
    /// How many of the last batch have been given out since it was fetched.
    given_out: usize,
    /// Commands that are to be run again.
    later: BinaryHeap<Reverse<Later>>,
    pace: Pace,
    feeder: Option<JoinHandle<()>>,
}

/// How often we let ourselves be woken. A wake-up costs the shard that does it, and the processor
/// that it takes away from the processes, about as much as reading one of them; so when outcomes
/// come fast they are fetched together, a little later.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
}

impl Pace {
    const SHORTEST: Duration = Duration::from_millis(1);

    /// How long to sleep before going to sleep until woken; none when that is all right.
    fn pause(&mut self, now: Instant) -> Option<Duration> {
        let last = self.last.replace(now)?;
        Self::SHORTEST
            .checked_sub(now - last)
            .filter(|pause| !pause.is_zero())
    }
}

/// Where the outcomes of a run are put, and what its feeder looks at.
#[derive(Debug)]
pub(crate) struct Basket {
    state: Mutex<State>,
    arrived: Condvar,
    room: Condvar,
    stopped: AtomicBool,
    inner: Weak<Inner>,
}

#[derive(Debug)]
struct State {
    outcomes: VecDeque<Outcome>,
    /// Commands that were taken and whose outcomes were not yet given out.
    under_way: usize,
    window: usize,
    feeding: bool,
    /// Whether the feeder has ended, or is about to without waiting for anything.
    feeder_is_done: bool,
    waiting: bool,
}

impl Run {
    pub(crate) fn start<I>(inner: Arc<Inner>, commands: I) -> Run
    where
        I: Iterator + Send + 'static,
        I::Item: Into<Command>,
    {
        let state = State {
            outcomes: VecDeque::new(),
            under_way: 0,
            window: window(inner.jobs()),
            feeding: true,
            feeder_is_done: false,
            waiting: false,
        };
        let basket = Arc::new(Basket {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            room: Condvar::new(),
            stopped: AtomicBool::new(false),
            inner: Arc::downgrade(&inner),
        });
        inner.add_run(&basket);
        let feeder = Feeder {
            basket: basket.clone(),
            inner: inner.clone(),
        };
        let feeder = spawn_patiently(move || feeder.feed(commands));
        Run {
            basket,
            inner,
            batch: VecDeque::new(),
            given_out: 0,
            later: BinaryHeap::new(),
            pace: Pace::default(),
            feeder: Some(feeder),
        }
    }

    /// Takes no more commands. What has been started, or is queued, still gives its outcome.
    pub fn stop_feeding(&self) {
        self.basket.stop_feeding();
    }

    /// Whether the next outcome is there, so that [`next`](Iterator::next) would not wait.
    pub fn is_ready(&self) -> bool {
        !self.batch.is_empty() || !lock(&self.basket.state).outcomes.is_empty()
    }

    fn fetch(&mut self) {
        let basket = self.basket.clone();
        let mut state = lock(&basket.state);
        state.under_way -= std::mem::take(&mut self.given_out);
        if state.under_way * 2 <= state.window {
            basket.room.notify_one();
        }
        while state.outcomes.is_empty() && (state.feeding || state.under_way > 0) {
            if let Some(pause) = self.pace.pause(Instant::now()) {
                drop(state);
                thread::sleep(pause);
                state = lock(&basket.state);
                continue;
            }
            if !self.later.is_empty() {
                drop(state);
                let due = self.submit_due();
                state = lock(&basket.state);
                if let Some(due) = due {
                    state = basket.wait_until(state, due);
                }
                continue;
            }
            state = basket.wait(state);
        }
        std::mem::swap(&mut self.batch, &mut state.outcomes);
    }
}

impl Iterator for Run {
    type Item = Outcome;

    /// Waits for the next process to finish.
    ///
    /// # Panics
    ///
    /// When the iterator of commands panicked, with its panic, after all other outcomes.
    fn next(&mut self) -> Option<Outcome> {
        if !self.later.is_empty() {
            self.submit_due();
        }
        if self.batch.is_empty() {
            self.fetch();
        }
        let Some(outcome) = self.batch.pop_front() else {
            // A feeder that was told to stop may be waiting for its iterator, for ever perhaps.
            let is_done = lock(&self.basket.state).feeder_is_done;
            let feeder = self.feeder.take().filter(|_| is_done);
            if let Some(Err(payload)) = feeder.map(JoinHandle::join) {
                panic::resume_unwind(payload);
            }
            return None;
        };
        self.given_out += 1;
        for shard in self
            .inner
            .queue
            .remove_untaken(outcome.capture.bytes_total())
        {
            self.inner.wake(shard);
        }
        Some(outcome)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.basket.stop_feeding();
        let mut state = lock(&self.basket.state);
        self.basket.stopped.store(true, Relaxed);
        self.batch.append(&mut state.outcomes);
        drop(state);
        let untaken = self.batch.iter().map(|o| o.capture.bytes_total()).sum();
        for shard in self.inner.queue.remove_untaken(untaken) {
            self.inner.wake(shard);
        }
        self.inner
            .ask_all(|| Request::CancelRun(self.basket.clone()));
    }
}

impl Basket {
    pub(crate) fn put(&self, outcome: Outcome) {
        let mut state = lock(&self.state);
        if self.is_stopped() {
            return;
        }
        if let Some(inner) = self.inner.upgrade() {
            inner.queue.add_untaken(outcome.capture.bytes_total());
        }
        state.outcomes.push_back(outcome);
        self.notify(&state);
    }

    pub(crate) fn lose(&self) {
        let mut state = lock(&self.state);
        state.under_way -= 1;
        self.notify(&state);
    }

    /// Waits until something has arrived, or been stopped.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.waiting = true;
        state = self
            .arrived
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting = false;
        state
    }

    /// The same, but no longer than this; at once when something has arrived already.
    fn wait_until<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        at: Instant,
    ) -> MutexGuard<'a, State> {
        let cancelled = self
            .inner
            .upgrade()
            .is_none_or(|inner| inner.is_cancelled());
        if !state.outcomes.is_empty() || cancelled {
            return state;
        }
        state.waiting = true;
        let timeout = at.saturating_duration_since(Instant::now());
        let waited = self.arrived.wait_timeout(state, timeout);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.waiting = false;
        state
    }

    pub(crate) fn set_jobs(&self, jobs: usize) {
        let mut state = lock(&self.state);
        state.window = window(jobs);
        self.room.notify_all();
    }

    fn notify(&self, state: &State) {
        if state.waiting {
            self.arrived.notify_one();
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    pub(crate) fn stop_feeding(&self) {
        let mut state = lock(&self.state);
        state.feeding = false;
        self.room.notify_all();
        self.notify(&state);
    }

    /// Waits until another command may be taken; `false` when none is wanted any more.
    fn take_room(&self) -> bool {
        let mut state = lock(&self.state);
        while state.feeding && state.under_way >= state.window {
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.feeding
    }

    /// Counts a command that was taken; `false` when it is not wanted any more.
    fn count(&self) -> bool {
        let mut state = lock(&self.state);
        if state.feeding {
            state.under_way += 1;
        }
        state.feeding
    }
}

struct Feeder {
    basket: Arc<Basket>,
    inner: Arc<Inner>,
}

impl Feeder {
    fn feed<I>(self, mut commands: I)
    where
        I: Iterator,
        I::Item: Into<Command>,
    {
        let mut seq = 0;
        while self.basket.take_room() {
            let Some(command) = commands.next() else {
                break;
            };
            if !self.basket.count() {
                break;
            }
            let recipient = Recipient::run(self.basket.clone());
            self.inner.submit(Job {
                seq,
                attempt: 1,
                command: Box::new(command.into()),
                recipient,
            });
            seq += 1;
        }
    }
}

impl Drop for Feeder {
    /// Also when the iterator of commands panics.
    fn drop(&mut self) {
        lock(&self.basket.state).feeder_is_done = true;
        self.basket.stop_feeding();
    }
}

/// Starts a thread; where the system has none to give just now, tries again for a while.
///
/// # Panics
///
/// When there is none for five seconds.
fn spawn_patiently(work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    const TRIES: u32 = 500;
    let work = Arc::new(Mutex::new(Some(work)));
    for _ in 0..TRIES {
        let shared = work.clone();
        let body = move || {
            let work = lock(&shared).take();
            work.into_iter().for_each(|work| work());
        };
        match thread::Builder::new()
            .name("throng-feeder".into())
            .spawn(body)
        {
            Ok(handle) => return handle,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("the system has no thread for the commands of a run");
}
