//! The handle of one process: wait for its outcome by blocking or as a future, or end it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use crate::inner::{Inner, Request};
use crate::lock::lock;
use crate::queue::Job;
use crate::slots::Id;
use crate::{Cause, Error, ErrorKind, Outcome};

/// One command that was given to a [`Throng`](crate::Throng): queued, running or finished.
///
/// Wait for its [`Outcome`] with [`wait`](Process::wait), or `.await` it on any executor. Dropping
/// the handle ends the process, by the kill sequence; to let it go on, say
/// [`detach`](Process::detach). Dropping a future that has been polled, and polling the handle
/// again later, loses nothing: `(&mut process).await` is cancel safe.
#[derive(Debug)]
#[must_use = "dropping the handle ends the process"]
pub struct Process {
    cell: Arc<Cell>,
    inner: Weak<Inner>,
}

/// What a handle and its process's shard share.
#[derive(Debug)]
pub(crate) struct Cell {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug)]
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

/// What the owner of the handle wants with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    GoOn,
    Detached,
    End,
}

impl Process {
    pub(crate) fn new(inner: Weak<Inner>) -> (Process, Arc<Cell>) {
        let state = State {
            result: Waited::NotYet(None),
            place: None,
            wish: Wish::GoOn,
        };
        let cell = Arc::new(Cell {
            state: Mutex::new(state),
            arrived: Condvar::new(),
        });
        (
            Process {
                cell: cell.clone(),
                inner,
            },
            cell,
        )
    }

    /// Blocks until the process is finished.
    ///
    /// A command that could not be started has an outcome too; see [`Outcome::start_error`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`] when the outcome is lost because a thread of the `Throng` panicked.
    pub fn wait(self) -> Result<Outcome, Error> {
        let mut state = lock(&self.cell.state);
        loop {
            if let Some(result) = state.take() {
                return result;
            }
            state = self
                .cell
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the process by the kill sequence; one that has not been started never is. The outcome
    /// still comes, with all that was captured.
    pub fn cancel(&self) {
        self.ask_to_end(Request::Cancel);
    }

    /// Ends the process at once. The outcome still comes, with all that was captured.
    pub fn kill(&self) {
        self.ask_to_end(Request::Kill);
    }

    /// Gives up the outcome and lets the process go on. It is still read, so that it never blocks,
    /// and what it says is dropped. It may outlive the `Throng`, but not this program.
    pub fn detach(self) {
        lock(&self.cell.state).wish = Wish::Detached;
    }

    fn ask_to_end(&self, request: fn(Id) -> Request) {
        let mut state = lock(&self.cell.state);
        state.wish = Wish::End;
        let place = state.place;
        drop(state);
        let Some(inner) = self.inner.upgrade() else {
            return;
        };
        match place {
            Some((shard, id)) => inner.ask(shard, request(id)),
            // Queued, and then its outcome comes now; or being started, and then its shard sees
            // the wish.
            None => inner
                .queue
                .remove(&self.cell)
                .into_iter()
                .for_each(Job::cancel),
        }
    }
}

impl Future for Process {
    type Output = Result<Outcome, Error>;

    /// # Panics
    ///
    /// Panics when it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.cell.state);
        if let Some(result) = state.take() {
            return Poll::Ready(result);
        }
        state.result = Waited::NotYet(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let state = lock(&self.cell.state);
        let ends = state.wish == Wish::GoOn && matches!(state.result, Waited::NotYet(_));
        drop(state);
        if ends {
            self.cancel();
        }
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

    pub(crate) fn located(&self, shard: usize, id: Id) -> Option<Cause> {
        let mut state = lock(&self.state);
        state.place = Some((shard, id));
        (state.wish == Wish::End).then_some(Cause::Cancel)
    }

    pub(crate) fn is_unwanted(&self) -> bool {
        lock(&self.state).wish == Wish::End
    }

    pub(crate) fn is_detached(&self) -> bool {
        lock(&self.state).wish == Wish::Detached
    }
}
