//! One thread with its own mechanism and its own processes. It starts them, hears of them, and
//! hands their outcomes over; no process ever moves to another thread.
//!
//! Invariant: one start a turn. A start takes far longer than anything else here, so between two
//! of them everybody's output is looked at, and no process waits on a full pipe for long.

mod finish;
pub(crate) mod process;
mod requests;
pub(crate) mod suspension;
mod timer;
pub(crate) mod tries;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime};

use crate::capture::Capture;
use crate::job::command::Command;
use crate::job::outcome::Timing;
use crate::job::running::{Output, Stopped};
use crate::model::error::{Error, ErrorKind};
use crate::model::status::{Status, Usage};
use crate::model::stream::Stream;
use crate::model::verdict::Holder;
use crate::scheduler::cell::Wish;
use crate::scheduler::inner::{Inner, Request};
use crate::scheduler::job::Job;
use crate::scheduler::queue::Popped;
use crate::shard::process::{Action, Input, Limits, Machine};
use crate::shard::suspension::Clock;
use crate::shard::timer::{Alarm, Timers};
use crate::shard::tries::Tries;
use crate::slots::{Id, Slots};
use crate::sync::lock;
use crate::sys::Engine;
use crate::sys::api::{Event, Exit, StartError, Started};

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
    clock: Clock,
    /// Commands that could not be started for now. While one of them lacks something that others
    /// need as well, no job is taken from the queue; so there are more of those only if programs
    /// took long to load before that was known.
    pending: Vec<Pending>,
    /// There are commands, and this is when one may be started.
    look_again: Option<Instant>,
    /// There is none now, and this is when the first of those is due that are to be run later.
    due_at: Option<Instant>,
    /// Whether this shard sleeps where a command would find it, or did and has not looked since.
    may_be_parked: bool,
    /// Whether streams are left unread, and nothing is started.
    is_paused: bool,
    /// Processes whose grace period begins when streams are read again.
    graces_put_off: Vec<Id>,
    actions: Vec<Action>,
    closing: Option<Sender<OnlyDetachedLeft>>,
    done: Sender<OnlyDetachedLeft>,
}

/// A command that is about to be started.
#[derive(Debug)]
struct Pending {
    job: Job,
    /// Its number, where the command has asked for one.
    slot: Option<usize>,
    tries: Tries,
}

