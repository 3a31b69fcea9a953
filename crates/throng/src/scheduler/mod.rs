//! Which shard starts which command, and when: the queue, each shard's quota of the job limit, the
//! requests of other threads to a shard, and where outcomes are delivered. Knows nothing about the
//! operating systems.

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
