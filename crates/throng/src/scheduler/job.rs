//! A command on its way, and where its outcome goes: to the handle of its process, or to the run
//! that it is part of.
//!
//! Invariant: a recipient hears exactly once. If it is dropped unheard, because a shard panicked,
//! it hears that the outcome is lost; nobody waits for ever.

use std::sync::Arc;

use crate::job::command::Command;
use crate::job::outcome::Outcome;
use crate::model::error::{Error, ErrorKind};
use crate::scheduler::cell::{Cell, Wish};
use crate::scheduler::results::{Basket, Next};
use crate::scheduler::untaken::Untaken;
use crate::slots::Id;

/// A command and where its outcome goes.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) seq: u64,
    /// 1, and more when it is run again.
    pub(crate) attempt: u32,
    pub(crate) command: Box<Command>,
    pub(crate) recipient: Recipient,
}

impl Job {
    /// It will not be started. Its run does not judge that.
    pub(crate) fn cancel(self) {
        let program = self.command.program.to_string_lossy();
        let doing = format!("\"{program}\" was not started: cancelled");
        let error = Error::new(ErrorKind::Cancelled, doing);
        let (recipient, outcome) = self.not_started(error, 0);
        recipient.deliver(outcome, false);
    }

    /// The outcome of a command that could not be started, after this many retries.
    pub(crate) fn not_started(self, error: Error, retries: u32) -> (Recipient, Outcome) {
        let mut outcome = Outcome::not_started(self.seq, self.command, error, retries);
        outcome.attempt = self.attempt;
        (self.recipient, outcome)
    }
}

#[derive(Debug)]
pub(crate) struct Recipient(To);

#[derive(Debug)]
enum To {
    Nobody,
    Handle(Arc<Cell>),
    Run(Arc<Basket>),
}

impl Recipient {
    #[cfg(test)]
    pub(crate) fn nobody() -> Recipient {
        Recipient(To::Nobody)
    }

    pub(crate) fn handle(cell: Arc<Cell>) -> Recipient {
        Recipient(To::Handle(cell))
    }

    pub(crate) fn run(basket: Arc<Basket>) -> Recipient {
        Recipient(To::Run(basket))
    }

    /// What the run has to say about this outcome, which is about to be delivered.
    pub(crate) fn judge(&self, outcome: &Outcome) -> Next {
        match &self.0 {
            To::Nobody | To::Handle(_) => Next::GoOn,
            To::Run(basket) => basket.judge(outcome),
        }
    }

    /// Delivers the outcome. If another attempt follows, returns the recipient of that one, unless
    /// nobody waits for it any more.
    pub(crate) fn deliver(mut self, outcome: Outcome, is_run_again: bool) -> Option<Recipient> {
        match std::mem::replace(&mut self.0, To::Nobody) {
            To::Nobody => None,
            To::Handle(cell) => {
                cell.put(outcome);
                None
            }
            To::Run(basket) => {
                let follows = basket.put(outcome, is_run_again);
                follows.then(|| Recipient(To::Run(basket)))
            }
        }
    }

    /// The process has a place now, where requests for it can be sent. Returns what was asked of it
    /// before.
    pub(crate) fn located(&self, shard: usize, id: Id) -> Wish {
        match &self.0 {
            To::Nobody => Wish::GoOn,
            To::Handle(cell) => cell.located(shard, id),
            To::Run(basket) if basket.is_stopped() => Wish::Cancel,
            To::Run(_) => Wish::GoOn,
        }
    }

    /// Whether nobody wants this command to be started any more.
    pub(crate) fn is_unwanted(&self) -> bool {
        match &self.0 {
            To::Nobody => false,
            To::Handle(cell) => cell.is_unwanted(),
            To::Run(basket) => basket.is_stopped(),
        }
    }

    /// Whether its process may outlive the `Throng`.
    pub(crate) fn is_detached(&self) -> bool {
        matches!(&self.0, To::Handle(cell) if cell.is_detached())
    }

    pub(crate) fn is_handle(&self, cell: &Arc<Cell>) -> bool {
        matches!(&self.0, To::Handle(own) if Arc::ptr_eq(own, cell))
    }

    /// What is untaken of the run that the outcome goes to.
    pub(crate) fn untaken(&self) -> Option<&Arc<Untaken>> {
        match &self.0 {
            To::Nobody | To::Handle(_) => None,
            To::Run(basket) => Some(basket.untaken()),
        }
    }

    pub(crate) fn is_run(&self, basket: &Arc<Basket>) -> bool {
        matches!(&self.0, To::Run(own) if Arc::ptr_eq(own, basket))
    }
}

impl Drop for Recipient {
    fn drop(&mut self) {
        match &self.0 {
            To::Nobody => {}
            To::Handle(cell) => cell.lose(),
            To::Run(basket) => basket.lose(),
        }
    }
}
