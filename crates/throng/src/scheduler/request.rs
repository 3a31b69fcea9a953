//! What other threads ask of a shard.

use std::sync::Arc;
use std::time::Duration;

use crate::scheduler::latch::Roll;
use crate::scheduler::results::Basket;
use crate::scheduler::running::Census;
use crate::slots::Id;

/// See the module.
#[derive(Debug)]
pub(crate) enum Request {
    /// End a process by the kill sequence.
    Cancel(Id),
    /// End a process now.
    Kill(Id),
    /// End the processes of a run that nobody listens to any more.
    CancelRun(Arc<Basket>),
    /// End all processes by the kill sequence, and start nothing more.
    CancelAll,
    /// End all processes now, and start nothing more.
    KillAll,
    /// Start nothing more.
    CancelQueue,
    /// End the processes that have run for longer than this.
    EndOlder(Duration),
    /// Count the processes.
    Tell(Arc<Census>),
    /// Start nothing, and have all processes and clocks stand still.
    Suspend(Arc<Roll>),
    /// Go on.
    Resume,
    /// The `Throng` is gone: leave when no process is left.
    Close,
}
