//! The seam. Everything that differs by operating system is below it, and so is every `unsafe`.
//!
//! A system supplies these names, and the constants at the end of this file hold it to their
//! signatures; above this file nothing asks which system it runs on.
//!
//! | name | what it is |
//! |---|---|
//! | `MECHANISMS` | the mechanisms there are, the preferred first |
//! | `probe` | whether this machine offers one, or why not |
//! | `Host` | what all shards share: the environment, the limits |
//! | `Host::room` | how many processes can be captured at once, and what limits that |
//! | `Host::sweep` | ends what finished processes have left running |
//! | `Engine` | one shard's mechanism, with all kernel objects of its processes |
//! | `Waker` | ends the `Engine::wait` of another thread |
//! | `signal_number` | what a [`Signal`] is called by the system |
//!
//! `base`, `options` and `os` are doors of their own, with their own lists.
//!
//! An engine only announces. It reads, it notices exits, it sends what it is told to send; what
//! any of it means is decided above, in `process.rs`.

// For the mechanisms of Windows; its tests are for everybody.
pub(crate) mod base;
#[cfg(any(windows, test))]
mod lend;
pub(crate) mod mechanism;
pub(crate) mod options;
pub mod os;
mod unread;

#[doc(hidden)]
pub mod faults;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

#[cfg(not(any(target_os = "linux", windows)))]
compile_error!("this system has no folder in crates/throng/src/sys: throng has Linux and Windows");

use std::io;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "faults")]
pub(crate) use system::fault_of;
pub(crate) use system::{Engine, Host, MECHANISMS, Waker, probe};

use crate::capture::budget::Budget;
use crate::job::command::Command;
use crate::model::error::Error;
use crate::model::kill::{KillSequence, Signal};
use crate::model::status::{Status, Usage};
use crate::model::stream::Stream;
use crate::model::verdict::Holder;
use crate::slots::Id;
use crate::sys::mechanism::Mechanism;
use crate::sys::options::HostOptions;

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
pub(crate) struct Room {
    pub(crate) processes: usize,
    /// By how many shards; not more than were asked for.
    pub(crate) shards: usize,
    /// What sets this limit, in words.
    pub(crate) limit: String,
}

/// The shorter of a timeout, where none is without end, and this limit.
fn at_most(timeout: Option<Duration>, limit: Duration) -> Option<Duration> {
    Some(timeout.map_or(limit, |timeout| timeout.min(limit)))
}

/// To be called when something is done.
pub(crate) type WhenDone = Box<dyn FnOnce() + Send>;

#[cfg(feature = "faults")]
const _: fn(faults::Point, u64) -> Option<faults::Fault> = fault_of;
const _: &[Mechanism] = MECHANISMS;
const _: fn(Mechanism) -> Result<(), String> = probe;
const _: fn(&HostOptions, Arc<Budget>) -> Result<Host, Error> = Host::new;
const _: fn(&Host, Mechanism, usize) -> Room = Host::room;
const _: fn(&Host, &KillSequence) -> Result<Vec<Holder>, Error> = Host::sweep;
const _: fn(Mechanism, Arc<Host>) -> io::Result<Engine> = Engine::new;
const _: fn(&Engine) -> Waker = Engine::waker;
const _: fn(&mut Engine, Id, &Command) -> Result<Started, StartError> = Engine::start;
const _: fn(&mut Engine, Option<Duration>) -> io::Result<()> = Engine::wait;
const _: for<'e> fn(&'e mut Engine) -> Option<(Id, Event<'e>)> = Engine::next;
const _: fn(&mut Engine, Id) = Engine::name_holders;
const _: fn(&mut Engine, bool) = Engine::set_paused;
const _: fn(&mut Engine, Id, Stream) = Engine::stop;
const _: fn(&mut Engine, Id, Signal) = Engine::signal;
const _: fn(&mut Engine, &[Id], WhenDone) = Engine::suspend;
const _: fn(&mut Engine, &[Id]) = Engine::resume;
const _: fn(&mut Engine, Id) -> Option<Exit> = Engine::give_up;
const _: fn(&mut Engine, Id) = Engine::clear;
const _: fn(&mut Engine, Id) -> u32 = Engine::forget;
const _: fn(&Waker) = Waker::wake;
const _: fn(Signal) -> i32 = system::signal_number;
