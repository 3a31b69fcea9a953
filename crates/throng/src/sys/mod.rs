//! The seam. Everything that differs by operating system is below it, and so is every `unsafe`.
//!
//! A system supplies these names, and the constants at the end of this file hold it to their
//! signatures; above this file nothing asks which system it runs on.
//!
//! | name | what it is |
//! |---|---|
//! | `MECHANISMS` | the mechanisms there are, the preferred first |
//! | `probe` | whether this machine offers one, or why not |
//! | `shell_argv` | how the system's shell is asked to run a script |
//! | `Host` | what all shards share: the environment, the limits |
//! | `Host::room` | how many processes can be captured at once, and what limits that |
//! | `Engine` | one shard's mechanism, with all kernel objects of its processes |
//! | `Waker` | ends the `Engine::wait` of another thread |
//! | `signal_number` | what a [`Signal`] is called by the system |
//!
//! An engine only announces. It reads, it notices exits, it sends what it is told to send; what
//! any of it means is decided above, in `process.rs`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(not(target_os = "linux"))]
compile_error!("throng runs on Linux; this system has no folder under crates/throng/src/sys yet");

use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use system::{Engine, Host, MECHANISMS, Waker, probe, shell_argv};

use crate::slots::Id;
use crate::{Command, Error, Holder, Mechanism, Signal, Status, Stream, Usage};

/// Something that happened to a process, as an engine announces it.
#[derive(Debug)]
pub(crate) enum Event<'engine> {
    /// Bytes, never none, in the order in which they were written to this stream.
    Output(Stream, &'engine [u8]),
    /// No more bytes come from this stream. Exactly once for each stream of each process.
    End(Stream, End),
    /// The process has exited. Exactly once for each process, before or after either end.
    Exited(Exit),
}

/// Why no more bytes come.
#[derive(Debug)]
pub(crate) enum End {
    /// All writers are gone and everything was read.
    Eof,
    /// We were told to stop. What was in the pipe at that time has been announced.
    Stopped,
    /// The system refused to read on.
    Failed(io::Error),
}

/// How a process ended, and what it used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    pub(crate) status: Status,
    pub(crate) usage: Usage,
}

/// Why a process was not started.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The system has run out of something that comes back when processes end.
    Exhausted(Error),
    /// The program is being written to; that passes within moments, or is a mistake.
    Busy(Error),
    /// This command cannot be started.
    Refused(Error),
}

/// How many processes can be captured at once.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) processes: usize,
    /// By how many shards; not more than were asked for.
    pub(crate) shards: usize,
    /// What sets this limit, in words.
    pub(crate) limit: String,
}

const _: &[Mechanism] = MECHANISMS;
const _: fn(Mechanism) -> Result<(), String> = probe;
const _: fn(&OsStr) -> Vec<OsString> = shell_argv;
const _: fn() -> Result<Host, Error> = Host::new;
const _: fn(&Host, Mechanism, usize) -> Room = Host::room;
const _: fn(Mechanism, Arc<Host>) -> io::Result<Engine> = Engine::new;
const _: fn(&Engine) -> Waker = Engine::waker;
const _: fn(&mut Engine, Id, &Command) -> Result<u32, StartError> = Engine::start;
const _: fn(&mut Engine, Option<Duration>) -> io::Result<()> = Engine::wait;
const _: for<'e> fn(&'e mut Engine) -> Option<(Id, Event<'e>)> = Engine::next;
const _: fn(&mut Engine, Id, Stream) -> Vec<Holder> = Engine::holders;
const _: fn(&mut Engine, Id, Stream) = Engine::stop;
const _: fn(&mut Engine, Id, Signal) = Engine::signal;
const _: fn(&mut Engine, Id) = Engine::forget;
const _: fn(&Waker) = Waker::wake;
const _: fn(Signal) -> i32 = system::signal_number;
