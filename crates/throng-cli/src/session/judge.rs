//! What an outcome means for the run, decided as soon as it arrives: whether the command is run
//! again, and whether others are started. Nothing here waits for output to be written.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use throng::{ErrorKind, Next, Outcome};

use super::halt::{HaltWatch, Order};
use super::monitor::Watch;
use super::retries::Retries;
use super::source::BadValue;
use crate::exit::Exit;
use crate::fate::Fate;
use crate::fate::HELD_FAILS;
use crate::options::halt::When;
use crate::{sys, text};

/// Decides for the whole run; all threads share it.
#[derive(Clone, Debug)]
pub(super) struct Judge(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    retries: Retries,
    halt: HaltWatch,
    /// Gets every outcome, if there is a monitor.
    watch: Option<Watch>,
    /// How often commands were ended to make room; they do not fail by that.
    evictions: HashMap<u64, u32>,
    /// How many commands have had their last outcome.
    ended: u64,
    /// Values that are counted once more commands have ended.
    bad_values: VecDeque<BadValue>,
    /// Whether no command can run if the program of the first one is not found.
    needs_program: bool,
    /// Why the run was ended, until that is reported.
    stop: Option<Stop>,
    /// The exit status, if the run was ended because the program was not found.
    exit: Option<Exit>,
}

/// The run was ended by the outcome of this command.
#[derive(Debug)]
struct Stop {
    seq: Option<u64>,
    line: String,
}

impl Judge {
    pub(super) fn new(
        retries: Retries,
        halt: HaltWatch,
        watch: Option<Watch>,
        needs_program: bool,
    ) -> Judge {
        Judge(Arc::new(Mutex::new(State {
            retries,
            halt,
            watch,
            evictions: HashMap::new(),
            ended: 0,
            bad_values: VecDeque::new(),
            needs_program,
            stop: None,
            exit: None,
        })))
    }

    /// A command has ended, and nothing has been started in its place yet.
    pub(super) fn judge(&self, outcome: &Outcome) -> Next {
        self.state().judge(outcome)
    }

    /// No command could be made of a value, which counts as a failed command.
    pub(super) fn judge_bad_value(&self, bad: BadValue) -> Next {
        let mut state = self.state();
        state.bad_values.push_back(bad);
        state.count_bad_values()
    }

    /// Why the run was ended, if by the outcome of this command, or by any. Returned once.
    pub(super) fn take_reason(&self, seq: Option<u64>) -> Option<String> {
        let mut state = self.state();
        let is_its = |stop: &mut Stop| seq.is_none() || stop.seq == seq || stop.seq.is_none();
        state.stop.take_if(is_its).map(|stop| stop.line)
    }

    /// The exit status, if it is decided here, when this many commands have failed.
    pub(super) fn exit(&self, failed: u64) -> Option<Exit> {
        let state = self.state();
        state.exit.or_else(|| state.halt.exit(failed))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn judge(&mut self, outcome: &Outcome) -> Next {
        let seq = outcome.seq();
        let is_evicted = self
            .watch
            .as_ref()
            .is_some_and(|watch| watch.ended(outcome));
        if is_evicted {
            *self.evictions.entry(seq).or_default() += 1;
            return Next::RunAgain(Duration::ZERO);
        }
        if std::mem::take(&mut self.needs_program) && is_missing(outcome) {
            self.exit = Some(Exit::Halted(Exit::NOT_FOUND));
            if self.halt.total() == Some(1) {
                return Next::Continue;
            }
            let line = "the program cannot be found, so nothing more is started (with --halt \
                        never the run goes on)";
            return self.stop(Some(seq), line.into(), When::Soon);
        }
        let fate = Fate::of(outcome);
        let evictions = self.evictions.get(&seq).copied().unwrap_or(0);
        if fate == Fate::Failed
            && let Some(wait) = self.retries.next(outcome.attempt() - evictions)
        {
            return Next::RunAgain(wait);
        }
        self.evictions.remove(&seq);
        self.ended += 1;
        if fate.is_done() {
            let status = super::halt::exit_status(outcome);
            if let Some(order) = self.halt.count(outcome.success(), status) {
                let how = format!("{} {}", name(outcome), how(outcome));
                return self.halt(Some(seq), &order, &how);
            }
        }
        self.count_bad_values()
    }

    /// Counts the bad values that come after commands which have all ended.
    fn count_bad_values(&mut self) -> Next {
        while self
            .bad_values
            .front()
            .is_some_and(|bad| bad.after <= self.ended)
            && let Some(bad) = self.bad_values.pop_front()
        {
            if let Some(order) = self.halt.count(false, 1) {
                return self.halt(None, &order, &bad.why);
            }
        }
        Next::Continue
    }

    fn halt(&mut self, seq: Option<u64>, order: &Order, how: &str) -> Next {
        let line = format!("{}: {how}; {}", order.reason, order.when.told());
        self.stop(seq, line, order.when)
    }

    fn stop(&mut self, seq: Option<u64>, line: String, when: When) -> Next {
        self.stop = Some(Stop { seq, line });
        match when {
            When::Now => Next::Cancel,
            When::Soon => Next::StartNoMore,
        }
    }
}

fn is_missing(outcome: &Outcome) -> bool {
    let error = outcome.start_error();
    error.is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

/// The command as a user would know it again, cut short.
fn name(outcome: &Outcome) -> String {
    text::quoted(&sys::name(outcome.command()))
}

/// How a command ended, for a message that names it.
fn how(outcome: &Outcome) -> String {
    match (outcome.start_error(), outcome.status()) {
        (Some(_), _) => "could not be started".into(),
        _ if outcome.timed_out() => "ran out of time".into(),
        _ if outcome.success() => "succeeded".into(),
        (None, Some(status)) if status.success() => HELD_FAILS.into(),
        (None, Some(status)) => format!("ended with {status}"),
        (None, None) => "failed".into(),
    }
}
