//! `--halt`: when a run ends early, and with what exit status.

use throng::{ErrorKind, Outcome};

use crate::exit::Exit;
use crate::options::halt::{Halt, Threshold, When, Why};

/// Counts the commands of a run.
#[derive(Debug)]
pub(super) struct HaltWatch {
    halt: Halt,
    /// How many commands the run has, if that is known.
    total: Option<u64>,
    failed: u64,
    succeeded: u64,
    /// The exit status of the command that has ended the run, once one has.
    decided_by: Option<u8>,
}

/// How the run is to be ended, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) when: When,
    pub(super) reason: String,
}

impl HaltWatch {
    pub(super) fn new(halt: Halt, total: Option<u64>) -> HaltWatch {
        HaltWatch {
            halt,
            total,
            failed: 0,
            succeeded: 0,
            decided_by: None,
        }
    }

    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    /// A command has succeeded, or failed for good with this exit status. Returns an order once.
    pub(super) fn count(&mut self, success: bool, exit_status: u8) -> Option<Order> {
        let Halt::When(when, why, threshold) = self.halt else {
            return None;
        };
        if self.decided_by.is_some() {
            return None;
        }
        if success {
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
        let (count, what) = match why {
            Why::Fail => (self.failed, "failed"),
            Why::Success => (self.succeeded, "succeeded"),
            Why::Done => (self.failed + self.succeeded, "ended"),
        };
        let counts_itself = match why {
            Why::Fail => !success,
            Why::Success => success,
            Why::Done => true,
        };
        let reached = match threshold {
            Threshold::Commands(n) => count >= n,
            Threshold::Percent(percent) => self
                .total
                .is_some_and(|total| count.saturating_mul(100) >= total * percent),
        };
        if !reached || !counts_itself {
            return None;
        }
        self.decided_by = Some(exit_status);
        let are = if count == 1 {
            "command has"
        } else {
            "commands have"
        };
        let share = match threshold {
            Threshold::Commands(_) => String::new(),
            Threshold::Percent(percent) => format!(", {percent}% of all"),
        };
        Some(Order {
            when,
            reason: format!("{count} {are} {what}{share}"),
        })
    }

    /// The exit status, if `--halt` decides it, when this many commands have failed. That may be
    /// more than when the run was halted, since commands that ran then have ended since.
    pub(super) fn exit(&self, failed: u64) -> Option<Exit> {
        let Halt::When(_, why, threshold) = self.halt else {
            return None;
        };
        match (self.decided_by, why, threshold) {
            (Some(_), Why::Success, _) => Some(Exit::Halted(0)),
            (Some(status), _, Threshold::Commands(1)) => Some(Exit::Halted(status)),
            // If the threshold was not reached, GNU parallel counts as without --halt, but in
            // percent if that was the unit.
            (_, _, Threshold::Percent(_)) => Some(Exit::Halted(self.percent(failed))),
            (_, _, Threshold::Commands(_)) => None,
        }
    }

    /// Rounded up, so that 0 is none.
    fn percent(&self, failed: u64) -> u8 {
        let total = self.total.unwrap_or(self.failed + self.succeeded).max(1);
        let percent = failed.saturating_mul(100).div_ceil(total);
        u8::try_from(percent).unwrap_or(100).min(100)
    }
}

/// The exit status that a shell would have for this command, or timeout(1) for one that exited with
/// 0 when its time was over. That of a failed command is never 0.
pub(super) fn exit_status(outcome: &Outcome) -> u8 {
    if let Some(error) = outcome.start_error() {
        return if error.kind() == ErrorKind::NotFound {
            Exit::NOT_FOUND
        } else {
            Exit::NOT_EXECUTABLE
        };
    }
    let status = outcome.status();
    if let Some(signal) = status.and_then(|status| status.signal()) {
        return 128 + (signal & 0x7f) as u8;
    }
    let code = status.and_then(|status| status.code());
    match code {
        Some(0) if outcome.success() => 0,
        Some(0) if outcome.timed_out() => Exit::TIMED_OUT,
        // A failure stays one, even if the lowest byte of its code is 0.
        Some(code) => u8::try_from(code).unwrap_or(code as u8).max(1),
        None => 1,
    }
}

#[cfg(test)]
#[path = "halt/tests.rs"]
mod tests;
