//! Ends the wait of a shard from another thread, in the way of its mechanism.

use std::sync::Arc;

use super::inbox::Inbox;
use super::port::Packets;

/// Where other threads leave news for a shard.
#[derive(Clone, Debug)]
pub(crate) enum Announce {
    Port(Arc<Packets>),
    Inbox(Arc<Inbox>),
}

#[derive(Clone, Debug)]
pub(crate) struct Waker(Announce);

impl Waker {
    pub(crate) fn new(announce: Announce) -> Waker {
        Waker(announce)
    }

    /// Ends the wait that is going on, or else the next one.
    pub(crate) fn wake(&self) {
        match &self.0 {
            Announce::Port(packets) => packets.wake(),
            Announce::Inbox(inbox) => inbox.wake(),
        }
    }
}
