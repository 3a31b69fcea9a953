//! The start of a process: which command is next, its last preparations, and what follows if the
//! system refuses to start it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

use super::Shard;
use super::live::Live;
use crate::capture::Capture;
use crate::job::outcome::Timing;
use crate::model::error::{Error, ErrorKind};
use crate::scheduler::job::Job;
use crate::scheduler::oneshot::Intent;
use crate::scheduler::queue::Popped;
use crate::shard::backoff::Backoff;
use crate::shard::process::{Input, Limits, Machine};
use crate::slots::Id;
use crate::sync::lock;
use crate::sys::api::StartError;

/// A command that is about to be started.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) job: Job,
    /// The number of its slot, if the command needs one.
    slot: Option<usize>,
    pub(super) backoff: Backoff,
}

impl Shard {
    /// Starts a process if there is room and a command. Returns whether another one may be started
    /// at once.
    pub(super) fn start_one(&mut self) -> bool {
        if self.timers.are_stopped() {
            return false;
        }
        let now = Instant::now();
        let waits = self.is_paused && !self.shared.is_cancelled();
        let due = |pending: &Pending| {
            let is_wanted = !self.is_unwanted(&pending.job);
            pending.backoff.not_before() <= now && !(waits && is_wanted)
        };
        let pending = match self.pending.iter().position(due) {
            Some(place) => self.pending.swap_remove(place),
            None if waits || !self.may_take_job() => {
                self.pass_on();
                return false;
            }
            None => match self.take_job() {
                Some(job) if self.is_unwanted(&job) => {
                    job.cancel();
                    return true;
                }
                Some(job) => match self.prepare(job) {
                    Some(pending) => pending,
                    None => return true,
                },
                None => return false,
            },
        };
        if self.is_unwanted(&pending.job) {
            self.cancel_pending(pending);
            return true;
        }
        self.start(pending)
    }

    /// Whether a job may be taken from the queue in addition to live and pending ones.
    fn may_take_job(&self) -> bool {
        let mut pending = self.pending.iter();
        let held_up = pending.any(|pending| pending.backoff.holds_up_others());
        let count = self.processes.len() + self.pending.len();
        !held_up && self.shared.quotas.has_room(self.index, count)
    }

    /// Takes a job from the queue, if there is one that may be started now.
    fn take_job(&mut self) -> Option<Job> {
        let is_cancelled = self.shared.is_cancelled();
        if !is_cancelled && self.look_again.is_some_and(|at| at > Instant::now()) {
            return None;
        }
        self.look_again = None;
        self.due_at = None;
        self.may_be_parked = false;
        match self.shared.queue.pop_or_park(self.index, !is_cancelled) {
            Popped::Job(job) => Some(job),
            Popped::NotYet(wait) => {
                self.look_again = Instant::now().checked_add(wait);
                None
            }
            Popped::Parked(due_at) => {
                self.due_at = due_at;
                self.may_be_parked = true;
                None
            }
        }
    }

    /// No job can be taken here, for example because the limit was lowered, or a slow start is to
    /// be retried, while this shard was parked. If it was woken for a job, another one takes it.
    fn pass_on(&mut self) {
        self.look_again = None;
        self.due_at = None;
        if std::mem::take(&mut self.may_be_parked)
            && let Some(other) = self.shared.queue.unpark(self.index)
        {
            self.shared.wake(other);
        }
    }

    fn is_unwanted(&self, job: &Job) -> bool {
        self.shared.is_cancelled() || job.reply_to.is_unwanted()
    }

