//! Starts thousands of short-lived processes and captures all their output: every byte of the
//! stdout and stderr of each, separately and in order, with a verdict on whether the capture is
//! complete.
//!
//! ```
//! # fn main() -> Result<(), throng::Error> {
//! use throng::{Command, Stream, Throng, Verdict};
//!
//! let throng = Throng::builder().jobs(64).build()?;
//!
//! // One process: its handle is waited for, by blocking or as a future.
//! let mut command = Command::new("sh");
//! command.args(["-c", "echo out; echo err >&2; exit 3"]);
//! let outcome = throng.spawn(&command).wait()?;
//! assert_eq!(outcome.status().and_then(|s| s.code()), Some(3));
//! assert_eq!(outcome.stdout(), b"out\n");
//! assert_eq!(outcome.stderr(), b"err\n");
//! assert!(matches!(outcome.verdict(Stream::Stdout), Verdict::Complete));
//!
//! // Many: outcomes in the order in which processes finish, commands taken when there is room.
//! let commands = (0..1000).map(|n| Command::from_argv(["echo".to_string(), n.to_string()]));
//! assert_eq!(throng.run(commands).filter(|outcome| outcome.success()).count(), 1000);
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! ```text
//!  commands ──► Throng: queue, jobs limit ──► shard 0 .. n-1, one thread each
//!                                               │ slots[id] ── state machine ── capture
//!                                               │ timers (timeout, kill sequence, grace)
//!                                               ▼
//!                                             sys::Engine   start · wait · signal · stop
//!                                               │ Output(stream, bytes) | End(stream) | Exited
//!                                               ▼
//!  outcomes ◄── handle / iterator / callback ◄── Outcome
//! ```
//!
//! A shard takes a command, starts it, reads it and waits for it; no process moves between
//! threads, and the number of threads depends on the cores, not on the processes. A process is
//! finished when it has exited *and* both streams have verdicts, in either order.
//!
//! A process that fails is a result, an [`Outcome`]. An [`Error`] means that throng itself failed;
//! if a command cannot be started, the outcome contains the error.

#![deny(unsafe_code)]

mod capture;
mod job;
mod model;
mod pool;
mod scheduler;
mod shard;
mod slots;
mod sync;
#[expect(unsafe_code, reason = "the one place for it")]
mod sys;
#[doc(hidden)]
pub mod text;

pub use capture::{Capture, CaptureReader, Chunk, DroppedRange, MergedReader, Retain};
pub use job::command::{Command, Stdin};
pub use job::outcome::Outcome;
pub use job::running::{Output, Running, Stopped};
pub use job::stdin_pipe::StdinPipe;
pub use model::error::{Error, ErrorKind};
pub use model::kill::{KillSequence, ParseKillSequenceError, Signal};
pub use model::mechanism::Mechanism;
pub use model::status::{Cause, Status, Usage};
pub use model::stream::Stream;
pub use model::verdict::{Holder, OnHeld, ParseOnHeldError, Verdict};
pub use pool::builder::Builder;
pub use pool::handle::Process;
pub use pool::run::Run;
pub use pool::throng::Throng;
pub use scheduler::results::Next;
pub use sys::availability::{Availability, ParseMechanismError};
#[cfg(feature = "faults")]
#[doc(hidden)]
pub use sys::faults;
pub use sys::os;
