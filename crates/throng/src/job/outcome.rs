//! Everything known about one finished process. Decides nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::capture::Capture;
use crate::job::command::Command;
use crate::model::error::Error;
use crate::model::status::{Cause, Status, Usage};
use crate::model::stream::Stream;
use crate::model::verdict::{Holder, Verdict};

/// The times of an outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) started_at: SystemTime,
    pub(crate) wall: Duration,
    pub(crate) start_latency: Duration,
    pub(crate) start_retries: u32,
}

/// How the process ended, or why it was not started.
#[derive(Clone, Debug)]
pub(crate) enum Termination {
    Ended {
        pid: u32,
        status: Status,
        usage: Usage,
        cause: Option<Cause>,
        is_contained: bool,
        read_retries: u32,
        /// Whether a stream that is held makes it a failure.
        fails_when_held: bool,
    },
    NotStarted(Arc<Error>),
}

/// The result of one command: how its process ended and what it wrote, or why it was not started.
#[derive(Debug)]
pub struct Outcome {
    pub(crate) seq: u64,
    pub(crate) attempt: u32,
    pub(crate) is_final: bool,
    pub(crate) command: Box<Command>,
    pub(crate) termination: Termination,
    pub(crate) capture: Capture,
    pub(crate) verdicts: [Verdict; 2],
    pub(crate) survivors: Vec<Holder>,
    pub(crate) timing: Timing,
}

impl Outcome {
    pub(crate) fn not_started(
        seq: u64,
        command: Box<Command>,
        error: Error,
        retries: u32,
    ) -> Outcome {
        Outcome {
            seq,
            attempt: 1,
            is_final: true,
            command,
            termination: Termination::NotStarted(Arc::new(error)),
            capture: Capture::default(),
            verdicts: [Verdict::Complete, Verdict::Complete],
            survivors: Vec::new(),
            timing: Timing {
                started_at: SystemTime::now(),
                wall: Duration::ZERO,
                start_latency: Duration::ZERO,
                start_retries: retries,
            },
        }
    }

    /// The command that was run.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// The position of the command, counted from 0, among all that were given to the
    /// [`Throng`](crate::Throng), or to the same [`run`](crate::Throng::run).
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The number of this attempt, counted from 1; more than 1 if the command was
    /// [run again](crate::Next::RunAgain).
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether this is the last outcome of the command: it is not
    /// [run again](crate::Next::RunAgain).
    pub fn is_final(&self) -> bool {
        self.is_final
    }

    /// Whether the process was started, was not ended by throng, and exited with code 0; and, under
    /// [`OnHeld::Fail`](crate::OnHeld::Fail), no other process held its streams afterwards. A
    /// process that throng [ended](Outcome::ended_by) did not succeed, whatever its exit code: a
    /// program may catch the signal and exit with 0.
    pub fn success(&self) -> bool {
        let has_succeeded = self.status().is_some_and(Status::success);
        has_succeeded && self.ended_by().is_none() && !self.fails_by_holders()
    }

    fn fails_by_holders(&self) -> bool {
        let is_held = |verdict: &Verdict| matches!(verdict, Verdict::Held { .. });
        let fails_when_held = match &self.termination {
            Termination::Ended {
                fails_when_held, ..
            } => *fails_when_held,
            Termination::NotStarted(_) => false,
        };
        fails_when_held && self.verdicts.iter().any(is_held)
    }

    /// How the process ended; `None` if it was not started.
    pub fn status(&self) -> Option<Status> {
        match &self.termination {
            Termination::Ended { status, .. } => Some(*status),
            Termination::NotStarted(_) => None,
        }
    }

    /// Why the process was not started; `None` if it was.
    pub fn start_error(&self) -> Option<&Error> {
        match &self.termination {
            Termination::Ended { .. } => None,
            Termination::NotStarted(error) => Some(error),
        }
    }

    /// The id that the process had; `None` if it was not started.
    pub fn pid(&self) -> Option<u32> {
        match &self.termination {
            Termination::Ended { pid, .. } => Some(*pid),
            Termination::NotStarted(_) => None,
        }
    }

