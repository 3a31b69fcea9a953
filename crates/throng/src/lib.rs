//! Starts thousands of little processes and captures everything they say: every byte of stdout and
//! stderr of each, apart and in order, with a verdict that says whether the capture is complete.
//!
//! ```
//! # fn main() -> Result<(), throng::Error> {
//! use throng::{Command, Stream, Throng, Verdict};
//!
//! let throng = Throng::builder().jobs(64).build()?;
//!
//! // One process: a handle to wait for, by blocking or as a future.
//! let mut command = Command::new("sh");
//! command.args(["-c", "echo out; echo err >&2; exit 3"]);
//! let outcome = throng.spawn(&command).wait()?;
//! assert_eq!(outcome.status().and_then(|s| s.code()), Some(3));
//! assert_eq!(outcome.stdout(), b"out\n");
//! assert_eq!(outcome.stderr(), b"err\n");
//! assert!(matches!(outcome.verdict(Stream::Stdout), Verdict::Complete));
//!
//! // Many: outcomes as they finish, commands taken as there is room.
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
//! threads, and the threads grow with cores, not with processes. A process is finished when it has
//! exited *and* both streams have verdicts, in either order.
//!
//! A failing process is a result: [`Outcome`]. [`Error`] means that throng failed, and a command
//! that cannot be started has it in its outcome.

#![deny(unsafe_code)]

mod budget;
mod builder;
mod capture;
mod command;
mod error;
mod handle;
mod inner;
mod kill;
mod lock;
mod mailbox;
mod mechanism;
mod outcome;
mod owner;
mod pipe_end;
mod process;
mod queue;
#[cfg(test)]
mod queue_tests;
mod recipient;
mod run;
mod running;
mod shard;
mod shares;
mod slots;
mod spill;
mod stream;
mod suspension;
mod sync;
#[expect(unsafe_code, reason = "the one place for it")]
mod sys;
#[doc(hidden)]
pub mod text;
mod throng;
mod timer;
mod tries;
mod verdict;

pub use builder::Builder;
pub use capture::{Capture, CaptureReader, Chunk, Gap, MergedReader, Part};
pub use command::{Command, Stdin};
pub use error::{Error, ErrorKind};
pub use handle::Process;
pub use inner::{Output, Stopped};
pub use kill::{KillSequence, ParseKillSequenceError, Signal};
pub use mechanism::{Mechanism, Survey, UnknownMechanism};
pub use outcome::{Cause, Outcome, Status, Usage};
pub use pipe_end::PipeEnd;
pub use run::{Next, Run};
pub use running::Running;
pub use stream::Stream;
#[cfg(feature = "faults")]
#[doc(hidden)]
pub use sys::faults;
pub use sys::os;
pub use throng::Throng;
pub use verdict::{Held, Holder, UnknownHeld, Verdict};
