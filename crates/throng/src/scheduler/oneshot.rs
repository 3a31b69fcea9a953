//! The state that a handle shares with the shard of its process: the outcome once it has arrived,
//! and what was requested through the handle until then.

use std::sync::{Condvar, Mutex, PoisonError};
use std::task::{Poll, Waker};

use crate::job::outcome::Outcome;
use crate::model::error::{Error, ErrorKind};
use crate::slots::Id;
use crate::sync::lock;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Oneshot {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    result: Delivery,
    /// The shard and the id of the process, once it has started.
    location: Option<(usize, Id)>,
    intent: Intent,
}

#[derive(Debug)]
enum Delivery {
    NotYet(Option<Waker>),
    Arrived(Box<Outcome>),
    Lost,
    Taken,
}

/// What was requested through the handle. A later request replaces an earlier one only if it is
/// stronger, that is, further down in this list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Intent {
    #[default]
    Run,
    /// Continue without the handle.
    Detached,
    /// End it by the kill sequence.
    Cancel,
    /// Kill it now.
    Kill,
}

impl Default for Delivery {
    fn default() -> Delivery {
        Delivery::NotYet(None)
    }
}

/// Where the process of a handle is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Location {
    /// Its outcome has arrived, or is lost.
    Nowhere,
    /// In the queue, or being started.
    NotStarted,
    Shard(usize, Id),
}

impl Intent {
    fn ends(self) -> bool {
        self >= Intent::Cancel
    }
}

impl State {
    fn take(&mut self) -> Option<Result<Outcome, Error>> {
        match std::mem::replace(&mut self.result, Delivery::Taken) {
            Delivery::Arrived(outcome) => Some(Ok(*outcome)),
            Delivery::Lost => Some(Err(Error::new(
                ErrorKind::Cancelled,
                "the outcome of a process is lost: a thread of throng panicked",
            ))),
            Delivery::Taken => panic!("a process was polled after it had given its outcome"),
            not_yet @ Delivery::NotYet(_) => {
                self.result = not_yet;
                None
            }
        }
    }
}

impl Oneshot {
    /// Blocks until the outcome has arrived or is lost.
    pub(crate) fn wait(&self) -> Result<Outcome, Error> {
        let mut state = lock(&self.state);
        loop {
            if let Some(result) = state.take() {
                return result;
            }
            state = self
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The outcome, if it has arrived or is lost; otherwise the waker is called when it does.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Result<Outcome, Error>> {
        let mut state = lock(&self.state);
        if let Some(result) = state.take() {
            return Poll::Ready(result);
        }
        state.result = Delivery::NotYet(Some(waker.clone()));
        Poll::Pending
    }

    /// Records a request, if the outcome has not arrived. Returns where the process is.
    pub(crate) fn ask(&self, intent: Intent) -> Location {
        let mut state = lock(&self.state);
        if !matches!(state.result, Delivery::NotYet(_)) {
            return Location::Nowhere;
        }
        state.intent = state.intent.max(intent);
        match state.location {
            Some((shard, id)) => Location::Shard(shard, id),
            None => Location::NotStarted,
        }
    }

    /// Whether the outcome has not arrived, and nothing was requested.
    pub(crate) fn goes_on(&self) -> bool {
        let state = lock(&self.state);
        state.intent == Intent::Run && matches!(state.result, Delivery::NotYet(_))
    }

    /// Holds the lock, as another thread may at any moment.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized + '_ {
        lock(&self.state)
    }

    pub(crate) fn put(&self, outcome: Outcome) {
        self.settle(Delivery::Arrived(Box::new(outcome)));
    }

    pub(crate) fn lose(&self) {
        self.settle(Delivery::Lost);
    }

    fn settle(&self, result: Delivery) {
        let mut state = lock(&self.state);
        state.location = None;
        let before = std::mem::replace(&mut state.result, result);
        drop(state);
        self.arrived.notify_all();
        if let Delivery::NotYet(Some(waker)) = before {
            waker.wake();
        }
    }

    /// The process is started. Returns what was requested until now.
    pub(crate) fn located(&self, shard: usize, id: Id) -> Intent {
        let mut state = lock(&self.state);
        state.location = Some((shard, id));
        state.intent
    }

    pub(crate) fn is_unwanted(&self) -> bool {
        lock(&self.state).intent.ends()
    }

    pub(crate) fn is_detached(&self) -> bool {
        lock(&self.state).intent == Intent::Detached
    }
}
