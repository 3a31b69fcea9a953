//! Commands of a run that are run again, now or later. The time is kept by whoever iterates.

use std::cmp::{Ordering, Reverse};
use std::time::{Duration, Instant};

use super::Run;
use crate::Outcome;
use crate::queue::Job;
use crate::recipient::Recipient;

/// A command that is to be run again, by when.
#[derive(Debug)]
pub(super) struct Later {
    at: Instant,
    job: Job,
}

impl Ord for Later {
    fn cmp(&self, other: &Later) -> Ordering {
        (self.at, self.job.seq).cmp(&(other.at, other.job.seq))
    }
}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Later) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Later {
    fn eq(&self, other: &Later) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Later {}

impl Run {
    /// Runs the command of an outcome of this run again when this much time has passed, with the
    /// same [`seq`](Outcome::seq). The time passes while outcomes are waited for, and the new
    /// outcome is one of them; [`Outcome::attempt`] tells it from the first. When the
    /// [`Throng`](crate::Throng) starts no more, the new outcome comes at once and says
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    ///
    /// Does nothing and returns `false` if the outcome does not belong to this run.
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// use std::time::Duration;
    /// use throng::{Command, Throng};
    /// let throng = Throng::builder().build()?;
    /// let mut run = throng.run([Command::new("false")]);
    /// let mut attempts = 0;
    /// while let Some(outcome) = run.next() {
    ///     attempts += 1;
    ///     if !outcome.success() && outcome.attempt() < 3 {
    ///         run.again(&outcome, Duration::from_millis(1));
    ///     }
    /// }
    /// assert_eq!(attempts, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn again(&mut self, outcome: &Outcome, after: Duration) -> bool {
        if outcome.run != Some(self.basket.id()) || !self.owner.is_here() {
            return false;
        }
        let command = &outcome.command;
        let command = command.as_given.as_ref().unwrap_or(command).clone();
        self.basket.lock().under_way += 1;
        let job = Job {
            seq: outcome.seq,
            attempt: outcome.attempt + 1,
            command,
            recipient: Recipient::run(self.basket.clone()),
        };
        match Instant::now().checked_add(after) {
            Some(at) if !after.is_zero() => self.later.push(Reverse(Later { at, job })),
            _ => self.inner.submit(job),
        }
        true
    }

    /// Submits what is due, or all when nothing is started any more, and says when the next is.
    pub(super) fn submit_due(&mut self) -> Option<Instant> {
        while let Some(Reverse(next)) = self.later.peek() {
            if next.at > Instant::now() && !self.inner.is_cancelled() {
                return Some(next.at);
            }
            let due = self.later.pop().map(|Reverse(later)| later.job);
            due.into_iter().for_each(|job| self.inner.submit(job));
        }
        None
    }
}
