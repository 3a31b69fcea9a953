//! What becomes of one started process: the state machine, pure. It is told what happened and
//! says what to do; it knows no clock, no descriptor and no bytes.
//!
//! Invariant: a process is finished when it has exited and both streams have verdicts, in
//! whatever order that comes about, and not before.
//!
//! Invariant: nothing is waited for without end but the process itself. A stream that is open a
//! grace period after the exit is released, and a process that was asked to end is killed.

use std::sync::Arc;
use std::time::Duration;

use crate::sys::End;
use crate::timer::Alarm;
use crate::{Cause, Error, ErrorKind, Holder, KillSequence, Signal, Stream, Verdict};

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// No more bytes come from this stream.
    StreamEnded(Stream, End),
    /// The output callback panicked on bytes of this stream.
    CallbackPanicked(Stream),
    Exited,
    Alarm(Alarm),
    /// End it by the kill sequence.
    Cancel,
    /// End it now.
    Kill,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send this to the process and all of its group.
    Signal(Signal),
    SetAlarm(Duration, Alarm),
    /// Find out who holds this stream, then stop reading it. Its end is announced as any other.
    Release(Stream),
    /// The process is finished; nothing more comes of it.
    Finish,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It runs, and nobody has asked it to end.
    Running,
    /// It runs, and we are ending it.
    Ending(Ending),
    /// It has exited, by itself or not; at least one stream is still open. If we are ending it, the
    /// kill sequence goes on for the rest of its group.
    Draining { ending: Option<Ending> },
    /// It has exited and both streams have verdicts.
    Finished { cause: Option<Cause> },
}

/// Why a process is being ended, and the step of the kill sequence that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ending {
    cause: Cause,
    next_step: usize,
}

#[derive(Debug)]
enum Tap {
    /// Bytes may come.
    Open,
    /// We have asked to stop reading; bytes may come until the end is announced.
    Released {
        holders: Vec<Holder>,
    },
    Ended(Verdict),
}

/// The settings of a command, with the builder's where it has none of its own.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) kill: Arc<KillSequence>,
}

#[derive(Debug)]
pub(crate) struct Machine {
    phase: Phase,
    taps: [Tap; 2],
    callback_failed: [bool; 2],
    limits: Limits,
}

impl Machine {
    /// A process that has just been started, and what to do first.
    pub(crate) fn new(limits: Limits, actions: &mut Vec<Action>) -> Machine {
        if let Some(timeout) = limits.timeout {
            actions.push(Action::SetAlarm(timeout, Alarm::Timeout));
        }
        let taps = [Tap::Open, Tap::Open];
        Machine {
            phase: Phase::Running,
            taps,
            callback_failed: [false; 2],
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

            (Phase::Running, Input::Exited) => self.drain(None, actions),
            (Phase::Ending(ending), Input::Exited) => self.drain(Some(ending), actions),

            (Phase::Running, Input::Alarm(Alarm::Timeout)) => {
                self.phase = Phase::Ending(self.take_step(Cause::Timeout, 0, actions));
            }
            (Phase::Running, Input::Cancel) => {
                self.phase = Phase::Ending(self.take_step(Cause::Cancel, 0, actions));
            }
            (Phase::Running, Input::Kill) => {
                self.phase = Phase::Ending(self.take_last_step(Cause::Cancel, actions));
            }
            (Phase::Ending(ending), Input::Alarm(Alarm::KillStep)) => {
                let ending = self.take_step(ending.cause, ending.next_step, actions);
                self.phase = Phase::Ending(ending);
            }
            (Phase::Ending(ending), Input::Kill) => {
                self.phase = Phase::Ending(self.take_last_step(ending.cause, actions));
            }

            (
                Phase::Draining {
                    ending: Some(ending),
                },
                Input::Alarm(Alarm::KillStep),
            ) => {
                let ending = self.take_step(ending.cause, ending.next_step, actions);
                self.phase = Phase::Draining {
                    ending: Some(ending),
                };
            }
            (Phase::Draining { ending }, Input::Alarm(Alarm::Grace)) => {
                if let Some(ending) = ending {
                    self.take_last_step(ending.cause, actions);
                }
                self.release_all(actions);
            }
            (Phase::Draining { ending }, Input::Cancel | Input::Kill) => {
                let cause = ending.map_or(Cause::Cancel, |ending| ending.cause);
                let ending = self.take_last_step(cause, actions);
                self.phase = Phase::Draining {
                    ending: Some(ending),
                };
                self.release_all(actions);
            }

            // An alarm that is no longer wanted, or a wish that is being carried out already.
            (_, Input::Alarm(_) | Input::Cancel | Input::Exited) => {}
        }
    }

