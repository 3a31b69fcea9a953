//! The outcomes of a run on their way to its consumer: judged when they arrive, then kept until
//! they are taken. Whoever takes the commands of the run waits here for room.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::job::outcome::Outcome;
use crate::model::error::{Error, ErrorKind};
use crate::scheduler::unconsumed::Unconsumed;
use crate::sync::lock;

/// How many commands are taken beyond those that can run, so that a shard with room finds one.
const LOOK_AHEAD: usize = 64;

/// Commands that wait for another attempt, or make one, do not count towards the window, up to this
/// many.
const RETRYING_MAX: usize = 10_000;

fn window(jobs: usize) -> usize {
    jobs.saturating_mul(2).saturating_add(LOOK_AHEAD)
}

/// What happens after an outcome; see [`Throng::run_judged`](crate::Throng::run_judged).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// The run continues.
    #[default]
    Continue,
    /// The command is run again once this much time has passed, before commands that have not been
    /// run yet and with the same [`seq`](Outcome::seq). This outcome is not
    /// [final](Outcome::is_final): another one follows, whose [`attempt`](Outcome::attempt) is one
    /// more. If nothing is started any more, that one has an error with
    /// [`ErrorKind::Cancelled`].
    RunAgain(Duration),
    /// As [`Throng::start_no_more`](crate::Throng::start_no_more).
    StartNoMore,
    /// As [`Throng::cancel`](crate::Throng::cancel).
    Cancel,
}

/// The callback of [`Throng::run_judged`](crate::Throng::run_judged).
pub(crate) struct Judge(Mutex<Box<JudgeFn>>);

type JudgeFn = dyn FnMut(&Outcome) -> Next + Send;

impl Judge {
    pub(crate) fn new(callback: impl FnMut(&Outcome) -> Next + Send + 'static) -> Judge {
        Judge(Mutex::new(Box::new(callback)))
    }

    pub(crate) fn ask(&self, outcome: &Outcome) -> Next {
        let mut callback = lock(&self.0);
        // A panic has been printed.
        catch_unwind(AssertUnwindSafe(|| callback(outcome))).unwrap_or_default()
    }
}

pub(crate) struct ResultQueue {
    judge: Option<Judge>,
    state: Mutex<State>,
    arrived: Condvar,
    room: Condvar,
    stopped: AtomicBool,
    unconsumed: Arc<Unconsumed>,
}

#[derive(Debug)]
struct State {
    outcomes: VecDeque<Outcome>,
    /// Commands that were taken and whose outcomes were not returned yet.
    under_way: usize,
    /// Those of them that are run again.
    retrying: usize,
    window: usize,
    feeding: bool,
    /// Whether the producer has ended, or is about to end without blocking.
    producer_is_done: bool,
    waiting: bool,
}

impl State {
    /// How many commands count towards the window.
    fn in_window(&self) -> usize {
        self.under_way
            .saturating_sub(self.retrying.min(RETRYING_MAX))
    }

    /// Whether the consumer has something to wait for.
    fn is_awaited(&self) -> bool {
        self.outcomes.is_empty() && (self.feeding || self.under_way > 0)
    }
}

impl ResultQueue {
    pub(crate) fn new(jobs: usize, judge: Option<Judge>) -> ResultQueue {
        ResultQueue {
            judge,
            state: Mutex::new(State {
                outcomes: VecDeque::new(),
                under_way: 0,
                retrying: 0,
                window: window(jobs),
                feeding: true,
                producer_is_done: false,
                waiting: false,
            }),
            arrived: Condvar::new(),
            room: Condvar::new(),
            stopped: AtomicBool::new(false),
            unconsumed: Arc::default(),
        }
    }

    /// Holds the lock, as another thread may at any moment.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized + '_ {
        lock(&self.state)
    }

    pub(crate) fn unconsumed(&self) -> &Arc<Unconsumed> {
        &self.unconsumed
    }

    /// Asks the judge, if there is one and the command was not cancelled.
    pub(crate) fn judge(&self, outcome: &Outcome) -> Next {
        let is_cancelled = |error: &Error| error.kind() == ErrorKind::Cancelled;
        match &self.judge {
            Some(judge) if !outcome.start_error().is_some_and(is_cancelled) => judge.ask(outcome),
            _ => Next::Continue,
        }
    }

    /// Adds an outcome. Returns whether another attempt follows: the command is run again, and the
    /// consumer is still there.
    pub(crate) fn put(&self, mut outcome: Outcome, is_run_again: bool) -> bool {
        outcome.is_final = !is_run_again;
        let mut state = lock(&self.state);
        if self.is_stopped() {
            return false;
        }
        self.unconsumed.add(outcome.capture.bytes_total());
        if outcome.attempt > 1 {
            state.retrying -= 1;
        }
        if is_run_again {
            state.under_way += 1;
            state.retrying += 1;
            self.room.notify_one();
        }
        state.outcomes.push_back(outcome);
        self.notify(&state);
        is_run_again
    }

    pub(crate) fn lose(&self) {
        let mut state = lock(&self.state);
        state.under_way -= 1;
        self.notify(&state);
    }

    /// The consumer is gone. Returns the remaining outcomes; no more are added.
    pub(crate) fn stop(&self) -> VecDeque<Outcome> {
        self.stop_feeding();
        let mut state = lock(&self.state);
        self.stopped.store(true, Relaxed);
        mem::take(&mut state.outcomes)
    }

    /// This many outcomes have been returned, which makes room for other commands.
    pub(crate) fn give_out(&self, outcomes: usize) {
        let mut state = lock(&self.state);
        state.under_way -= outcomes;
        if state.in_window() * 2 <= state.window {
            self.room.notify_one();
        }
    }

    /// Whether an outcome can be taken now.
    pub(crate) fn has_outcomes(&self) -> bool {
        !lock(&self.state).outcomes.is_empty()
    }

    /// Whether [`take`](ResultQueue::take) would wait.
    pub(crate) fn is_awaited(&self) -> bool {
        lock(&self.state).is_awaited()
    }

    /// Waits until an outcome has arrived or the run is over, and exchanges all that are there for
    /// this empty list.
    pub(crate) fn take(&self, batch: &mut VecDeque<Outcome>) {
        let mut state = lock(&self.state);
        while state.is_awaited() {
            state.waiting = true;
            let waited = self.arrived.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
            state.waiting = false;
        }
        mem::swap(&mut state.outcomes, batch);
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

    /// The producer is about to end, and will not block.
    pub(crate) fn producer_is_done(&self) {
        lock(&self.state).producer_is_done = true;
        self.stop_feeding();
    }

    /// Whether the thread of the producer can be joined without waiting for its iterator.
    pub(crate) fn is_producer_done(&self) -> bool {
        lock(&self.state).producer_is_done
    }

    /// Whether another command may be taken now.
    pub(crate) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        state.feeding && state.in_window() < state.window
    }

    /// Waits until another command may be taken; `false` if no more are to be taken.
    pub(crate) fn take_room(&self) -> bool {
        let is_full = |state: &mut State| state.feeding && state.in_window() >= state.window;
        let state = self.room.wait_while(lock(&self.state), is_full);
        state.unwrap_or_else(PoisonError::into_inner).feeding
    }

    /// Counts a command that was taken; `false` if it is to be discarded.
    pub(crate) fn count(&self) -> bool {
        let mut state = lock(&self.state);
        if state.feeding {
            state.under_way += 1;
        }
        state.feeding
    }
}

impl fmt::Debug for ResultQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultQueue")
            .field("state", &self.state)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}
