//! What is reported about a process while it runs: to callbacks, and on request.

use std::time::{Duration, Instant};

use crate::job::command::Command;
use crate::model::stream::Stream;
use crate::slots::Id;

/// A piece of output, as passed to the [output callback](crate::Builder::on_output).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Output<'a> {
    /// The position of the command among all; see [`Outcome::seq`](crate::Outcome::seq).
    pub seq: u64,
    /// The command of the process that wrote it.
    pub command: &'a Command,
    /// The stream to which it was written.
    pub stream: Stream,
    /// The bytes; never empty, and not split at any particular place.
    pub bytes: &'a [u8],
    /// When they were read, counted from the start of the process; possibly after it exited.
    pub at: Duration,
}

pub(crate) type Callback = Box<dyn Fn(Output<'_>) + Send + Sync>;

/// A process that was stopped, as passed to the [callback](crate::Builder::on_stopped).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Stopped<'a> {
    /// The position of the command among all; see [`Outcome::seq`](crate::Outcome::seq).
    pub seq: u64,
    /// The command that the process runs.
    pub command: &'a Command,
    /// The process id.
    pub pid: u32,
    /// The number of the signal that stopped it: `SIGTTIN` (21 on Linux) if it tried to read
    /// from the terminal as a background job, `SIGTTOU` (22) if it tried to change the terminal.
    pub signal: i32,
}

pub(crate) type StoppedCallback = Box<dyn Fn(Stopped<'_>) + Send + Sync>;

/// A process that was running at the time of the request; see
/// [`Throng::running`](crate::Throng::running).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Running {
    /// The position of the command among all; see [`Outcome::seq`](crate::Outcome::seq).
    pub seq: u64,
    /// The number of the attempt; see [`Outcome::attempt`](crate::Outcome::attempt).
    pub attempt: u32,
    /// The process id.
    pub pid: u32,
    /// When it was started.
    pub started: Instant,
    /// The command that it runs.
    pub command: Command,
    pub(crate) place: (usize, Id),
    /// The pool that the shard belongs to.
    pub(crate) pool: u64,
}
