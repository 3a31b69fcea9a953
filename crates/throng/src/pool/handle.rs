//! The handle of one process: wait for its outcome by blocking or as a future, or end it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use crate::job::outcome::Outcome;
use crate::model::error::{Error, ErrorKind};
use crate::pool::owner::Owner;
use crate::scheduler::inner::{Inner, Request};
use crate::scheduler::queue::Job;
use crate::shard::process::Input;
use crate::slots::Id;
use crate::sync::lock;

/// One command that was given to a [`Throng`](crate::Throng): queued, running or finished.
///
/// Wait for its [`Outcome`] with [`wait`](Process::wait), or `.await` it on any executor. Dropping
/// the handle ends the process, by the kill sequence; to let it go on, say
/// [`detach`](Process::detach). Dropping a future that has been polled, and polling the handle
/// again later, loses nothing: `(&mut process).await` is cancel safe.
///
/// In a process that was forked from the one that made the handle, waiting is an error, and ending
/// or dropping does nothing.
#[derive(Debug)]
#[must_use = "dropping the handle ends the process"]
pub struct Process {
    cell: Arc<Cell>,
    inner: Weak<Inner>,
    owner: Owner,
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

/// What has been asked of the process through its handle. A later request replaces an earlier one
/// only when it is stronger, that is, further down in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    GoOn,
    /// Go on without the handle.
    Detached,
    /// End by the kill sequence.
    Cancel,
    /// End now.
    Kill,
}

impl Wish {
    fn ends(self) -> bool {
        self >= Wish::Cancel
    }
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
                owner: Owner::this(),
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
    /// [`ErrorKind::Cancelled`] when the outcome is lost because a thread of the `Throng` panicked,
    /// [`ErrorKind::Forked`] in a process that was forked from the one that made the handle.
    ///
    /// # Panics
    ///
    /// Panics when the handle was polled before and was ready: its outcome has been taken.
    pub fn wait(self) -> Result<Outcome, Error> {
        if !self.owner.is_here() {
            return Err(self.foreign());
        }
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
        self.ask_to_end(Wish::Cancel, Request::Cancel);
    }

    /// Ends the process at once, whether or not it was told to end before; a process that has not
    /// been started is never started. The outcome still comes, with all that was captured.
    pub fn kill(&self) {
        self.ask_to_end(Wish::Kill, Request::Kill);
    }

    /// Gives up the outcome and lets the process go on, unless it was told to end before. Its
    /// output is still read, so that it never blocks, and dropped. The process may outlive the
    /// `Throng`, but not this program:
    ///
    /// * On Linux the kernel kills the process when this program ends, for whatever reason
    ///   (`PR_SET_PDEATHSIG`). Processes that it has started go on, unless there is a
    ///   [keeper](crate::os).
    /// * On Windows its job ends with this program, and with it the process and everything that it
    ///   has started. Processes started by one that has already ended by itself go on, unless there
    ///   is a keeper. A process that could not have a job ([`is_contained`](Outcome::is_contained))
    ///   goes on, too.
    pub fn detach(self) {
        if self.owner.is_here() {
            lock(&self.cell.state).strengthen(Wish::Detached);
        }
    }

    #[cfg(test)]
    pub(crate) fn cell(&self) -> Arc<Cell> {
        self.cell.clone()
    }

    /// Why nothing of this process is available in a fork of ours.
    #[cold]
    fn foreign(&self) -> Error {
        self.owner.error("cannot wait for a process")
    }

    fn ask_to_end(&self, wish: Wish, request: fn(Id) -> Request) {
        if !self.owner.is_here() {
            return;
        }
        let mut state = lock(&self.cell.state);
        if !matches!(state.result, Waited::NotYet(_)) {
            // There is nothing to end. In a fork that is so for every process: none was started,
            // and the queue must not be looked at, as another thread may have held its lock.
            return;
        }
        state.strengthen(wish);
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
        if !self.owner.is_here() {
            return Poll::Ready(Err(self.foreign()));
        }
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
        if !self.owner.is_here() {
            // An outcome in it must not be dropped here: that takes locks.
            std::mem::forget(self.cell.clone());
            return;
        }
        let state = lock(&self.cell.state);
        let ends = state.wish == Wish::GoOn && matches!(state.result, Waited::NotYet(_));
        drop(state);
        if ends {
            self.cancel();
        }
    }
}

impl State {
    fn strengthen(&mut self, wish: Wish) {
        self.wish = self.wish.max(wish);
    }

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
    pub(crate) fn located(&self, shard: usize, id: Id) -> Option<Input> {
        let mut state = lock(&self.state);
        state.place = Some((shard, id));
        match state.wish {
            Wish::GoOn | Wish::Detached => None,
            Wish::Cancel => Some(Input::Cancel),
            Wish::Kill => Some(Input::Kill),
        }
    }

    pub(crate) fn is_unwanted(&self) -> bool {
        lock(&self.state).wish.ends()
    }

    pub(crate) fn is_detached(&self) -> bool {
        lock(&self.state).wish == Wish::Detached
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Slots;

    /// What the shard gets when it has just started a process of which this was asked meanwhile,
    /// and whether the process may outlive the `Throng`.
    fn asked_meanwhile(ask: impl FnOnce(Process)) -> (Option<Input>, bool) {
        let (process, cell) = Process::new(Weak::new());
        ask(process);
        let located = cell.located(0, Slots::new().insert(()));
        (located, cell.is_detached())
    }

    #[test]
    fn what_is_asked_of_a_process_while_it_is_being_started_is_never_weakened() {
        let detached = asked_meanwhile(Process::detach);
        assert!(matches!(detached, (None, true)), "{detached:?}");
        let kill: [fn(Process); 4] = [
            |process| process.kill(),
            |process| {
                process.cancel();
                process.kill();
            },
            |process| {
                process.kill();
                process.cancel();
            },
            |process| {
                process.kill();
                process.detach();
            },
        ];
        for asked in kill.map(asked_meanwhile) {
            assert!(matches!(asked, (Some(Input::Kill), false)), "{asked:?}");
        }
        let cancel: [fn(Process); 3] = [
            |process| process.cancel(),
            |process| drop(process),
            |process| {
                process.cancel();
                process.detach();
            },
        ];
        for asked in cancel.map(asked_meanwhile) {
            assert!(matches!(asked, (Some(Input::Cancel), false)), "{asked:?}");
        }
    }
}
