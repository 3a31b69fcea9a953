//! Where the outcomes of a run are put, and what its feeder and its consumer wait for.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::job::command::Command;
use crate::job::outcome::Outcome;
use crate::model::error::{Error, ErrorKind};
use crate::scheduler::judge::{Judge, Next};
use crate::scheduler::untaken::Untaken;
use crate::sync::lock;

/// Commands that are taken beyond those that can run, so that a shard with room finds one.
const LOOK_AHEAD: usize = 64;

/// Commands that wait for their next attempt do not keep others from being taken, up to this many:
/// then so many of them are kept that no more are taken.
const LATER_MAX: usize = 10_000;

fn window(jobs: usize) -> usize {
    jobs.saturating_mul(2).saturating_add(LOOK_AHEAD)
}

/// What is done about the other commands, or about the same once more.
#[derive(Debug)]
pub(crate) enum Reaction {
    /// The command of this outcome is run again, as this attempt, once this has passed.
    RunAgain {
        seq: u64,
        attempt: u32,
        command: Box<Command>,
        after: Duration,
    },
    StartNoMore,
    Cancel,
}

/// Carries a reaction out: it knows the pool, which nothing here does.
type React = dyn Fn(&Arc<Basket>, Reaction) + Send + Sync;

pub(crate) struct Basket {
    judge: Option<Judge>,
    react: Box<React>,
    state: Mutex<State>,
    arrived: Condvar,
    room: Condvar,
    stopped: AtomicBool,
    untaken: Arc<Untaken>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) outcomes: VecDeque<Outcome>,
    /// Commands that were taken and whose outcomes have not been returned yet.
    pub(crate) under_way: usize,
    /// Commands that wait for their next attempt, or make it.
    later: HashSet<u64>,
    window: usize,
    feeding: bool,
    /// Whether the feeder has ended, or is about to end without waiting for anything.
    pub(crate) feeder_is_done: bool,
    waiting: bool,
}

impl State {
    /// How many commands count towards the window.
    fn in_window(&self) -> usize {
        self.under_way
            .saturating_sub(self.later.len().min(LATER_MAX))
    }

    /// Whether the consumer has something to wait for.
    pub(crate) fn is_awaited(&self) -> bool {
        self.outcomes.is_empty() && (self.feeding || self.under_way > 0)
    }
}

impl Basket {
    pub(crate) fn new(
        jobs: usize,
        judge: Option<Judge>,
        react: impl Fn(&Arc<Basket>, Reaction) + Send + Sync + 'static,
    ) -> Basket {
        Basket {
            judge,
            react: Box::new(react),
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
        }
    }

    /// Holds the lock, as another thread may do at any moment.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized + '_ {
        lock(&self.state)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn untaken(&self) -> &Arc<Untaken> {
        &self.untaken
    }

    /// An outcome has arrived. It is judged first, then put where the consumer takes it.
    pub(crate) fn put(self: &Arc<Basket>, mut outcome: Outcome) {
        let after = self.judge(&outcome);
        outcome.is_final = after.is_none();
        let again = after.map(|after| Reaction::RunAgain {
            seq: outcome.seq,
            attempt: outcome.attempt + 1,
            command: outcome.command.to_run_again(),
            after,
        });
        let mut state = lock(&self.state);
        if self.is_stopped() {
            return;
        }
        self.untaken.add(outcome.capture.bytes_total());
        state.later.remove(&outcome.seq);
        if let Some(after) = after {
            state.under_way += 1;
            if !after.is_zero() {
                state.later.insert(outcome.seq);
                self.room.notify_one();
            }
        }
        state.outcomes.push_back(outcome);
        self.notify(&state);
        drop(state);
        if let Some(again) = again {
            (self.react)(self, again);
        }
    }

    /// Asks the judge, and does at once what is to be done about the other commands. Returns how
    /// long to wait before this one is run again, if it is.
    fn judge(self: &Arc<Basket>, outcome: &Outcome) -> Option<Duration> {
        let is_cancelled = |error: &Error| error.kind() == ErrorKind::Cancelled;
        let judge = self.judge.as_ref()?;
        if outcome.start_error().is_some_and(is_cancelled) {
            return None;
        }
        match judge.ask(outcome) {
            Next::RunAgain(after) => return Some(after),
            Next::StartNoMore => (self.react)(self, Reaction::StartNoMore),
            Next::Cancel => (self.react)(self, Reaction::Cancel),
            Next::GoOn => {}
        }
        None
    }

    pub(crate) fn lose(&self) {
        let mut state = lock(&self.state);
        state.under_way -= 1;
        self.notify(&state);
    }

    /// The consumer is gone. Returns the outcomes that are there; no more are put in.
    pub(crate) fn stop(&self) -> VecDeque<Outcome> {
        self.stop_feeding();
        let mut state = lock(&self.state);
        self.stopped.store(true, Relaxed);
        std::mem::take(&mut state.outcomes)
    }

    /// This many outcomes have been returned, which makes room for other commands.
    pub(crate) fn give_out(&self, state: &mut State, outcomes: usize) {
        state.under_way -= outcomes;
        if state.in_window() * 2 <= state.window {
            self.room.notify_one();
        }
    }

    /// Waits until something has arrived, or the run was stopped.
    pub(crate) fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
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
    pub(crate) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        state.feeding && state.in_window() < state.window
    }

    /// Waits until another command may be taken; `false` when no more are wanted.
    pub(crate) fn take_room(&self) -> bool {
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

impl fmt::Debug for Basket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basket")
            .field("state", &self.state)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}
