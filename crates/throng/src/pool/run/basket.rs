//! Where the outcomes of a run are put, and what its feeder and its consumer wait for.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::judge::{Judge, Next};
use crate::job::outcome::Outcome;
use crate::model::error::ErrorKind;
use crate::scheduler::inner::{Inner, Request};
use crate::scheduler::queue::{Job, Untaken};
use crate::scheduler::recipient::Recipient;
use crate::sync::lock;

/// Commands that are taken beyond those that can run, so that a shard with room finds one.
const LOOK_AHEAD: usize = 64;

/// Commands that wait for their next attempt do not keep others from being taken, up to this many:
/// then so many of them are kept that no more are taken.
const LATER_MAX: usize = 10_000;

fn window(jobs: usize) -> usize {
    jobs.saturating_mul(2).saturating_add(LOOK_AHEAD)
}

#[derive(Debug)]
pub(crate) struct Basket {
    judge: Option<Judge>,
    state: Mutex<State>,
    arrived: Condvar,
    room: Condvar,
    stopped: AtomicBool,
    untaken: Arc<Untaken>,
    inner: Weak<Inner>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) outcomes: VecDeque<Outcome>,
    /// Commands that were taken and whose outcomes have not been returned yet.
    pub(super) under_way: usize,
    /// Commands that wait for their next attempt, or make it.
    later: HashSet<u64>,
    window: usize,
    feeding: bool,
    /// Whether the feeder has ended, or is about to end without waiting for anything.
    pub(super) feeder_is_done: bool,
    waiting: bool,
}

impl State {
    /// How many commands count towards the window.
    fn in_window(&self) -> usize {
        self.under_way
            .saturating_sub(self.later.len().min(LATER_MAX))
    }

    /// Whether the consumer has something to wait for.
    pub(super) fn is_awaited(&self) -> bool {
        self.outcomes.is_empty() && (self.feeding || self.under_way > 0)
    }
}

impl Basket {
    pub(crate) fn new(inner: Weak<Inner>, jobs: usize, judge: Option<Judge>) -> Basket {
        Basket {
            judge,
            state: Mutex::new(State {
                outcomes: VecDeque::new(),
                under_way: 0,
                later: HashSet::new(),
                window: window(jobs),
                feeding: true,
                feeder_is_done: false,
                waiting: false,
            }),
            arrived: Condvar::new(),
            room: Condvar::new(),
            stopped: AtomicBool::new(false),
            untaken: Arc::default(),
            inner,
        }
    }

    /// Holds the lock, as another thread may do at any moment.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized + '_ {
        lock(&self.state)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn untaken(&self) -> &Arc<Untaken> {
        &self.untaken
    }

    /// An outcome has arrived. It is judged first, then put where the consumer takes it.
    pub(crate) fn put(self: &Arc<Basket>, mut outcome: Outcome) {
        let again = self.judge(&outcome);
        outcome.is_final = again.is_none();
        let again = again.map(|after| (self.job_of(&outcome), after));
        let mut state = lock(&self.state);
        if self.is_stopped() {
            return;
        }
        self.untaken.add(outcome.capture.bytes_total());
        state.later.remove(&outcome.seq);
        if let Some((_, after)) = &again {
            state.under_way += 1;
            if !after.is_zero() {
                state.later.insert(outcome.seq);
                self.room.notify_one();
            }
        }
        state.outcomes.push_back(outcome);
        self.notify(&state);
        drop(state);
        if let Some((job, after)) = again {
            match self.inner.upgrade() {
                Some(inner) => inner.submit_again(job, after),
                None => job.cancel(),
            }
        }
    }

    /// Asks the judge, and does at once what is to be done about the other commands. Returns how
    /// long to wait before this one is run again, if it is.
    fn judge(&self, outcome: &Outcome) -> Option<Duration> {
        let is_cancelled =
            |error: &crate::model::error::Error| error.kind() == ErrorKind::Cancelled;
        let judge = self.judge.as_ref()?;
        if outcome.start_error().is_some_and(is_cancelled) {
            return None;
        }
        let (next, inner) = (judge.ask(outcome), self.inner.upgrade());
        match (next, inner) {
            (Next::RunAgain(after), _) => return Some(after),
            (Next::StartNoMore, Some(inner)) => inner.cancel(|| Request::CancelQueue),
            (Next::Cancel, Some(inner)) => inner.end(|| Request::CancelAll),
            (Next::GoOn | Next::StartNoMore | Next::Cancel, _) => {}
        }
        None
    }

    /// The command of an outcome, to be run again.
    fn job_of(self: &Arc<Basket>, outcome: &Outcome) -> Job {
        let command = &outcome.command;
        Job {
            seq: outcome.seq,
            attempt: outcome.attempt + 1,
            command: command.as_given.as_ref().unwrap_or(command).clone(),
            recipient: Recipient::run(self.clone()),
        }
    }

    pub(crate) fn lose(&self) {
        let mut state = lock(&self.state);
        state.under_way -= 1;
        self.notify(&state);
    }

    /// The consumer is gone. Returns the outcomes that are there; no more are put in.
    pub(super) fn stop(&self) -> VecDeque<Outcome> {
        self.stop_feeding();
        let mut state = lock(&self.state);
        self.stopped.store(true, Relaxed);
        std::mem::take(&mut state.outcomes)
    }

    /// This many outcomes have been returned, which makes room for other commands.
    pub(super) fn give_out(&self, state: &mut State, outcomes: usize) {
        state.under_way -= outcomes;
        if state.in_window() * 2 <= state.window {
            self.room.notify_one();
        }
    }

    /// Waits until something has arrived, or the run was stopped.
    pub(super) fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.waiting = true;
        state = self
            .arrived
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
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

    /// Whether another command may be taken now.
    pub(super) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        state.feeding && state.in_window() < state.window
    }

    /// Waits until another command may be taken; `false` when no more are wanted.
    pub(super) fn take_room(&self) -> bool {
        let mut state = lock(&self.state);
        while state.feeding && state.in_window() >= state.window {
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.feeding
    }

    /// Counts a command that was taken; `false` when it is no longer wanted.
    pub(crate) fn count(&self) -> bool {
        let mut state = lock(&self.state);
        if state.feeding {
            state.under_way += 1;
        }
        state.feeding
    }
}
