//! The state machine of one started process. It is pure: inputs say what happened, actions say what
//! to do; it has no clock, no descriptors and no bytes.
//!
//! Invariant: a process is finished when it has exited and both streams have verdicts, in any
//! order, and not before.
//!
//! Invariant: only a process that was not asked to end is waited for without a limit. A stream that
//! is still open a grace period after the exit is released; a process that was asked to end is
//! killed, and given up if it does not end then. Under [`OnHeld::Wait`], which the user has to
//! choose, a held stream is waited for as well.

use std::sync::Arc;
use std::time::Duration;

use crate::model::error::{Error, ErrorKind};
use crate::model::kill::{KillSequence, Signal};
use crate::model::status::Cause;
use crate::model::stream::Stream;
use crate::model::verdict::{Holder, OnHeld, Verdict};
use crate::shard::timer::Alarm;
use crate::sys::api::End;

/// A process that was killed and does not end within this time waits for a device that does not
/// respond, is frozen, or cannot be killed for lack of permission.
const GIVE_UP_AFTER: Duration = Duration::from_secs(1);

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// No more bytes come from this stream.
    StreamEnded(Stream, End),
    /// The output callback panicked on bytes of this stream.
    CallbackPanicked(Stream),
    Exited,
    Alarm(Alarm),
    /// The answer to [`Action::NameHolders`]: of stdout and of stderr.
    HoldersNamed([Vec<Holder>; 2]),
    /// End it by the kill sequence.
    Cancel,
    /// Kill it now.
    Kill,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send this to the process and its process tree.
    Signal(Signal),
    SetAlarm(Duration, Alarm),
    /// Find out which processes hold its streams, and continue to read. The answer may be late, but
    /// must arrive.
    NameHolders,
    /// Stop reading this stream. Its end is announced as usual.
    Release(Stream),
    /// No exit was announced although it was killed. If it has not exited, it counts as exited; in
    /// either case no exit is announced later.
    GiveUp,
    /// The process is finished; there are no more inputs.
    Finish,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is running, and was not asked to end.
    Running,
    /// It is running, and the kill sequence has begun.
    Ending(KillProgress),
    /// It has exited; at least one stream is still open.
    Draining(Leftovers),
    /// It has exited and both streams have verdicts.
    Finished { cause: Option<Cause> },
}

/// What happens to processes that hold a stream of a process that has exited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leftovers {
    /// Nothing, until the grace period is over.
    IsLeft,
    /// The kill sequence of the process continues for the rest of its tree.
    Ends(KillProgress),
    /// The grace period is over, and the kill sequence is only for them: [`OnHeld::Kill`].
    IsCleared { next_step: usize },
}

impl Leftovers {
    fn cause(self) -> Option<Cause> {
        match self {
            Leftovers::Ends(progress) => Some(progress.cause),
            Leftovers::IsLeft | Leftovers::IsCleared { .. } => None,
        }
    }
}

/// Why a process is being ended, and the step of the kill sequence that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KillProgress {
    cause: Cause,
    next_step: usize,
}

#[derive(Debug)]
enum StreamState {
    /// Bytes may be read.
    Open,
    /// The release was requested; bytes may be read until the end is announced.
    Released {
        holders: Vec<Holder>,
    },
    Ended(Verdict),
}

/// The settings of a command, or those of the builder where the command has none.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) kill: Arc<KillSequence>,
    pub(crate) held: OnHeld,
}

#[derive(Debug)]
pub(crate) struct Machine {
    phase: Phase,
    streams: [StreamState; 2],
    callback_failed: [bool; 2],
    /// Whether the holders are being named.
    is_naming: bool,
    limits: Limits,
}

impl Machine {
    /// The machine of a process that was just started, and the first actions.
    pub(crate) fn new(limits: Limits, actions: &mut Vec<Action>) -> Machine {
        if let Some(timeout) = limits.timeout {
            actions.push(Action::SetAlarm(timeout, Alarm::Timeout));
        }
        let streams = [StreamState::Open, StreamState::Open];
        Machine {
            phase: Phase::Running,
            streams,
            callback_failed: [false; 2],
            is_naming: false,
            limits,
        }
    }