/// A process that has been started and is not finished.
#[derive(Debug)]
struct Live {
    job: Job,
    /// Its number, where the command has asked for one.
    slot: Option<usize>,
    machine: Machine,
    capture: Capture,
    process: Started,
    started: Instant,
    timing: Timing,
    exit: Option<Exit>,
    /// The attempts to start it.
    tries: Tries,
    /// The process itself, if it was given up.
    survivor: Option<Holder>,
    /// Whether its tree has been told to end, so that nothing of it may go on.
    signalled: bool,
    /// How long all had stood still before it started.
    stood_still_before: Duration,
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
            inner,
            engine,
            processes: Slots::new(),
            timers: Timers::default(),
            clock: Clock::default(),
            pending: Vec::new(),
            look_again: None,
            due_at: None,
            may_be_parked: false,
            is_paused: false,
            graces_put_off: Vec::new(),
            actions: Vec::new(),
            closing: None,
            done,
        }
    }

    /// Works until the `Throng` is gone and no process is left.
    pub(crate) fn run(mut self) {
        loop {
            self.take_requests();
            self.pause_or_resume();
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
        if self.clock.is_stopped() {
            return None;
        }
        let retries = self.pending.iter();
        let retry = retries.map(|pending| pending.tries.not_before()).min();
        let retry = retry.filter(|_| !self.is_paused);
        let next = [self.timers.next_at(), retry, self.look_again, self.due_at];
        let next = next.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Starts a process if there is room and a command. Says whether it is worth coming back at
    /// once.
    fn start_one(&mut self) -> bool {
        if self.clock.is_stopped() {
            return false;
        }
        let now = Instant::now();
        let waits = self.is_paused && !self.inner.is_cancelled();
        let due = |pending: &Pending| {
            let is_wanted = !self.is_unwanted(&pending.job);
            pending.tries.not_before() <= now && !(waits && is_wanted)
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

    /// Whether a job may be taken from the queue beside what runs and what is pending.
    fn may_take_job(&self) -> bool {
        let mut pending = self.pending.iter();
        let held_up = pending.any(|pending| pending.tries.holds_up_others());
        let count = self.processes.len() + self.pending.len();
        !held_up && self.inner.shares.has_room(self.index, count)
    }

    /// Takes a job from the queue, if there is one that may be started now.
    fn take_job(&mut self) -> Option<Job> {
        let is_cancelled = self.inner.is_cancelled();
        if !is_cancelled && self.look_again.is_some_and(|at| at > Instant::now()) {
            return None;
        }
        self.look_again = None;
        self.due_at = None;
        self.may_be_parked = false;
        match self.inner.queue.pop_or_park(self.index, !is_cancelled) {
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

    /// No job can be taken here, perhaps because the limit has become less, or a slow start has
    /// failed for now, while this shard was parked. What it may have been woken for is for another.
    fn pass_on(&mut self) {
        self.look_again = None;
        self.due_at = None;
        if std::mem::take(&mut self.may_be_parked)
            && let Some(other) = self.inner.queue.unpark(self.index)
        {
            self.inner.wake(other);
        }
    }

    fn is_unwanted(&self, job: &Job) -> bool {
        self.inner.is_cancelled() || job.recipient.is_unwanted()
    }

    /// Gives a job its slot and its last touches; none when those panicked.
    fn prepare(&mut self, mut job: Job) -> Option<Pending> {
        let wants_slot = job.command.wants_slot();
        let slot = wants_slot.then(|| lock(&self.inner.slots).take());
        if let (Some(number), Some(on_start)) = (slot, job.command.on_start.clone()) {
            let as_given = job.command.clone();
            job.command.on_start = None;
            let call = AssertUnwindSafe(|| on_start.call(&mut job.command, number));
            if catch_unwind(call).is_err() {
                self.give_back(slot);
                let program = job.command.program.to_string_lossy();
                let doing = format!("cannot start \"{program}\": its callback panicked");
                let error = Error::new(ErrorKind::Callback, doing);
                self.inner.refuse(job, error, 0);
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
            tries: Tries::new(Instant::now()),
        })
    }

    fn cancel_pending(&mut self, pending: Pending) {
        self.give_back(pending.slot);
        pending.job.cancel();
    }

    fn give_back(&self, slot: Option<usize>) {
        if let Some(number) = slot {
            lock(&self.inner.slots).give_back(number);
        }
    }

    fn start(&mut self, pending: Pending) -> bool {
        let Pending { job, slot, tries } = pending;
        let settings = &self.inner.settings;
        let limits = Limits {
            timeout: job.command.timeout,
            grace: job.command.grace.unwrap_or(settings.grace),
            kill: settings.kill.clone(),
            held: job.command.held.unwrap_or(settings.held),
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
            process: Started {
                pid: 0,
                is_loaded: false,
                is_contained: true,
            },
            started,
            timing,
            exit: None,
            tries,
            survivor: None,
            signalled: false,
            stood_still_before: self.clock.stood_still(started),
        });
        let live = self.processes.get_mut(id).expect("inserted just now");
        match self.engine.start(id, &live.job.command) {
            Ok(process) => {
                if process.is_loaded {
                    live.job.command.stdin.close();
                }
                live.process = process;
                live.timing.start_latency = tries.first.elapsed();
                let wish = live.job.recipient.located(self.index, id);
                self.inner.queue.add_live();
                self.carry_out(id, started);
                match wish {
                    Wish::GoOn | Wish::Detached => {}
                    Wish::Cancel => self.apply(id, Input::Cancel),
                    Wish::Kill => self.apply(id, Input::Kill),
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
            let others_may_start = !tries.holds_up_others();
            self.pending.push(Pending { job, slot, tries });
            return others_may_start;
        }
        self.give_up_start(Pending { job, slot, tries }, error);
        true
    }

    fn give_up_start(&mut self, pending: Pending, error: StartError) {
        let Pending { job, slot, tries } = pending;
        self.give_back(slot);
        job.command.stdin.close();
        let (StartError::Exhausted(error)
        | StartError::Hampered(error)
        | StartError::Busy(error)
        | StartError::Refused(error)) = error;
        self.inner.refuse(job, error, tries.retries);
    }

    fn handle_events(&mut self) {
        loop {
            self.pause_or_resume();
            let Some((id, event)) = self.engine.next() else {
                return;
            };
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
                    live.exited(exit);
                    Input::Exited
                }
                Event::HoldersNamed(holders) => Input::HoldersNamed(holders),
                Event::Loaded => {
                    live.job.command.stdin.close();
                    live.timing.start_latency = live.tries.first.elapsed();
                    continue;
                }
                Event::Stopped(signal) => {
                    live.tell_stopped(signal, &self.inner);
                    continue;
                }
                Event::NotStarted(error) => {
                    self.start_came_to_nothing(id, error);
                    continue;
                }
                Event::Cleared(survivors) => {
                    self.finish(id, survivors);
                    continue;
                }
            };
            self.apply(id, input);
        }
    }

    /// A program that was slow to load could not be loaded in the end.
    fn start_came_to_nothing(&mut self, id: Id, error: StartError) {
        let Some(live) = self.processes.remove(id) else {
            return;
        };
        self.engine.forget(id);
        self.inner.queue.remove_live();
        let is_wanted = live.machine.is_running();
        let Live {
            job, slot, tries, ..
        } = live;
        let pending = Pending { job, slot, tries };
        if is_wanted {
            self.start_failed(pending, error);
        } else {
            self.give_up_start(pending, error);
        }
    }

    fn fire_alarms(&mut self) {
        if self.timers.next_at().is_none() || self.clock.is_stopped() {
            return;
        }
        let now = Instant::now();
        while let Some((id, alarm)) = self.timers.pop_due(now) {
            let is_put_off = |live: &Live| self.is_paused && !live.machine.is_cut();
            if alarm == Alarm::Grace && self.processes.get(id).is_some_and(is_put_off) {
                self.graces_put_off.push(id);
                continue;
            }
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
            self.carry_out(id, self.clock.now());
        }
    }

    fn carry_out(&mut self, id: Id, now: Instant) {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Signal(signal) => {
                    if let Some(live) = self.processes.get_mut(id) {
                        live.signalled = true;
                    }
                    self.engine.signal(id, signal);
                }
                Action::SetAlarm(after, alarm) => {
                    // What is later than any clock goes never comes.
                    if let Some(at) = now.checked_add(after) {
                        self.timers.set(at, id, alarm);
                    }
                }
                Action::NameHolders => self.engine.name_holders(id),
                Action::Release(stream) => self.engine.stop(id, stream),
                Action::GiveUp => {
                    let exit = self.engine.give_up(id);
                    if let Some(live) = self.processes.get_mut(id) {
                        match exit {
                            // This thread was busy, and has not heard of it in time.
                            Some(exit) => live.exited(exit),
                            None => live.give_up(),
                        }
                    }
                }
                // What is left of a tree that was ended is cleared away first.
                Action::Finish => match self.processes.get(id) {
                    Some(live) if live.signalled => self.engine.clear(id),
                    _ => self.finish(id, Vec::new()),
                },
            }
        }
        self.actions = actions;
    }
}

impl Live {
    /// Keeps bytes and passes them to the callback; `false` when that panicked.
    fn take_output(&mut self, stream: Stream, bytes: &[u8], inner: &Inner) -> bool {
        let command: &Command = &self.job.command;
        let at = self.started.elapsed();
        if command.output == crate::job::command::Keep::All {
            let budget = &inner.settings.budget;
            self.capture
                .push(stream, bytes, at, command.limit(), budget);
        } else {
            self.capture.pass(stream, bytes.len());
        }
        let Some(callback) = &inner.settings.on_output else {
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

    /// Reports that the process was stopped. A panic of the callback is printed, and changes
    /// nothing.
    fn tell_stopped(&self, signal: i32, inner: &Inner) {
        let Some(callback) = &inner.settings.on_stopped else {
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

    fn exited(&mut self, exit: Exit) {
        self.exit = Some(exit);
        self.timing.wall = self.started.elapsed();
        // It may have ended before its program was loaded.
        self.job.command.stdin.close();
    }

    /// It was killed and does not end: for us, that is its end.
    fn give_up(&mut self) {
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
