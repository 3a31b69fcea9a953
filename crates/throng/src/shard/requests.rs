//! Carries out the requests of other threads.

use std::time::{Duration, Instant};

use super::Shard;
use super::live::Live;
use crate::job::running::Running;
use crate::scheduler::job::Job;
use crate::scheduler::shared::Request;
use crate::shard::process::Input;
use crate::shard::timer::Alarm;
use crate::slots::Id;
use crate::sys::api::WhenDone;

impl Shard {
    /// Stops reading streams, or reads them again, as last requested.
    pub(super) fn pause_or_resume(&mut self) {
        let is_paused = self.shared.is_paused();
        if is_paused == self.is_paused {
            return;
        }
        self.is_paused = is_paused;
        self.engine.set_paused(is_paused);
        let now = self.timers.now();
        for id in self.graces_put_off.drain(..) {
            let Some(live) = self.processes.get(id) else {
                continue;
            };
            if let Some(at) = now.checked_add(live.machine.grace()) {
                self.timers.set(at, id, Alarm::Grace);
            }
        }
    }

    pub(super) fn take_requests(&mut self) {
        for request in self.shared.take_requests(self.index) {
            match request {
                Request::Cancel(id) => self.apply(id, Input::Cancel),
                Request::Kill(id) => self.apply(id, Input::Kill),
                Request::CancelRun(results) => {
                    self.apply_where(|job| job.reply_to.is_run(&results), || Input::Cancel);
                }
                Request::CancelAll => {
                    self.resume();
                    self.cancel_queue();
                    self.apply_where(|job| !job.reply_to.is_detached(), || Input::Cancel);
                }
                Request::KillAll => {
                    self.resume();
                    self.cancel_queue();
                    self.apply_where(|job| !job.reply_to.is_detached(), || Input::Kill);
                }
                Request::CancelQueue => self.cancel_queue(),
                Request::EndOlder(than) => self.end_older(than),
                // The caller may have stopped waiting for the answer.
                Request::Tell(limit, answer) => drop(answer.send(self.oldest(limit))),
                Request::Suspend(answer) => {
                    self.suspend(Box::new(move || answer.send(()).unwrap_or_default()));
                }
                Request::Resume => self.resume(),
                Request::Close => {
                    self.resume();
                    self.closing = Some(self.done.clone());
                }
            }
        }
    }

    fn suspend(&mut self, done: WhenDone) {
        self.timers.stop(Instant::now());
        let ids = self.ids();
        self.engine.suspend(&ids, done);
    }

    /// Continues as if no time had passed since [`suspend`](Shard::suspend).
    fn resume(&mut self) {
        let Some(pause) = self.timers.resume(Instant::now()) else {
            return;
        };
        for (_, live) in self.processes.iter_mut() {
            live.timed_from += pause;
        }
        let ids = self.ids();
        self.engine.resume(&ids);
    }

    fn ids(&self) -> Vec<Id> {
        self.processes.iter().map(|(id, _)| id).collect()
    }

    fn apply_where(&mut self, wanted: impl Fn(&Job) -> bool, input: impl Fn() -> Input) {
        let wanted = |(id, live): (Id, &Live)| wanted(&live.job).then_some(id);
        let ids: Vec<Id> = self.processes.iter().filter_map(wanted).collect();
        ids.into_iter().for_each(|id| self.apply(id, input()));
    }

    fn cancel_queue(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            self.cancel_pending(pending);
        }
        while let Some(job) = self.shared.queue.pop_to_cancel() {
            job.cancel();
        }
    }

    fn end_older(&mut self, than: Duration) {
        let now = self.timers.now();
        let older = |(id, live): (Id, &Live)| {
            let has_run = now.saturating_duration_since(live.timed_from);
            (has_run > than).then_some(id)
        };
        let ids: Vec<Id> = self.processes.iter().filter_map(older).collect();
        ids.into_iter()
            .for_each(|id| self.apply(id, Input::Alarm(Alarm::Timeout)));
    }

    /// The running processes, the oldest first, up to this many.
    fn oldest(&self, limit: usize) -> Vec<Running> {
        let processes = self.processes.iter();
        // One that has exited is not running, even if its streams are held.
        let running = processes.filter(|(_, live)| live.exit.is_none());
        let mut started: Vec<_> = running.map(|(id, live)| (live.started, id)).collect();
        started.sort_unstable();
        let oldest = started.into_iter().take(limit);
        let tell = |(started, id)| {
            let live = self.processes.get(id)?;
            Some(Running {
                seq: live.job.seq,
                attempt: live.job.attempt,
                pid: live.process.pid,
                started,
                command: (*live.job.command).clone(),
                place: (self.index, id),
                pool: self.shared.id,
            })
        };
        oldest.filter_map(tell).collect()
    }
}
