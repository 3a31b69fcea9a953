//! A process that was started and is not finished: what is known about it, and what happens to its
//! output.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::capture::Capture;
use crate::job::command::Command;
use crate::job::outcome::Timing;
use crate::job::running::{Output, Stopped};
use crate::model::status::{Status, Usage};
use crate::model::stream::Stream;
use crate::model::verdict::Holder;
use crate::scheduler::job::Job;
use crate::scheduler::shared::Shared;
use crate::shard::backoff::Backoff;
use crate::shard::process::Machine;
use crate::sys::api::{Exit, Started};

/// A process that was started and is not finished.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) job: Job,
    /// The number of its slot, if the command needs one.
    pub(super) slot: Option<usize>,
    pub(super) machine: Machine,
    pub(super) capture: Capture,
    pub(super) process: Started,
    pub(super) started: Instant,
    /// The start, postponed by the time for which the process was suspended.
    pub(super) timed_from: Instant,
    pub(super) timing: Timing,
    pub(super) exit: Option<Exit>,
    /// The attempts to start it.
    pub(super) backoff: Backoff,
    /// The process itself, if it was given up.
    pub(super) survivor: Option<Holder>,
    /// Whether its process tree was signalled, so that nothing of it may be left.
    pub(super) signalled: bool,
}

impl Live {
    /// Captures bytes and passes them to the callback; `false` if that panicked.
    pub(super) fn take_output(&mut self, stream: Stream, bytes: &[u8], shared: &Shared) -> bool {
        let command: &Command = &self.job.command;
        let at = self.started.elapsed();
        if command.keeps_output {
            let budget = &shared.settings.budget;
            self.capture
                .push(stream, bytes, at, command.limit(), budget);
        } else {
            self.capture.pass(stream, bytes.len());
        }
        let Some(callback) = &shared.settings.on_output else {
            return true;
        };
        let output = Output {
            seq: self.job.seq,
            command,
            stream,
            bytes,
            at,
        };
        catch_unwind(AssertUnwindSafe(|| callback(output))).is_ok()
    }

    /// Reports that the process was stopped. A panic of the callback is printed and otherwise
    /// ignored.
    pub(super) fn tell_stopped(&self, signal: i32, shared: &Shared) {
        let Some(callback) = &shared.settings.on_stopped else {
            return;
        };
        let stopped = Stopped {
            seq: self.job.seq,
            command: &self.job.command,
            pid: self.process.pid,
            signal,
        };
        let _ = catch_unwind(AssertUnwindSafe(|| callback(stopped)));
    }

    pub(super) fn exited(&mut self, exit: Exit) {
        self.exit = Some(exit);
        self.timing.wall = self.started.elapsed();
        // It may have ended before its program was loaded.
        self.job.command.stdin.close();
    }

    /// It was killed and has not ended: it counts as ended from now on.
    pub(super) fn give_up(&mut self) {
        self.exited(Exit {
            status: Status::StillRunning,
            usage: Usage::default(),
        });
        let command = &self.job.command;
        let argv = std::iter::once(command.get_program()).chain(command.get_args());
        self.survivor = Some(Holder {
            pid: self.process.pid,
            argv: argv.map(ToOwned::to_owned).collect(),
            started: Some(self.timing.started_at),
        });
    }
}
