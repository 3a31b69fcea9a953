//! Which shard starts what, and when: the queue, each shard's share of the job limit, what other
//! threads ask of a shard, and where it delivers outcomes. Knows nothing of the systems.

pub(crate) mod job;
pub(crate) mod mailbox;
pub(crate) mod oneshot;
pub(crate) mod owner;
pub(crate) mod queue;
#[cfg(test)]
mod queue_tests;
pub(crate) mod quotas;
pub(crate) mod results;
pub(crate) mod shared;
pub(crate) mod unconsumed;
