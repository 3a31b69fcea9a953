//! The end of a process: its outcome is put together and delivered.

use std::io;
use std::sync::Arc;

use super::Shard;
use super::live::Live;
use crate::job::command::Command;
use crate::job::outcome::Outcome;
use crate::job::outcome::Termination;
use crate::model::error::{Error, ErrorKind};
use crate::model::stream::Stream;
use crate::model::verdict::{Held, Holder, Verdict};
use crate::scheduler::job::Job;
use crate::slots::Id;

impl Shard {
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
        let fails_when_held = machine.held() == Held::Fail;
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
        Error::os(ErrorKind::Keep, doing, error)
    }
}
