//! What an engine announces and returns, on every system.

use std::io;
use std::time::Duration;

use crate::model::error::Error;
use crate::model::status::{Status, Usage};
use crate::model::stream::Stream;
use crate::model::verdict::Holder;

/// Something that happened to a process, as an engine announces it.
#[derive(Debug)]
#[cfg_attr(
    windows,
    expect(
        dead_code,
        reason = "there a start is over at once, and nothing is stopped"
    )
)]
pub(crate) enum Event<'engine> {
    /// Bytes, never none, in the order in which they were written to this stream.
    Output(Stream, &'engine [u8]),
    /// No more bytes come from this stream. Exactly once for each stream of each process.
    End(Stream, End),
    /// The process has exited. Exactly once for each process, before or after either end; but never
    /// for a process that was given up.
    Exited(Exit),
    /// The program of a process is loaded that was not when the start returned. If the process has
    /// exited before that was seen, its exit implies it.
    Loaded,
    /// The program could not be loaded, and the process has exited: no other event follows.
    NotStarted(StartError),
    /// A signal has stopped the process.
    Stopped(i32),
    /// The answer to `name_holders`: of stdout and of stderr.
    HoldersNamed([Vec<Holder>; 2]),
    /// The answer to `clear`: nothing is left except these, which do not end.
    Cleared(Vec<Holder>),
}

/// Why no more bytes come.
#[derive(Debug)]
pub(crate) enum End {
    /// All writers are gone and everything was read.
    Eof,
    /// The stream was released. What was in the pipe at that time has been announced.
    Released,
    /// The system refused to read on.
    Failed(io::Error),
}

/// How a process ended, and what it used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    pub(crate) status: Status,
    pub(crate) usage: Usage,
}

/// A process that has been started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    /// Whether its program is loaded. If not, the start may yet fail.
    pub(crate) is_loaded: bool,
    /// Whether all that it starts can be ended with it.
    pub(crate) is_contained: bool,
}

/// Why a process was not started.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The system has run out of something that comes back when processes end.
    Exhausted(Error),
    /// The same, but for this command's own program, directory or stdin: other commands may start
    /// all the same, so for this one it may never become free.
    Hampered(Error),
    /// The program is being written to; that passes within moments, or is a mistake.
    Busy(Error),
    /// This command cannot be started.
    Refused(Error),
}

/// How many processes can be captured at once.
#[derive(Clone, Debug)]
pub(crate) struct Capacity {
    pub(crate) processes: usize,
    /// By how many shards; not more than were asked for.
    pub(crate) shards: usize,
    /// What sets this limit, in words.
    pub(crate) limit: String,
}

/// The shorter of a timeout, where none is without end, and this limit.
pub(crate) fn at_most(timeout: Option<Duration>, limit: Duration) -> Option<Duration> {
    Some(timeout.map_or(limit, |timeout| timeout.min(limit)))
}

/// To be called when something is done.
pub(crate) type WhenDone = Box<dyn FnOnce() + Send>;
