//! The handle of one process: wait for its outcome by blocking or as a future, or end it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use crate::job::outcome::Outcome;
use crate::model::error::Error;
use crate::scheduler::job::Job;
use crate::scheduler::oneshot::{Intent, Location, Oneshot};
use crate::scheduler::owner::Owner;
use crate::scheduler::shared::{Request, Shared};
use crate::slots::Id;

/// One command that was given to a [`Throng`](crate::Throng): queued, running or finished.
///
/// Wait for its [`Outcome`] with [`wait`](Process::wait), or `.await` it on any executor. Dropping
/// the handle ends the process by the kill sequence, unless it was
/// [detached](Process::detach). `(&mut process).await` is cancel safe: if that future is dropped,
/// the handle can be polled again later.
///
/// In a process that was forked from the one that made the handle, waiting returns an error, and
/// ending or dropping does nothing.
#[derive(Debug)]
#[must_use = "dropping the handle ends the process"]
pub struct Process {
    oneshot: Arc<Oneshot>,
    shared: Weak<Shared>,
    owner: Owner,
}

impl Process {
    pub(crate) fn new(shared: Weak<Shared>) -> (Process, Arc<Oneshot>) {
        let oneshot = Arc::new(Oneshot::default());
        (
            Process {
                oneshot: oneshot.clone(),
                shared,
                owner: Owner::this(),
            },
            oneshot,
        )
    }

    /// Blocks until the process is finished.
    ///
    /// A command that could not be started has an outcome as well; see [`Outcome::start_error`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) if the outcome was lost because a
    /// thread of the `Throng` panicked, [`ErrorKind::Forked`](crate::ErrorKind::Forked) in a
    /// process that was forked from the one that made the handle.
    ///
    /// # Panics
    ///
    /// Panics if the handle was polled before and was ready: then its outcome has been taken.
    pub fn wait(self) -> Result<Outcome, Error> {
        if !self.owner.is_here() {
            return Err(self.foreign());
        }
        self.oneshot.wait()
    }

    /// Ends the process by the kill sequence; if it has not been started, it never is. Its outcome
    /// is still delivered, with everything that was captured.
    pub fn cancel(&self) {
        self.ask_to_end(Intent::Cancel, Request::Cancel);
    }

    /// Kills the process at once, even if it was cancelled before; if it has not been started, it
    /// never is. Its outcome is still delivered, with everything that was captured.
    pub fn kill(&self) {
        self.ask_to_end(Intent::Kill, Request::Kill);
    }

    /// Gives up the outcome and lets the process go on, unless it was cancelled or killed before.
    /// Its output is still read, so that it does not block, and discarded. The process may outlive
    /// the `Throng`, but not this program:
    ///
    /// * On Linux the kernel kills the process when this program ends, for whatever reason
    ///   (`PR_SET_PDEATHSIG`). Its descendants go on, unless there is a [guardian](crate::os).
    /// * On Windows its job ends with this program, and with it the process and its descendants.
    ///   Descendants of a process that has already ended go on, unless there is a guardian. A
    ///   process without a job ([`is_contained`](Outcome::is_contained) is `false`) goes on as
    ///   well.
    pub fn detach(self) {
        if self.owner.is_here() {
            self.oneshot.ask(Intent::Detached);
        }
    }

    #[cfg(test)]
    pub(crate) fn oneshot(&self) -> Arc<Oneshot> {
        self.oneshot.clone()
    }

    /// The error in a fork of the process that made the handle.
    #[cold]
    fn foreign(&self) -> Error {
        self.owner.error("cannot wait for a process")
    }

    fn ask_to_end(&self, intent: Intent, request: fn(Id) -> Request) {
        if !self.owner.is_here() {
            return;
        }
        // Where the process is over there is nothing to end. In a fork that is so for every
        // process: none was started, and the queue must not be looked at, as another thread may
        // have held its lock.
        let place = self.oneshot.ask(intent);
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        match place {
            Location::Nowhere => {}
            Location::Shard(shard, id) => shared.ask(shard, request(id)),
            // Queued, and then its outcome comes now; or being started, and then its shard sees
            // the intent.
            Location::NotStarted => shared
                .queue
                .remove(&self.oneshot)
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
        self.oneshot.poll(context.waker())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.owner.is_here() {
            // An outcome in it must not be dropped here: that takes locks.
            std::mem::forget(self.oneshot.clone());
            return;
        }
        if self.oneshot.goes_on() {
            self.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Slots;

    /// What the shard gets when it has just started a process for which this was requested
    /// meanwhile, and whether the process may outlive the `Throng`.
    fn asked_meanwhile(ask: impl FnOnce(Process)) -> (Intent, bool) {
        let (process, oneshot) = Process::new(Weak::new());
        ask(process);
        let located = oneshot.located(0, Slots::new().insert(()));
        (located, oneshot.is_detached())
    }

    #[test]
    fn a_request_during_the_start_of_a_process_is_never_weakened() {
        let detached = asked_meanwhile(Process::detach);
        assert!(matches!(detached, (Intent::Detached, true)), "{detached:?}");
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
            assert!(matches!(asked, (Intent::Kill, false)), "{asked:?}");
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
            assert!(matches!(asked, (Intent::Cancel, false)), "{asked:?}");
        }
    }
}
