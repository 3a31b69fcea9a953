//! A command on its way, and where its outcome goes: to the handle of its process, or to the run
//! that it is part of.
//!
//! Invariant: exactly one outcome is delivered, or is reported as lost if the target is dropped
//! before, because a shard panicked. So no caller waits for ever.

use std::sync::Arc;

use crate::job::command::Command;
use crate::job::outcome::Outcome;
use crate::model::error::{Error, ErrorKind};
use crate::scheduler::oneshot::{Intent, Oneshot};
use crate::scheduler::results::{Next, ResultQueue};
use crate::scheduler::unconsumed::Unconsumed;
use crate::slots::Id;

/// A command and where its outcome goes.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) seq: u64,
    /// 1, and more when it is run again.
    pub(crate) attempt: u32,
    pub(crate) command: Box<Command>,
    pub(crate) reply_to: ReplyTo,
}

impl Job {
    /// Delivers the outcome of a command that will not be started. It is not judged.
    pub(crate) fn cancel(self) {
        let program = self.command.program.to_string_lossy();
        let doing = format!("\"{program}\" was not started: cancelled");
        let error = Error::new(ErrorKind::Cancelled, doing);
        let (reply_to, outcome) = self.not_started(error, 0);
        reply_to.deliver(outcome, false);
    }

    /// The outcome of a command that could not be started, after this many retries.
    pub(crate) fn not_started(self, error: Error, retries: u32) -> (ReplyTo, Outcome) {
        let mut outcome = Outcome::not_started(self.seq, self.command, error, retries);
        outcome.attempt = self.attempt;
        (self.reply_to, outcome)
    }
}

#[derive(Debug)]
pub(crate) struct ReplyTo(To);

#[derive(Debug)]
enum To {
    Nobody,
    Handle(Arc<Oneshot>),
    Run(Arc<ResultQueue>),
}

impl ReplyTo {
    #[cfg(test)]
    pub(crate) fn nobody() -> ReplyTo {
        ReplyTo(To::Nobody)
    }

    pub(crate) fn handle(oneshot: Arc<Oneshot>) -> ReplyTo {
        ReplyTo(To::Handle(oneshot))
    }

    pub(crate) fn run(results: Arc<ResultQueue>) -> ReplyTo {
        ReplyTo(To::Run(results))
    }

    /// The decision of the run about an outcome that is about to be delivered.
    pub(crate) fn judge(&self, outcome: &Outcome) -> Next {
        match &self.0 {
            To::Nobody | To::Handle(_) => Next::Continue,
            To::Run(results) => results.judge(outcome),
        }
    }

    /// Delivers the outcome. If another attempt follows, returns where the outcome of that one
    /// goes, unless the run was dropped.
    pub(crate) fn deliver(mut self, outcome: Outcome, is_run_again: bool) -> Option<ReplyTo> {
        match std::mem::replace(&mut self.0, To::Nobody) {
            To::Nobody => None,
            To::Handle(oneshot) => {
                oneshot.put(outcome);
                None
            }
            To::Run(results) => {
                let follows = results.put(outcome, is_run_again);
                follows.then(|| ReplyTo(To::Run(results)))
            }
        }
    }

    /// From now on requests for the process go to this shard. Returns what was requested before.
    pub(crate) fn located(&self, shard: usize, id: Id) -> Intent {
        match &self.0 {
            To::Nobody => Intent::Run,
            To::Handle(oneshot) => oneshot.located(shard, id),
            To::Run(results) if results.is_stopped() => Intent::Cancel,
            To::Run(_) => Intent::Run,
        }
    }

    /// Whether this command is not to be started any more.
    pub(crate) fn is_unwanted(&self) -> bool {
        match &self.0 {
            To::Nobody => false,
            To::Handle(oneshot) => oneshot.is_unwanted(),
            To::Run(results) => results.is_stopped(),
        }
    }

    /// Whether its process may outlive the `Throng`.
    pub(crate) fn is_detached(&self) -> bool {
        matches!(&self.0, To::Handle(oneshot) if oneshot.is_detached())
    }

    pub(crate) fn is_handle(&self, oneshot: &Arc<Oneshot>) -> bool {
        matches!(&self.0, To::Handle(own) if Arc::ptr_eq(own, oneshot))
    }

    /// The unconsumed bytes of the run that the outcome goes to.
    pub(crate) fn unconsumed(&self) -> Option<&Arc<Unconsumed>> {
        match &self.0 {
            To::Nobody | To::Handle(_) => None,
            To::Run(results) => Some(results.unconsumed()),
        }
    }

    pub(crate) fn is_run(&self, results: &Arc<ResultQueue>) -> bool {
        matches!(&self.0, To::Run(own) if Arc::ptr_eq(own, results))
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        match &self.0 {
            To::Nobody => {}
            To::Handle(oneshot) => oneshot.lose(),
            To::Run(results) => results.lose(),
        }
    }
}
