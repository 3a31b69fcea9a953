//! Everything known of one finished process. Decides nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::capture::Capture;
use crate::job::command::Command;
use crate::model::error::Error;
use crate::model::status::{Cause, Status, Usage};
use crate::model::stream::Stream;
use crate::model::verdict::{Holder, Verdict};

/// The clock's side of an outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) started_at: SystemTime,
    pub(crate) wall: Duration,
    pub(crate) start_latency: Duration,
    pub(crate) start_retries: u32,
}

/// How it ended, or why it never began.
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

/// Everything known of one command that was run, or could not be.
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

    /// The place of the command among all that were given to the [`Throng`](crate::Throng), or to
    /// [`run`](crate::Throng::run), counted from 0.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Which attempt this was: 1, and one more each time that the command was
    /// [run again](crate::Next::RunAgain).
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether this is the last outcome of the command: it is not [run
    /// again](crate::Next::RunAgain).
    pub fn is_final(&self) -> bool {
        self.is_final
    }

    /// Whether the process was started and ended by itself with exit code 0, and, under
    /// [`Held::Fail`](crate::Held::Fail), no other process held its streams afterwards. What throng
    /// [has ended](Outcome::ended_by) did not succeed, whatever exit code it had: a program may
    /// catch the signal and exit with 0.
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

    /// How the process ended; `None` when it could not be started.
    pub fn status(&self) -> Option<Status> {
        match &self.termination {
            Termination::Ended { status, .. } => Some(*status),
            Termination::NotStarted(_) => None,
        }
    }

    /// Why the process could not be started.
    pub fn start_error(&self) -> Option<&Error> {
        match &self.termination {
            Termination::Ended { .. } => None,
            Termination::NotStarted(error) => Some(error),
        }
    }

    /// The process id that it had.
    pub fn pid(&self) -> Option<u32> {
        match &self.termination {
            Termination::Ended { pid, .. } => Some(*pid),
            Termination::NotStarted(_) => None,
        }
    }

    /// Why throng ended it; `None` when it ended by itself.
    pub fn ended_by(&self) -> Option<Cause> {
        match &self.termination {
            Termination::Ended { cause, .. } => *cause,
            Termination::NotStarted(_) => None,
        }
    }

    /// Whether it was ended because its time was over.
    pub fn timed_out(&self) -> bool {
        self.ended_by() == Some(Cause::Timeout)
    }

    /// What it wrote to stdout.
    ///
    /// # Panics
    ///
    /// Panics when the stream was spilled to a file that can neither be mapped nor read back,
    /// possibly for lack of memory. [`Capture::reader`] returns an error instead.
    pub fn stdout(&self) -> &[u8] {
        self.capture.stdout()
    }

    /// What it wrote to stderr.
    ///
    /// # Panics
    ///
    /// Panics when the stream was spilled to a file that can neither be mapped nor read back,
    /// possibly for lack of memory. [`Capture::reader`] returns an error instead.
    pub fn stderr(&self) -> &[u8] {
        self.capture.stderr()
    }

    /// Both streams in one, in the order in which they were read.
    ///
    /// # Panics
    ///
    /// Panics when there is no memory for the copy, or when a stream, or the order of the chunks,
    /// was spilled to a file that cannot be read back. [`Capture::merged_reader`] needs little
    /// memory, and returns an error instead.
    pub fn merged(&self) -> Vec<u8> {
        self.capture.merged()
    }

    /// The bytes of both streams and their order.
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    /// How the capture of a stream ended. Both are [`Verdict::Complete`] when the process could
    /// not be started: nothing was written, and nothing is missing.
    pub fn verdict(&self, stream: Stream) -> &Verdict {
        &self.verdicts[stream.index()]
    }

    /// Whether both captures are provably everything.
    pub fn is_complete(&self) -> bool {
        self.verdicts.iter().all(Verdict::is_complete)
    }

    /// Processes that were killed and were still alive a second later: descendants of the process,
    /// or the process itself, which wait for a device that does not answer, are frozen, or may not
    /// be killed by us; and descendants that keep starting others faster than they can be killed.
    /// Empty when nothing was killed.
    pub fn survivors(&self) -> &[Holder] {
        &self.survivors
    }

    /// What the process used; zero when it was not started.
    pub fn usage(&self) -> Usage {
        match &self.termination {
            Termination::Ended { usage, .. } => *usage,
            Termination::NotStarted(_) => Usage::default(),
        }
    }

    /// When the process started, or when starting it was given up.
    pub fn started_at(&self) -> SystemTime {
        self.timing.started_at
    }

    /// When the process ended, as far as we saw.
    pub fn ended_at(&self) -> SystemTime {
        self.timing.started_at + self.timing.wall
    }

    /// From the start of the process until we saw that it had ended. A time for which it was
    /// [suspended](crate::Throng::suspend) is a part of it.
    pub fn wall(&self) -> Duration {
        self.timing.wall
    }

    /// How long the start took: from the first attempt until the program was loaded, waiting for
    /// descriptors or processes to become free included.
    pub fn start_latency(&self) -> Duration {
        self.timing.start_latency
    }

    /// How often the start was tried again because the system had run out of something.
    pub fn start_retries(&self) -> u32 {
        self.timing.start_retries
    }

    /// How often a read of its streams was tried again because the system had run out of
    /// something; only Windows refuses reads.
    pub fn read_retries(&self) -> u32 {
        match &self.termination {
            Termination::Ended { read_retries, .. } => *read_retries,
            Termination::NotStarted(_) => 0,
        }
    }

    /// Whether all that the process started could have been ended with it. `false` on Windows when
    /// a job object that this program runs in forbids another; then a timeout or a cancel ends the
    /// process alone, and what it has started goes on. On Linux when a control group of its own
    /// was asked for and refused; then it is ended as without one.
    pub fn is_contained(&self) -> bool {
        match &self.termination {
            Termination::Ended { is_contained, .. } => *is_contained,
            Termination::NotStarted(_) => true,
        }
    }
}
