//! One thread with its own mechanism and its own processes. It starts them, hears of them, and
//! hands their outcomes over; no process ever moves to another thread.
//!
//! Invariant: one start a turn. A start takes far longer than anything else here, so between two
//! of them everybody's output is looked at, and no process waits on a full pipe for long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime};

use crate::inner::{Inner, Output, Request};
use crate::outcome::{Ending, Timing};
use crate::process::{Action, Input, Limits, Machine};
use crate::queue::Job;
use crate::slots::{Id, SlotNumbers, Slots};
use crate::sys::{Engine, Event, Exit, StartError};
use crate::timer::Timers;
use crate::tries::Tries;
use crate::{Capture, Command, Error, ErrorKind, Outcome, Stream, Verdict};

/// Sent once, when the `Throng` is gone and only detached processes are left.
#[derive(Debug)]
pub(crate) struct OnlyDetachedLeft;

#[derive(Debug)]
pub(crate) struct Shard {
    index: usize,
    inner: Arc<Inner>,
    engine: Engine,
    processes: Slots<Live>,
    timers: Timers,
    numbers: SlotNumbers,
    /// A command that could not be started for want of something.
    pending: Option<Pending>,
    actions: Vec<Action>,
    closing: Option<Sender<OnlyDetachedLeft>>,
    done: Sender<OnlyDetachedLeft>,
}

/// A command that is about to be started.
#[derive(Debug)]
struct Pending {
    job: Job,
    slot: usize,
    tries: Tries,
}

/// A process that has been started and is not finished.
#[derive(Debug)]
struct Live {
    job: Job,
    slot: usize,
    machine: Machine,
    capture: Capture,
    pid: u32,
    started: Instant,
    timing: Timing,
    exit: Option<Exit>,
}

impl Shard {
    pub(crate) fn new(
        index: usize,
        inner: Arc<Inner>,
        engine: Engine,
        done: Sender<OnlyDetachedLeft>,
    ) -> Shard {
        Shard {
            index,
            numbers: SlotNumbers::from(inner.first_slot_of(index)),
            inner,
            engine,
            processes: Slots::new(),
            timers: Timers::default(),
            pending: None,
            actions: Vec::new(),
            closing: None,
            done,
        }
    }

    /// Works until the `Throng` is gone and no process is left.
    pub(crate) fn run(mut self) {
        loop {
            self.take_requests();
            let more = self.start_one();
            self.fire_alarms();
            if self.is_done() {
                return;
            }
            let timeout = if more {
                Some(Duration::ZERO)
            } else {
                self.time_to_next()
            };
            if let Err(error) = self.engine.wait(timeout) {
                panic!(
                    "shard {} cannot wait for its processes: {error}",
                    self.index
                );
            }
            self.handle_events();
        }
    }

    fn is_done(&mut self) -> bool {
        let Some(done) = &self.closing else {
            return false;
        };
        if self.processes.is_empty() {
            return true;
        }
        if self
            .processes
            .iter()
            .all(|(_, live)| live.job.recipient.is_detached())
        {
            // The receiver may have given up; that changes nothing.
            let _ = done.send(OnlyDetachedLeft);
        }
        false
    }

    fn time_to_next(&self) -> Option<Duration> {
        let retry = self
            .pending
            .as_ref()
            .map(|pending| pending.tries.not_before());
        let next = [self.timers.next_at(), retry].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn take_requests(&mut self) {
        for request in self.inner.take_requests(self.index) {
            match request {
                Request::Cancel(id) => self.apply(id, Input::Cancel),
                Request::Kill(id) => self.apply(id, Input::Kill),
                Request::CancelRun(basket) => {
                    self.apply_where(|job| job.recipient.is_run(&basket), || Input::Cancel);
                }
                Request::CancelAll => {
                    self.cancel_queue();
                    self.apply_where(|job| !job.recipient.is_detached(), || Input::Cancel);
                }
                Request::KillAll => {
                    self.cancel_queue();
                    self.apply_where(|job| !job.recipient.is_detached(), || Input::Kill);
                }
                Request::Close => self.closing = Some(self.done.clone()),
            }
        }
    }

    fn apply_where(&mut self, wanted: impl Fn(&Job) -> bool, input: impl Fn() -> Input) {
        let wanted = |(id, live): (Id, &Live)| wanted(&live.job).then_some(id);
        let ids: Vec<Id> = self.processes.iter().filter_map(wanted).collect();
        ids.into_iter().for_each(|id| self.apply(id, input()));
    }

    fn cancel_queue(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.cancel_pending(pending);
        }
        while let Some(job) = self.inner.queue.pop_to_cancel() {
            job.cancel();
        }
    }