    /// Why throng ended the process; `None` if it ended by itself or was not started.
    pub fn ended_by(&self) -> Option<Cause> {
        match &self.termination {
            Termination::Ended { cause, .. } => *cause,
            Termination::NotStarted(_) => None,
        }
    }

    /// Whether throng ended the process because of its [timeout](crate::Command::timeout).
    pub fn timed_out(&self) -> bool {
        self.ended_by() == Some(Cause::Timeout)
    }

    /// What the process wrote to stdout.
    ///
    /// # Panics
    ///
    /// Panics if the stream was spilled to a file that can neither be mapped nor read back,
    /// possibly for lack of memory. [`Capture::reader`] returns an error instead.
    pub fn stdout(&self) -> &[u8] {
        self.capture.stdout()
    }

    /// What the process wrote to stderr.
    ///
    /// # Panics
    ///
    /// Panics if the stream was spilled to a file that can neither be mapped nor read back,
    /// possibly for lack of memory. [`Capture::reader`] returns an error instead.
    pub fn stderr(&self) -> &[u8] {
        self.capture.stderr()
    }

    /// Both streams in the order in which they were read. This copies.
    ///
    /// # Panics
    ///
    /// Panics if there is no memory for the copy, or if a stream or the order of the chunks was
    /// spilled to a file that cannot be read back. [`Capture::merged_reader`] needs little memory
    /// and returns an error instead.
    pub fn merged(&self) -> Vec<u8> {
        self.capture.merged()
    }

    /// The bytes of both streams and their order.
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    /// How the capture of a stream ended. [`Verdict::Complete`] for both if the process was not
    /// started, because nothing is missing.
    pub fn verdict(&self, stream: Stream) -> &Verdict {
        &self.verdicts[stream.index()]
    }

    /// Whether the captures of both streams are [complete](Verdict::Complete).
    pub fn is_complete(&self) -> bool {
        self.verdicts.iter().all(Verdict::is_complete)
    }

    /// The processes that were still alive one second after they were killed: descendants of the
    /// process, or the process itself, which wait for a device that does not respond, are frozen,
    /// or which this program has no permission to kill; and descendants that start others faster
    /// than they can be killed. Empty if all of them ended.
    pub fn survivors(&self) -> &[Holder] {
        &self.survivors
    }

    /// The resources that the process used; zero if it was not started.
    pub fn usage(&self) -> Usage {
        match &self.termination {
            Termination::Ended { usage, .. } => *usage,
            Termination::NotStarted(_) => Usage::default(),
        }
    }

    /// When the process was started, or when the attempt to start it was given up.
    pub fn started_at(&self) -> SystemTime {
        self.timing.started_at
    }

    /// When the end of the process was seen.
    pub fn ended_at(&self) -> SystemTime {
        self.timing.started_at + self.timing.wall
    }

    /// The time from the start of the process until its end was seen, including the time for which
    /// it was [suspended](crate::Throng::suspend).
    pub fn wall(&self) -> Duration {
        self.timing.wall
    }

    /// The duration of the start, from the first attempt until the program was loaded, including
    /// waits for descriptors or processes to become free.
    pub fn start_latency(&self) -> Duration {
        self.timing.start_latency
    }

    /// How often the start was retried because the system had run out of a resource.
    pub fn start_retries(&self) -> u32 {
        self.timing.start_retries
    }

    /// How often reads of its streams were retried because the system had run out of a resource;
    /// only Windows refuses reads.
    pub fn read_retries(&self) -> u32 {
        match &self.termination {
            Termination::Ended { read_retries, .. } => *read_retries,
            Termination::NotStarted(_) => 0,
        }
    }

    /// Whether everything that the process started could have been ended with it. `false` on
    /// Windows if the job object in which this program runs forbids another one; then a timeout or
    /// a cancel ends only the process itself, and its descendants go on. `false` on Linux if a
    /// control group for the command was requested and refused; then it is ended as without one.
    pub fn is_contained(&self) -> bool {
        match &self.termination {
            Termination::Ended { is_contained, .. } => *is_contained,
            Termination::NotStarted(_) => true,
        }
    }
}
