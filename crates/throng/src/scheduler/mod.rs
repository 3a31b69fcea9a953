//! Which shard starts what, and when: the queue, each shard's share of the job limit, and what other
//! threads ask of a shard.

pub(crate) mod inner;
pub(crate) mod mailbox;
pub(crate) mod queue;
#[cfg(test)]
mod queue_tests;
pub(crate) mod recipient;
pub(crate) mod running;
pub(crate) mod shares;
