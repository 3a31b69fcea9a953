//! The process tree: what a process has started, wherever it has gone, found, signalled, stopped,
//! ended.

mod attendant;
pub(super) mod census;
mod chase;
pub(super) mod group;
pub(super) mod groups;
mod hierarchy;
pub(super) mod holders;
pub(super) mod keeper;
mod marks;
pub(super) mod orphans;
pub(super) mod procfs;
pub(super) mod remains;
pub(super) mod search;
pub(super) mod standstill;
pub(super) mod sweep;
pub(super) mod tag;
