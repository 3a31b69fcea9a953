//! What callbacks are told of a process while it runs.

use std::time::Duration;

use crate::job::command::Command;
use crate::model::stream::Stream;

/// A piece of output, as the [output callback](crate::Builder::on_output) gets it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Output<'a> {
    /// The place of the command among all; see [`Outcome::seq`](crate::Outcome::seq).
    pub seq: u64,
    /// The command whose process wrote it.
    pub command: &'a Command,
    /// The stream that it was written to.
    pub stream: Stream,
    /// The bytes; never empty, and cut anywhere.
    pub bytes: &'a [u8],
    /// When they were read, counted from the start of the process, be it after its end.
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
    /// The number of the signal that has stopped it: `SIGTTIN` (21 on Linux) if it tried to read
    /// from the terminal as a background job, `SIGTTOU` (22) if it tried to change the terminal.
    pub signal: i32,
}

pub(crate) type StoppedCallback = Box<dyn Fn(Stopped<'_>) + Send + Sync>;
