//! Waits until every shard has done something.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::sync::lock;

/// Counts the shards that have yet to do something.
#[derive(Debug)]
pub(crate) struct Roll {
    left: Mutex<usize>,
    called: Condvar,
}

impl Roll {
    pub(crate) fn new(shards: usize) -> Roll {
        Roll {
            left: Mutex::new(shards),
            called: Condvar::new(),
        }
    }

    pub(crate) fn answer(&self) {
        *lock(&self.left) -= 1;
        self.called.notify_all();
    }

    /// Waits until all have answered, but no longer than this; says whether they have.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let left = lock(&self.left);
        let waited = self
            .called
            .wait_timeout_while(left, at_most, |left| *left > 0);
        let (left, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roll_is_over_when_all_have_answered_or_the_time_is_up() {
        let roll = Roll::new(2);
        roll.answer();
        assert!(!roll.wait(Duration::ZERO));
        roll.answer();
        assert!(roll.wait(Duration::from_secs(60)));
    }
}