    /// Performs every transition there is.
    pub(crate) fn on(&mut self, input: Input, actions: &mut Vec<Action>) {
        match (self.phase, input) {
            (Phase::Finished { .. }, _) => {}

            (_, Input::StreamEnded(stream, end)) => {
                self.end_stream(stream, end);
                self.finish_if_done(actions);
            }
            (_, Input::CallbackPanicked(stream)) => self.callback_failed[stream.index()] = true,

            (Phase::Running, Input::Exited) => self.drain(Leftovers::IsLeft, actions),
            (Phase::Ending(progress), Input::Exited) => {
                self.drain(Leftovers::Ends(progress), actions)
            }

            (Phase::Running, Input::Alarm(Alarm::Timeout)) => self.end(Cause::Timeout, 0, actions),
            (Phase::Running, Input::Cancel) => self.end(Cause::Cancel, 0, actions),
            (Phase::Running, Input::Kill) => self.end(Cause::Cancel, usize::MAX, actions),
            (Phase::Ending(progress), Input::Alarm(Alarm::KillStep)) => {
                self.end(progress.cause, progress.next_step, actions);
            }
            (Phase::Ending(progress), Input::Kill) => self.end(progress.cause, usize::MAX, actions),
            (Phase::Ending(progress), Input::Alarm(Alarm::GiveUp)) => {
                actions.push(Action::GiveUp);
                self.phase = Phase::Draining(Leftovers::Ends(progress));
                self.release_all([Vec::new(), Vec::new()], actions);
                self.finish_if_done(actions);
            }
            (Phase::Draining(leftovers), Input::Alarm(alarm)) => {
                self.remind(leftovers, alarm, actions)
            }
            (Phase::Draining(leftovers), Input::Cancel | Input::Kill) => {
                let cause = leftovers.cause().unwrap_or(Cause::Cancel);
                let progress = self.take_last_step(cause, actions);
                self.phase = Phase::Draining(Leftovers::Ends(progress));
                self.release_all([Vec::new(), Vec::new()], actions);
            }
            (Phase::Draining(_), Input::HoldersNamed(holders)) if self.is_naming => {
                self.is_naming = false;
                self.release_all(holders, actions);
            }

            // An alarm or an answer that is no longer needed, or a request that is being carried
            // out already.
            (_, Input::Alarm(_) | Input::HoldersNamed(_) | Input::Cancel | Input::Exited) => {}
        }
    }

    /// An alarm of a process that has exited: its holders are ended, or its streams released.
    fn remind(&mut self, leftovers: Leftovers, alarm: Alarm, actions: &mut Vec<Action>) {
        let leftovers = match (leftovers, alarm) {
            (Leftovers::IsLeft, Alarm::Grace) if self.limits.held == OnHeld::Kill => {
                self.clear(0, actions)
            }
            (Leftovers::IsCleared { next_step }, Alarm::KillStep) => self.clear(next_step, actions),
            // Holders that are waited for have the time of the command.
            (Leftovers::IsLeft, Alarm::Timeout) if self.limits.held == OnHeld::Wait => {
                Leftovers::Ends(self.take_step_of_rest(Cause::Timeout, 0, actions))
            }
            (Leftovers::Ends(progress), Alarm::KillStep) => {
                Leftovers::Ends(self.take_step_of_rest(progress.cause, progress.next_step, actions))
            }
            (Leftovers::IsLeft | Leftovers::IsCleared { .. }, Alarm::Grace) => {
                if !std::mem::replace(&mut self.is_naming, true) {
                    actions.push(Action::NameHolders);
                }
                leftovers
            }
            (Leftovers::Ends(progress), Alarm::Grace) => {
                self.take_last_step(progress.cause, actions);
                self.release_all([Vec::new(), Vec::new()], actions);
                leftovers
            }
            (_, Alarm::Timeout | Alarm::GiveUp) | (Leftovers::IsLeft, Alarm::KillStep) => leftovers,
        };
        self.phase = Phase::Draining(leftovers);
    }

