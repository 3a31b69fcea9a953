//! Where an outcome goes: to the handle of its process, or to the run that it is part of.
//!
//! Invariant: a recipient hears exactly once. If it is dropped unheard, because a shard panicked,
//! it hears that the outcome is lost; nobody waits for ever.

use std::sync::Arc;

use crate::job::outcome::Outcome;
use crate::scheduler::cell::{Cell, Wish};
use crate::scheduler::results::Basket;
use crate::scheduler::untaken::Untaken;
use crate::slots::Id;

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

    pub(crate) fn deliver(mut self, outcome: Outcome) {
        match std::mem::replace(&mut self.0, To::Nobody) {
            To::Nobody => {}
            To::Handle(cell) => cell.put(outcome),
            To::Run(basket) => basket.put(outcome),
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
