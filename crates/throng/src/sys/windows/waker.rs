//! Ends the wait of a shard from another thread, in the way of its mechanism.

use super::exits::Announce;

#[derive(Clone, Debug)]
pub(crate) struct Waker(Announce);

impl Waker {
    pub(super) fn new(announce: Announce) -> Waker {
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
