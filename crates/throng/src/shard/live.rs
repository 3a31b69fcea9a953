//! A process that was started and is not finished: what is known about it, what happens to its
//! output, and in the end its outcome.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::Shard;
use crate::capture::Capture;
use crate::job::command::Command;
use crate::job::outcome::{Outcome, Termination, Timing};
use crate::job::running::{Output, Stopped};
use crate::model::error::{Error, ErrorKind};
use crate::model::status::{Status, Usage};
use crate::model::stream::Stream;
use crate::model::verdict::{Holder, OnHeld, Verdict};
use crate::scheduler::job::Job;
use crate::scheduler::shared::Shared;
use crate::shard::backoff::Backoff;
use crate::shard::process::Machine;
use crate::slots::Id;
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

impl Shard {
    /// Delivers the outcome of a process, of which only these are left.
    pub(super) fn finish(&mut self, id: Id, survivors: Vec<Holder>) {
        let Some(live) = self.processes.remove(id) else {
            return;
        };
        let read_retries = self.engine.forget(id);
        self.give_back(live.slot);
        self.shared.queue.remove_live();
        // The resources that the process had in use are free again.
        let waiting = self.pending.iter_mut();
        waiting.for_each(|pending| pending.backoff.hurry());
        let Live {
            job,
            machine,
            mut capture,
            process,
            timing,
            exit,
            survivor,
            ..
        } = live;
        let mut survivors = survivors;
        survivors.extend(survivor);
        let fails_when_held = machine.on_held() == OnHeld::Fail;
        capture.close(&self.shared.settings.budget);
        let (mut verdicts, cause) = machine.into_result();
        for stream in Stream::ALL {
            let verdict = &mut verdicts[stream.index()];
            let dropped_bytes = capture.dropped_bytes(stream);
            if job.command.os.inherits_output() {
                *verdict = Verdict::Inherited;
            } else if let Some(error) = capture.failure(stream) {
                let error = self.cannot_keep(stream, &job.command, error);
                *verdict = Verdict::Failed(Arc::new(error));
            } else if verdict.is_complete() && dropped_bytes > 0 {
                *verdict = Verdict::Capped { dropped_bytes };
            }
        }
        let exit = exit.expect("a finished process has exited");
        let termination = Termination::Ended {
            pid: process.pid,
            status: exit.status,
            usage: exit.usage,
            cause,
            is_contained: process.is_contained,
            read_retries,
            fails_when_held,
        };
        let Job {
            seq,
            attempt,
            command,
            reply_to,
        } = job;
        let outcome = Outcome {
            seq,
            attempt,
            is_final: true,
            command,
            termination,
            capture,
            verdicts,
            survivors,
            timing,
        };
        self.shared.deliver(reply_to, outcome);
    }

    fn cannot_keep(&self, stream: Stream, command: &Command, error: io::Error) -> Error {
        let program = command.program.to_string_lossy();
        let dir = self.shared.settings.budget.dir();
        let doing = format!("cannot keep {stream} of \"{program}\" in {}", dir.display());
        Error::os(ErrorKind::Storage, doing, error)
    }
}
