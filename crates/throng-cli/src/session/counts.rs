//! How the commands of a run have ended, and what is reported about it at the end.

use throng::Outcome;

use crate::fate::Fate;
use crate::records::is_lost;
use crate::terminal;

#[derive(Debug, Default)]
pub(super) struct Counts {
    succeeded: u64,
    pub(super) failed: u64,
    ended: u64,
    unfinished: u64,
    not_started: u64,
    not_contained: u64,
    has_lost: bool,
}

impl Counts {
    pub(super) fn add(&mut self, outcome: &Outcome, fate: Fate) {
        let count = match fate {
            Fate::Succeeded => &mut self.succeeded,
            Fate::Failed => &mut self.failed,
            Fate::Ended => &mut self.ended,
            Fate::Unfinished => &mut self.unfinished,
            Fate::NotStarted => &mut self.not_started,
        };
        *count += 1;
        self.not_contained += u64::from(!outcome.is_contained());
        self.has_lost |= is_lost(outcome);
    }

    /// Whether some output could not be read or kept. Throng itself has failed then, however the
    /// commands have ended.
    pub(super) fn has_lost(&self) -> bool {
        self.has_lost
    }

    pub(super) fn warn_of_uncontained(&self) {
        if self.not_contained > 0 {
            terminal::warn(format_args!(
                "{} processes could not be put in a job object or control group of their own; what \
                 they started may still be running",
                self.not_contained
            ));
        }
    }

    pub(super) fn report_interrupted(&self) {
        let unfinished = match self.unfinished {
            0 => String::new(),
            n => format!("{n} to be tried again, "),
        };
        terminal::warn(format_args!(
            "interrupted: {} succeeded, {} failed, {} ended, {unfinished}{} not started",
            self.succeeded, self.failed, self.ended, self.not_started
        ));
    }
}