    /// Gives a job its slot and calls its callback; `None` if that panicked.
    fn prepare(&mut self, mut job: Job) -> Option<Pending> {
        let wants_slot = job.command.wants_slot();
        let slot = wants_slot.then(|| lock(&self.shared.slots).take());
        if let (Some(number), Some(on_start)) = (slot, job.command.on_start.clone()) {
            let as_given = job.command.clone();
            job.command.on_start = None;
            let call = AssertUnwindSafe(|| on_start.call(&mut job.command, number));
            if catch_unwind(call).is_err() {
                self.give_back(slot);
                let program = job.command.program.to_string_lossy();
                let doing = format!("cannot start \"{program}\": its callback panicked");
                let error = Error::new(ErrorKind::Callback, doing);
                self.shared.refuse(job, error, 0);
                return None;
            }
            job.command.as_given = Some(as_given);
        }
        if let Some(number) = slot {
            job.command.set_slot(number);
        }
        Some(Pending {
            job,
            slot,
            backoff: Backoff::new(Instant::now()),
        })
    }

    pub(super) fn cancel_pending(&mut self, pending: Pending) {
        self.give_back(pending.slot);
        pending.job.cancel();
    }

    pub(super) fn give_back(&self, slot: Option<usize>) {
        if let Some(number) = slot {
            lock(&self.shared.slots).give_back(number);
        }
    }

    fn start(&mut self, pending: Pending) -> bool {
        let Pending { job, slot, backoff } = pending;
        let (started, started_at) = (Instant::now(), SystemTime::now());
        let id = self.processes.reserve();
        let process = match self.engine.start(id, &job.command) {
            Ok(process) => process,
            Err(error) => {
                self.processes.give_back(id);
                return self.start_failed(Pending { job, slot, backoff }, error);
            }
        };
        if process.is_loaded {
            job.command.stdin.close();
        }
        let settings = &self.shared.settings;
        let limits = Limits {
            timeout: job.command.timeout,
            grace: job.command.grace.unwrap_or(settings.grace),
            kill: settings.kill.clone(),
            held: job.command.held.unwrap_or(settings.held),
        };
        let intent = job.reply_to.located(self.index, id);
        self.shared.queue.add_live();
        let live = Live {
            job,
            slot,
            machine: Machine::new(limits, &mut self.actions),
            capture: Capture::default(),
            process,
            started,
            timed_from: started,
            timing: Timing {
                started_at,
                wall: Duration::ZERO,
                start_latency: backoff.first.elapsed(),
                start_retries: backoff.retries,
            },
            exit: None,
            backoff,
            survivor: None,
            signalled: false,
        };
        self.processes.fill(id, live);
        self.carry_out(id, started);
        match intent {
            Intent::Run | Intent::Detached => {}
            Intent::Cancel => self.apply(id, Input::Cancel),
            Intent::Kill => self.apply(id, Input::Kill),
        }
        true
    }

    fn start_failed(&mut self, pending: Pending, error: StartError) -> bool {
        let Pending { job, slot, backoff } = pending;
        if let Some(backoff) = backoff.again(&error, self.shared.queue.live(), Instant::now()) {
            let others_may_start = !backoff.holds_up_others();
            self.pending.push(Pending { job, slot, backoff });
            return others_may_start;
        }
        self.give_up_start(Pending { job, slot, backoff }, error);
        true
    }

    fn give_up_start(&mut self, pending: Pending, error: StartError) {
        let Pending { job, slot, backoff } = pending;
        self.give_back(slot);
        job.command.stdin.close();
        let (StartError::Exhausted(error)
        | StartError::Hampered(error)
        | StartError::Busy(error)
        | StartError::Refused(error)) = error;
        self.shared.refuse(job, error, backoff.retries);
    }

    /// A program that was slow to load could not be loaded.
    pub(super) fn start_came_to_nothing(&mut self, id: Id, error: StartError) {
        let Some(live) = self.processes.remove(id) else {
            return;
        };
        self.engine.forget(id);
        self.shared.queue.remove_live();
        let is_wanted = live.machine.is_running();
        let Live {
            job, slot, backoff, ..
        } = live;
        let pending = Pending { job, slot, backoff };
        if is_wanted {
            self.start_failed(pending, error);
        } else {
            self.give_up_start(pending, error);
        }
    }
}
