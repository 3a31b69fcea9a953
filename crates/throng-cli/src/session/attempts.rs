//! Commands that are run again: because they failed and may try once more, or because they had to
//! make room. Keeps what the last attempt has said until the next one has ended, so that it is
//! there when there is no next one after all.

use std::collections::HashMap;
use std::time::Duration;

use throng::Outcome;

use super::retries::Retries;

#[derive(Debug, Default)]
pub(super) struct Attempts {
    retries: Retries,
    /// By the seq of their commands.
    before: HashMap<u64, Before>,
}

/// The attempts of one command so far.
#[derive(Debug)]
struct Before {
    failed: u32,
    last: Outcome,
}

/// A command is to be run again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    pub(super) wait: Duration,
    failed: u32,
}

impl Attempts {
    pub(super) fn new(retries: Retries) -> Attempts {
        Attempts {
            retries,
            before: HashMap::new(),
        }
    }

    /// Decides about an outcome; none when it is the command's last. `evicted`: the process was
    /// ended by us, to make room, and that is no failure.
    pub(super) fn decide(&mut self, outcome: &Outcome, evicted: bool) -> Option<Again> {
        let before = self.before.remove(&outcome.seq());
        let failed = before.map_or(0, |before| before.failed);
        if evicted {
            return Some(Again {
                wait: Duration::ZERO,
                failed,
            });
        }
        if outcome.success() {
            return None;
        }
        let failed = failed + 1;
        let wait = self.retries.next(failed)?;
        Some(Again { wait, failed })
    }

    /// Keeps an outcome that is followed by another.
    pub(super) fn keep(&mut self, outcome: Outcome, again: Again) -> &Outcome {
        let before = Before {
            failed: again.failed,
            last: outcome,
        };
        let place = self.before.entry(before.last.seq());
        &place.insert_entry(before).into_mut().last
    }

    /// There was no other after all: the last attempt is final.
    pub(super) fn give_up(&mut self, seq: u64) -> Option<Outcome> {
        self.before.remove(&seq).map(|before| before.last)
    }
}
