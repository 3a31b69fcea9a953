//! How a command has ended, as the whole program counts it: `--halt`, the records, the summary and
//! the exit status.

use throng::{Cause, ErrorKind, Outcome, Status, Stream, Verdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It ended by itself, with exit code 0.
    Succeeded,
    /// Its last attempt failed, ran out of time, or could not be started.
    Failed,
    /// It was ended because the run was.
    Ended,
    /// An attempt has failed, and the run ended before the next one was made.
    Unfinished,
    /// The run ended before it was started.
    NotStarted,
}

impl Fate {
    /// By the last outcome of a command, if no earlier one counts.
    pub(crate) fn of(outcome: &Outcome) -> Fate {
        if is_cancelled(outcome) {
            Fate::NotStarted
        } else if outcome.ended_by() == Some(Cause::Cancel) || is_interrupted(outcome) {
            Fate::Ended
        } else if outcome.success() {
            Fate::Succeeded
        } else {
            Fate::Failed
        }
    }

    /// Whether the command has been run to its end, so that a run that resumes this one leaves it
    /// out.
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Fate::Succeeded | Fate::Failed)
    }

    /// As the objects of `--output jsonl` name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fate::Succeeded => "succeeded",
            Fate::Failed => "failed",
            Fate::Ended => "ended",
            Fate::Unfinished => "unfinished",
            Fate::NotStarted => "not started",
        }
    }
}

/// The outcome that counts for a command, and how the command has ended. If its next attempt was
/// not started any more, the attempt before counts.
pub(crate) fn decide(last: Outcome, before: Option<Outcome>) -> (Outcome, Fate) {
    match (Fate::of(&last), before) {
        (Fate::NotStarted, Some(before)) => (before, Fate::Unfinished),
        (fate, _) => (last, fate),
    }
}

/// Why a command has failed that exited with 0.
pub(crate) const HELD_FAILS: &str = "failed because its output is held (--held fail)";

/// Whether a command has failed for that reason alone.
pub(crate) fn fails_by_holders(outcome: &Outcome) -> bool {
    let is_held = |stream| matches!(outcome.verdict(stream), Verdict::Held { .. });
    let has_succeeded = outcome.status().is_some_and(Status::success) && !outcome.timed_out();
    has_succeeded && !outcome.success() && Stream::ALL.into_iter().any(is_held)
}

/// Whether it had the terminal and was ended there by Ctrl-C or Ctrl-\, as far as can be seen: that
/// ends the run as well.
fn is_interrupted(outcome: &Outcome) -> bool {
    const INT: i32 = 2;
    const QUIT: i32 = 3;
    let had_terminal = matches!(outcome.verdict(Stream::Stdout), Verdict::Inherited);
    let signal = outcome.status().and_then(|status| status.signal());
    had_terminal && outcome.ended_by().is_none() && matches!(signal, Some(INT | QUIT))
}

/// Whether it was not started because nothing is started any more.
fn is_cancelled(outcome: &Outcome) -> bool {
    let error = outcome.start_error();
    error.is_some_and(|error| error.kind() == ErrorKind::Cancelled)
}