    /// Who holds a stream that is being released.
    pub(crate) fn held_by(&mut self, stream: Stream, found: Vec<Holder>) {
        if let Tap::Released { holders } = &mut self.taps[stream.index()] {
            *holders = found;
        }
    }

    /// The verdicts of a finished process, and why it was ended if it was.
    pub(crate) fn into_result(self) -> ([Verdict; 2], Option<Cause>) {
        let cause = match self.phase {
            Phase::Finished { cause } => cause,
            phase => unreachable!("only a finished process has a result, not one in {phase:?}"),
        };
        let verdicts = self.taps.map(|tap| match tap {
            Tap::Ended(verdict) => verdict,
            tap => unreachable!("the streams of a finished process have ended, not {tap:?}"),
        });
        (verdicts, cause)
    }

    fn cause(&self) -> Option<Cause> {
        match self.phase {
            Phase::Running => None,
            Phase::Ending(ending) => Some(ending.cause),
            Phase::Draining { ending } => ending.map(|ending| ending.cause),
            Phase::Finished { cause } => cause,
        }
    }

    fn take_step(&self, cause: Cause, step: usize, actions: &mut Vec<Action>) -> Ending {
        let (signal, wait) = self.limits.kill.step(step);
        actions.push(Action::Signal(signal));
        if let Some(wait) = wait {
            actions.push(Action::SetAlarm(wait, Alarm::KillStep));
        }
        Ending {
            cause,
            next_step: step.saturating_add(1),
        }
    }

    fn take_last_step(&self, cause: Cause, actions: &mut Vec<Action>) -> Ending {
        self.take_step(cause, usize::MAX, actions)
    }

    fn drain(&mut self, ending: Option<Ending>, actions: &mut Vec<Action>) {
        self.phase = Phase::Draining { ending };
        self.finish_if_done(actions);
        if matches!(self.phase, Phase::Draining { .. }) {
            actions.push(Action::SetAlarm(self.limits.grace, Alarm::Grace));
        }
    }

    fn release_all(&mut self, actions: &mut Vec<Action>) {
        for stream in Stream::ALL {
            let tap = &mut self.taps[stream.index()];
            if matches!(tap, Tap::Open) {
                *tap = Tap::Released {
                    holders: Vec::new(),
                };
                actions.push(Action::Release(stream));
            }
        }
    }

    fn end_stream(&mut self, stream: Stream, end: End) {
        let cut = self.cause().is_some();
        let tap = &mut self.taps[stream.index()];
        let verdict = match (end, std::mem::replace(tap, Tap::Open)) {
            (_, Tap::Ended(verdict)) => verdict,
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
            (End::Stopped, Tap::Released { holders }) => Verdict::Held { holders },
            (End::Stopped, Tap::Open) => Verdict::Held {
                holders: Vec::new(),
            },
        };
        *tap = Tap::Ended(verdict);
    }

    fn finish_if_done(&mut self, actions: &mut Vec<Action>) {
        let Phase::Draining { ending } = self.phase else {
            return;
        };
        let cause = ending.map(|ending| ending.cause);
        if self.taps.iter().all(|tap| matches!(tap, Tap::Ended(_))) {
            self.phase = Phase::Finished { cause };
            if cause.is_some() {
                // Whoever of its group closed both streams and stayed.
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