    /// Whether no exit was announced and it was not asked to end.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether it was ended, so that its output is cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.cause().is_some()
    }

    /// How long streams may stay open after the process has exited.
    pub(crate) fn grace(&self) -> Duration {
        self.limits.grace
    }

    /// What is done about a stream that is held.
    pub(crate) fn on_held(&self) -> OnHeld {
        self.limits.held
    }

    /// The verdicts of a finished process, and why it was ended if it was.
    pub(crate) fn into_result(self) -> ([Verdict; 2], Option<Cause>) {
        let cause = match self.phase {
            Phase::Finished { cause } => cause,
            phase => unreachable!("only a finished process has a result, not one in {phase:?}"),
        };
        let verdicts = self.streams.map(|state| match state {
            StreamState::Ended(verdict) => verdict,
            state => unreachable!("the streams of a finished process have ended, not {state:?}"),
        });
        (verdicts, cause)
    }

    fn cause(&self) -> Option<Cause> {
        match self.phase {
            Phase::Running => None,
            Phase::Ending(progress) => Some(progress.cause),
            Phase::Draining(leftovers) => leftovers.cause(),
            Phase::Finished { cause } => cause,
        }
    }

    /// Takes a step to end a process that has not exited; some time after the last step the process
    /// is given up.
    fn end(&mut self, cause: Cause, step: usize, actions: &mut Vec<Action>) {
        self.phase = Phase::Ending(self.take_step(cause, step, actions));
        if self.limits.kill.step(step).1.is_none() {
            actions.push(Action::SetAlarm(GIVE_UP_AFTER, Alarm::GiveUp));
        }
    }

    fn take_step(&self, cause: Cause, step: usize, actions: &mut Vec<Action>) -> KillProgress {
        let (signal, wait) = self.limits.kill.step(step);
        actions.push(Action::Signal(signal));
        if let Some(wait) = wait {
            actions.push(Action::SetAlarm(wait, Alarm::KillStep));
        }
        KillProgress {
            cause,
            next_step: step.saturating_add(1),
        }
    }

    fn take_last_step(&self, cause: Cause, actions: &mut Vec<Action>) -> KillProgress {
        self.take_step(cause, usize::MAX, actions)
    }

    /// A step for the rest of a tree; after the last one there is another grace period.
    fn take_step_of_rest(
        &self,
        cause: Cause,
        step: usize,
        actions: &mut Vec<Action>,
    ) -> KillProgress {
        let progress = self.take_step(cause, step, actions);
        if self.limits.kill.step(step).1.is_none() {
            actions.push(Action::SetAlarm(self.limits.grace, Alarm::Grace));
        }
        progress
    }

    fn clear(&self, step: usize, actions: &mut Vec<Action>) -> Leftovers {
        // The cause is not used: the process itself has ended by itself.
        let KillProgress { next_step, .. } = self.take_step_of_rest(Cause::Cancel, step, actions);
        Leftovers::IsCleared { next_step }
    }

    fn drain(&mut self, leftovers: Leftovers, actions: &mut Vec<Action>) {
        self.phase = Phase::Draining(leftovers);
        self.finish_if_done(actions);
        let waits = self.limits.held == OnHeld::Wait && leftovers == Leftovers::IsLeft;
        if matches!(self.phase, Phase::Draining(_)) && !waits {
            actions.push(Action::SetAlarm(self.limits.grace, Alarm::Grace));
        }
    }

    fn release_all(&mut self, holders: [Vec<Holder>; 2], actions: &mut Vec<Action>) {
        for (stream, holders) in Stream::ALL.into_iter().zip(holders) {
            let state = &mut self.streams[stream.index()];
            if matches!(state, StreamState::Open) {
                *state = StreamState::Released { holders };
                actions.push(Action::Release(stream));
            }
        }
    }

    fn end_stream(&mut self, stream: Stream, end: End) {
        let cut = self.is_cut();
        let state = &mut self.streams[stream.index()];
        let verdict = match (end, std::mem::replace(state, StreamState::Open)) {
            (_, StreamState::Ended(verdict)) => verdict,
            (_, _) if self.callback_failed[stream.index()] => failed(Error::new(
                ErrorKind::Callback,
                format!("the callback for {stream} panicked"),
            )),
            (End::Failed(error), _) => failed(Error::os(
                ErrorKind::Read,
                format!("cannot read {stream}"),
                error,
            )),
            (_, _) if cut => Verdict::Cut,
            (End::Eof, _) => Verdict::Complete,
            (End::Released, StreamState::Released { holders }) => Verdict::Held { holders },
            // The engine released it by itself, while reading was paused.
            (End::Released, StreamState::Open) => Verdict::Held {
                holders: Vec::new(),
            },
        };
        *state = StreamState::Ended(verdict);
    }

    fn finish_if_done(&mut self, actions: &mut Vec<Action>) {
        let Phase::Draining(leftovers) = self.phase else {
            return;
        };
        if self
            .streams
            .iter()
            .all(|state| matches!(state, StreamState::Ended(_)))
        {
            self.phase = Phase::Finished {
                cause: leftovers.cause(),
            };
            if leftovers != Leftovers::IsLeft {
                // Processes of its tree may have closed both streams and still run.
                actions.push(Action::Signal(Signal::Kill));
            }
            actions.push(Action::Finish);
        }
    }
}

fn failed(error: Error) -> Verdict {
    Verdict::Failed(Arc::new(error))
}

#[cfg(test)]
mod tests;
