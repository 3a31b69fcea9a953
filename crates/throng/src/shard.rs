//! One thread with its own mechanism and its own processes. It starts them, handles their events,
//! and delivers their outcomes; no process moves to another thread.
//!
//! Invariant: at most one start in each turn of the loop. A start takes far longer than anything
//! else, so the output of all processes is read between two starts, and no process is blocked by a
//! full pipe for long.

mod backoff;
mod live;
mod process;
mod requests;
mod starting;
mod timer;

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use self::live::Live;
use self::process::{Action, Input};
use self::starting::Pending;
use self::timer::{Alarm, Timers};
use crate::scheduler::shared::{Request, Shared};
use crate::slots::{Id, Slots};
use crate::sys::Engine;
use crate::sys::api::Event;

/// Sent when the `Throng` was dropped and only detached processes are left.
#[derive(Debug)]
pub(crate) struct OnlyDetachedLeft;

#[derive(Debug)]
pub(crate) struct Shard {
    index: usize,
    shared: Arc<Shared>,
    engine: Engine,
    processes: Slots<Live>,
    timers: Timers,
    /// Commands whose start is to be retried. While one of them lacks a resource that others need
    /// as well, no job is taken from the queue; there can be several such commands only if their
    /// programs were slow to load.
    pending: Vec<Pending>,
    /// There are commands, and the first may be started at this time.
    look_again: Option<Instant>,
    /// There is no command now, and the first delayed one is due at this time.
    due_at: Option<Instant>,
    /// Whether this shard is parked in the queue, or was and has not looked for a job since.
    may_be_parked: bool,
    /// Whether streams are not read, and nothing is started.
    is_paused: bool,
    /// Processes whose grace period begins when streams are read again.
    graces_put_off: Vec<Id>,
    actions: Vec<Action>,
    closing: Option<Sender<OnlyDetachedLeft>>,
    done: Sender<OnlyDetachedLeft>,
}

impl Shard {
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        engine: Engine,
        done: Sender<OnlyDetachedLeft>,
    ) -> Shard {
        Shard {
            index,
            shared,
            engine,
            processes: Slots::new(),
            timers: Timers::default(),
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

    /// Runs until the `Throng` was dropped and no process is left.
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
            .all(|(_, live)| live.job.reply_to.is_detached())
        {
            // The receiver may be gone.
            let _ = done.send(OnlyDetachedLeft);
        }
        false
    }

    fn time_to_next(&self) -> Option<Duration> {
        if self.timers.are_stopped() {
            return None;
        }
        let retries = self.pending.iter();
        let retry = retries.map(|pending| pending.backoff.not_before()).min();
        let retry = retry.filter(|_| !self.is_paused);
        let next = [self.timers.next_at(), retry, self.look_again, self.due_at];
        let next = next.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
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
                    if live.take_output(stream, bytes, &self.shared) {
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
                    live.timing.start_latency = live.backoff.first.elapsed();
                    continue;
                }
                Event::Stopped(signal) => {
                    live.tell_stopped(signal, &self.shared);
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

    fn fire_alarms(&mut self) {
        if self.timers.next_at().is_none() || self.timers.are_stopped() {
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
            .prune(processes.len(), |id| processes.get(id).is_some());
    }

    /// Passes an input to the state machine of a process, and carries out its actions.
    fn apply(&mut self, id: Id, input: Input) {
        let Some(live) = self.processes.get_mut(id) else {
            return;
        };
        live.machine.on(input, &mut self.actions);
        if !self.actions.is_empty() {
            self.carry_out(id, self.timers.now());
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
                    // An alarm that is later than the clock can count never goes off.
                    if let Some(at) = now.checked_add(after) {
                        self.timers.set(at, id, alarm);
                    }
                }
                Action::NameHolders => self.engine.name_holders(id),
                Action::Release(stream) => self.engine.release(id, stream),
                Action::GiveUp => {
                    let exit = self.engine.give_up(id);
                    if let Some(live) = self.processes.get_mut(id) {
                        match exit {
                            // It has exited, and this thread was too busy to be told.
                            Some(exit) => live.exited(exit),
                            None => live.give_up(),
                        }
                    }
                }
                // Descendants of a process that was ended are ended first.
                Action::Finish => match self.processes.get(id) {
                    Some(live) if live.signalled => self.engine.clear(id),
                    _ => self.finish(id, Vec::new()),
                },
            }
        }
        self.actions = actions;
    }
}

impl Drop for Shard {
    /// If this thread panics, no caller waits for ever: queued commands are cancelled, and the
    /// outcomes of its processes are reported as lost.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.cancel(|| Request::CancelAll);
            self.shared.close();
        }
    }
}
