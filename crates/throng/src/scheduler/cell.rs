//! What a handle and the shard of its process share: the outcome when it has come, and what was
//! asked of the process until then.

use std::sync::{Condvar, Mutex, PoisonError};
use std::task::{Poll, Waker};

use crate::job::outcome::Outcome;
use crate::model::error::{Error, ErrorKind};
use crate::slots::Id;
use crate::sync::lock;

/// What a handle and its process's shard share.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    result: Waited,
    /// Where the process is, once it has started.
    place: Option<(usize, Id)>,
    wish: Wish,
}

#[derive(Debug)]
enum Waited {
    NotYet(Option<Waker>),
    Arrived(Box<Outcome>),
    Lost,
    Taken,
}

/// What has been asked of the process through its handle. A later request replaces an earlier one
/// only when it is stronger, that is, further down in this list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    #[default]
    GoOn,
    /// Go on without the handle.
    Detached,
    /// End by the kill sequence.
    Cancel,
    /// End now.
    Kill,
}

impl Default for Waited {
    fn default() -> Waited {
        Waited::NotYet(None)
    }
}

/// Where a process is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// It is over, or its outcome lost.
    Nowhere,
    /// In the queue, or being started.
    NotStarted,
    Shard(usize, Id),
}

impl Wish {
    fn ends(self) -> bool {
        self >= Wish::Cancel
    }
}

impl State {
    fn take(&mut self) -> Option<Result<Outcome, Error>> {
        match std::mem::replace(&mut self.result, Waited::Taken) {
            Waited::Arrived(outcome) => Some(Ok(*outcome)),
            Waited::Lost => Some(Err(Error::new(
                ErrorKind::Cancelled,
                "the outcome of a process is lost: a thread of throng panicked",
            ))),
            Waited::Taken => panic!("a process was polled after it had given its outcome"),
            not_yet @ Waited::NotYet(_) => {
                self.result = not_yet;
                None
            }
        }
    }
}

impl Cell {
    /// Blocks until the outcome has arrived, or is lost.
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

    /// The outcome, if it has arrived or is lost; if not, this is woken then.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Result<Outcome, Error>> {
        let mut state = lock(&self.state);
        if let Some(result) = state.take() {
            return Poll::Ready(result);
        }
        state.result = Waited::NotYet(Some(waker.clone()));
        Poll::Pending
    }

    /// Asks this of the process, where it is not over. Returns where it is.
    pub(crate) fn ask(&self, wish: Wish) -> Place {
        let mut state = lock(&self.state);
        if !matches!(state.result, Waited::NotYet(_)) {
            return Place::Nowhere;
        }
        state.wish = state.wish.max(wish);
        match state.place {
            Some((shard, id)) => Place::Shard(shard, id),
            None => Place::NotStarted,
        }
    }

    /// Whether the outcome has not arrived, and nothing was asked of the process.
    pub(crate) fn goes_on(&self) -> bool {
        let state = lock(&self.state);
        state.wish == Wish::GoOn && matches!(state.result, Waited::NotYet(_))
    }

    /// Holds the lock, as another thread may do at any moment.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized + '_ {
        lock(&self.state)
    }

    pub(crate) fn put(&self, outcome: Outcome) {
        self.settle(Waited::Arrived(Box::new(outcome)));
    }

    pub(crate) fn lose(&self) {
        self.settle(Waited::Lost);
    }

    fn settle(&self, result: Waited) {
        let mut state = lock(&self.state);
        state.place = None;
        let before = std::mem::replace(&mut state.result, result);
        drop(state);
        self.arrived.notify_all();
        if let Waited::NotYet(Some(waker)) = before {
            waker.wake();
        }
    }

    /// The process exists from now on. Returns what was asked of it while it was being started.
    pub(crate) fn located(&self, shard: usize, id: Id) -> Wish {
        let mut state = lock(&self.state);
        state.place = Some((shard, id));
        state.wish
    }

    pub(crate) fn is_unwanted(&self) -> bool {
        lock(&self.state).wish.ends()
    }

    pub(crate) fn is_detached(&self) -> bool {
        lock(&self.state).wish == Wish::Detached
    }
}