    /// Starts a process if there is room and a command. Says whether it is worth coming back at
    /// once.
    fn start_one(&mut self) -> bool {
        if self.processes.len() >= self.inner.share_of(self.index) {
            return false;
        }
        let pending = match self.pending.take() {
            Some(pending) if pending.tries.not_before() > Instant::now() => {
                self.pending = Some(pending);
                return false;
            }
            Some(pending) => pending,
            None => match self.inner.queue.pop_or_park(self.index) {
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

    fn is_unwanted(&self, job: &Job) -> bool {
        self.inner.is_cancelled() || job.recipient.is_unwanted()
    }

    /// Gives a job its slot and its last touches; none when those panicked.
    fn prepare(&mut self, mut job: Job) -> Option<Pending> {
        let slot = self.numbers.take();
        if let Some(on_start) = job.command.on_start.take() {
            let call = AssertUnwindSafe(|| on_start.call(&mut job.command, slot));
            if catch_unwind(call).is_err() {
                self.numbers.give_back(slot);
                let program = job.command.program.to_string_lossy();
                let doing = format!("cannot start \"{program}\": its callback panicked");
                let error = Error::new(ErrorKind::Callback, doing);
                let outcome = Outcome::not_started(job.seq, job.command, error, 0);
                job.recipient.deliver(outcome);
                return None;
            }
        }
        Some(Pending {
            job,
            slot,
            tries: Tries::new(Instant::now()),
        })
    }

    fn cancel_pending(&mut self, pending: Pending) {
        self.numbers.give_back(pending.slot);
        pending.job.cancel();
    }

    fn start(&mut self, pending: Pending) -> bool {
        let Pending { job, slot, tries } = pending;
        let limits = Limits {
            timeout: job.command.timeout,
            grace: job.command.grace.unwrap_or(self.inner.grace),
            kill: self.inner.kill.clone(),
        };
        let machine = Machine::new(limits, &mut self.actions);
        let started = Instant::now();
        let timing = Timing {
            started_at: SystemTime::now(),
            wall: Duration::ZERO,
            start_latency: Duration::ZERO,
            start_retries: tries.retries,
        };
        let capture = Capture::default();
        let id = self.processes.insert(Live {
            job,
            slot,
            machine,
            capture,
            pid: 0,
            started,
            timing,
            exit: None,
        });
        let live = self.processes.get_mut(id).expect("inserted just now");
        match self.engine.start(id, &live.job.command) {
            Ok(pid) => {
                live.pid = pid;
                live.timing.start_latency = tries.first.elapsed();
                let wish = live.job.recipient.located(self.index, id);
                self.inner.queue.add_live();
                self.carry_out(id, started);
                if wish.is_some() {
                    self.apply(id, Input::Cancel);
                }
                true
            }
            Err(error) => {
                self.actions.clear();
                let live = self.processes.remove(id).expect("inserted just now");
                self.start_failed(
                    Pending {
                        job: live.job,
                        slot,
                        tries,
                    },
                    error,
                )
            }
        }
    }

    fn start_failed(&mut self, pending: Pending, error: StartError) -> bool {
        let Pending { job, slot, tries } = pending;
        if let Some(tries) = tries.again(&error, self.inner.queue.live(), Instant::now()) {
            self.pending = Some(Pending { job, slot, tries });
            return false;
        }
        self.numbers.give_back(slot);
        let Job {
            seq,
            command,
            recipient,
        } = job;
        let (StartError::Exhausted(error) | StartError::Busy(error) | StartError::Refused(error)) =
            error;
        recipient.deliver(Outcome::not_started(seq, command, error, tries.retries));
        true
    }

    fn handle_events(&mut self) {
        while let Some((id, event)) = self.engine.next() {
            let Some(live) = self.processes.get_mut(id) else {
                continue;
            };
            let input = match event {
                Event::Output(stream, bytes) => {
                    if live.take_output(stream, bytes, &self.inner) {
                        continue;
                    }
                    Input::CallbackPanicked(stream)
                }
                Event::End(stream, end) => Input::StreamEnded(stream, end),
                Event::Exited(exit) => {
                    live.exit = Some(exit);
                    live.timing.wall = live.started.elapsed();
                    Input::Exited
                }
            };
            self.apply(id, input);
        }
    }

    fn fire_alarms(&mut self) {
        if self.timers.next_at().is_none() {
            return;
        }
        let now = Instant::now();
        while let Some((id, alarm)) = self.timers.pop_due(now) {
            self.apply(id, Input::Alarm(alarm));
        }
        let processes = &self.processes;
        self.timers
            .sweep(processes.len(), |id| processes.get(id).is_some());
    }

    /// Tells a process's state machine what happened, and does what it says.
    fn apply(&mut self, id: Id, input: Input) {
        let Some(live) = self.processes.get_mut(id) else {
            return;
        };
        live.machine.on(input, &mut self.actions);
        if !self.actions.is_empty() {
            self.carry_out(id, Instant::now());
        }
    }

    fn carry_out(&mut self, id: Id, now: Instant) {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Signal(signal) => self.engine.signal(id, signal),
                Action::SetAlarm(after, alarm) => {
                    // What is later than any clock goes never comes.
                    if let Some(at) = now.checked_add(after) {
                        self.timers.set(at, id, alarm);
                    }
                }
                Action::Release(stream) => {
                    let holders = self.engine.holders(id, stream);
                    if let Some(live) = self.processes.get_mut(id) {
                        live.machine.held_by(stream, holders);
                    }
                    self.engine.stop(id, stream);
                }
                Action::Finish => self.finish(id),
            }
        }
        self.actions = actions;
    }

    fn finish(&mut self, id: Id) {
        let Some(live) = self.processes.remove(id) else {
            return;
        };
        self.engine.forget(id);
        self.numbers.give_back(live.slot);
        self.inner.queue.remove_live();
        if let Some(pending) = &mut self.pending {
            // What it had has become free.
            pending.tries.hurry();
        }
        let Live {
            job,
            machine,
            capture,
            pid,
            timing,
            exit,
            ..
        } = live;
        let (mut verdicts, cause) = machine.into_result();
        for stream in Stream::ALL {
            let dropped_bytes = capture.dropped_bytes(stream);
            let verdict = &mut verdicts[stream.index()];
            if verdict.is_complete() && dropped_bytes > 0 {
                *verdict = Verdict::Capped { dropped_bytes };
            }
        }
        let exit = exit.expect("a finished process has exited");
        let ending = Ending::Ended {
            pid,
            status: exit.status,
            usage: exit.usage,
            cause,
        };
        let Job {
            seq,
            command,
            recipient,
        } = job;
        recipient.deliver(Outcome {
            seq,
            command,
            ending,
            capture,
            verdicts,
            timing,
        });
    }
}

impl Live {
    /// Keeps bytes and passes them to the callback; `false` when that panicked.
    fn take_output(&mut self, stream: Stream, bytes: &[u8], inner: &Inner) -> bool {
        let command: &Command = &self.job.command;
        let at = self.started.elapsed();
        if command.output == crate::command::Keep::All {
            self.capture
                .push(stream, bytes, at, command.max_output.unwrap_or(u64::MAX));
        }
        let Some(callback) = &inner.on_output else {
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
}

impl Drop for Shard {
    /// When this thread panics, nobody is left waiting: what is queued is cancelled, and the
    /// recipients of its processes hear that their outcomes are lost.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.inner.cancel(|| Request::CancelAll);
            self.inner.close();
        }
    }
}
