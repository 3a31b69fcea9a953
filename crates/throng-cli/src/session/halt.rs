//! `--halt`: when a run ends before its time, in the grammar of GNU parallel, and with what exit
//! status. Ends nothing itself.

use std::str::FromStr;

use throng::{ErrorKind, Outcome};

use crate::exit::Exit;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Halt {
    #[default]
    Never,
    When(When, Why, Threshold),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// What runs is ended.
    Now,
    /// What runs goes on to its end.
    Soon,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Fail,
    Success,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threshold {
    Commands(u64),
    /// Of all commands of the run, which have to be counted first.
    Percent(u64),
}

impl Halt {
    /// Whether the number of all commands has to be known.
    pub(crate) fn needs_total(self) -> bool {
        matches!(self, Halt::When(_, _, Threshold::Percent(_)))
    }
}

impl FromStr for Halt {
    type Err = String;

    fn from_str(text: &str) -> Result<Halt, String> {
        let expected =
            || "never, or now or soon,fail or success or done=N or N% is expected".into();
        let long = match text {
            "never" | "0" => return Ok(Halt::Never),
            "1" => "soon,fail=1",
            "2" => "now,fail=1",
            "-1" => "soon,success=1",
            "-2" => "now,success=1",
            text => text,
        };
        if let Some(digits) = long.strip_suffix('%')
            && let Ok(percent) = digits.parse()
        {
            return Threshold::percent(percent)
                .map(|threshold| Halt::When(When::Soon, Why::Fail, threshold))
                .ok_or_else(expected);
        }
        let (when, rest) = long.split_once(',').ok_or_else(expected)?;
        let (why, number) = rest.split_once('=').ok_or_else(expected)?;
        let when = match when {
            "now" => When::Now,
            "soon" => When::Soon,
            _ => return Err(expected()),
        };
        let why = match why {
            "fail" => Why::Fail,
            "success" => Why::Success,
            "done" => Why::Done,
            _ => return Err(expected()),
        };
        let threshold = match number.strip_suffix('%') {
            Some(digits) => digits.parse().ok().and_then(Threshold::percent),
            None => number.parse().ok().and_then(Threshold::commands),
        };
        let threshold = threshold.ok_or_else(expected)?;
        Ok(Halt::When(when, why, threshold))
    }
}

impl Threshold {
    fn percent(percent: u64) -> Option<Threshold> {
        (1..=100)
            .contains(&percent)
            .then_some(Threshold::Percent(percent))
    }

    fn commands(n: u64) -> Option<Threshold> {
        (n > 0).then_some(Threshold::Commands(n))
    }
}

/// Watches the outcomes of a run.
#[derive(Debug)]
pub(super) struct HaltWatch {
    halt: Halt,
    failed: u64,
    succeeded: u64,
    /// What the run exits with, once it is decided.
    exit: Option<Exit>,
}

/// What is to be done, and how it is said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) when: When,
    pub(super) reason: String,
}

impl HaltWatch {
    pub(super) fn new(halt: Halt) -> HaltWatch {
        HaltWatch {
            halt,
            failed: 0,
            succeeded: 0,
            exit: None,
        }
    }

    /// A command has succeeded or failed for good. Gives an order once.
    pub(super) fn add(&mut self, outcome: &Outcome, total: Option<u64>) -> Option<Order> {
        self.count(outcome.success(), total, || exit_status(outcome))
    }

    fn count(
        &mut self,
        success: bool,
        total: Option<u64>,
        exit_status: impl FnOnce() -> u8,
    ) -> Option<Order> {
        let Halt::When(when, why, threshold) = self.halt else {
            return None;
        };
        if self.exit.is_some() {
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
            Threshold::Percent(percent) => {
                total.is_some_and(|total| count.saturating_mul(100) >= total * percent)
            }
        };
        if !reached || !counts_itself {
            return None;
        }
        self.exit = Some(match (why, threshold) {
            (Why::Success, _) => Exit::Halted(0),
            (_, Threshold::Commands(1)) => Exit::Halted(exit_status()),
            (_, Threshold::Commands(_)) => Exit::Commands {
                failed: self.failed,
            },
            (_, Threshold::Percent(_)) => Exit::Halted(self.percent_failed(total)),
        });
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

    /// What the run exits with, if `--halt` has a say in it.
    pub(super) fn exit(&self, total: Option<u64>) -> Option<Exit> {
        if self.exit.is_some() {
            return self.exit;
        }
        // Without having got there GNU parallel counts as always, but in percent where that was
        // the unit.
        let in_percent = self.halt.needs_total().then(|| self.percent_failed(total));
        in_percent.map(Exit::Halted)
    }

    /// Rounded up, so that 0 is none.
    fn percent_failed(&self, total: Option<u64>) -> u8 {
        let total = total.unwrap_or(self.failed + self.succeeded).max(1);
        let percent = self.failed.saturating_mul(100).div_ceil(total);
        u8::try_from(percent).unwrap_or(100).min(100)
    }
}

/// What a shell would say of this command.
fn exit_status(outcome: &Outcome) -> u8 {
    if let Some(error) = outcome.start_error() {
        return if error.kind() == ErrorKind::NotFound {
            127
        } else {
            126
        };
    }
    let status = outcome.status();
    if let Some(signal) = status.and_then(|status| status.signal()) {
        return 128 + (signal & 0x7f) as u8;
    }
    match status.and_then(|status| status.code()) {
        // A failure stays one, whatever its lowest byte says.
        Some(code) if code > 255 => (code as u8).max(1),
        Some(code) => code as u8,
        None => 1,
    }
}

#[cfg(test)]
#[path = "halt/tests.rs"]
mod tests;
