//! When to retry a start that the system has refused. Pure: the caller passes the time in.
//!
//! Exhaustion is backpressure: while any process of ours runs, resources will become free, so the
//! start is retried without a limit. A command fails only if nothing has been running for
//! [`GIVE_UP_AFTER`]. If the error arose at the program, directory or stdin of one command, that
//! command may never succeed, so its retries have a limit of their own.

use std::time::{Duration, Instant};

use crate::sys::api::StartError;

const FIRST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(64);
const GIVE_UP_AFTER: Duration = Duration::from_secs(5);
/// A program that is being written is usually closed within moments.
const BUSY_FOR_LONG: Duration = Duration::from_secs(1);

/// A resource that only one command lacks for this long is not going to become free. Other commands
/// are started meanwhile.
const HAMPERED_FOR_LONG: Duration = Duration::from_secs(30);

/// The attempts to start one command so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) first: Instant,
    /// Since when nothing else has been running.
    alone_since: Option<Instant>,
    not_before: Instant,
    pub(crate) retries: u32,
    /// Whether the last attempt failed for a reason that concerns this command alone.
    is_own: bool,
}

impl Backoff {
    pub(crate) fn new(now: Instant) -> Backoff {
        Backoff {
            first: now,
            alone_since: None,
            not_before: now,
            retries: 0,
            is_own: false,
        }
    }

    /// Whether other commands should not be started before this one.
    pub(crate) fn holds_up_others(&self) -> bool {
        !self.is_own
    }

    /// When the next attempt is due.
    pub(crate) fn not_before(&self) -> Instant {
        self.not_before
    }

    /// Something has become free: the next attempt is due now.
    pub(crate) fn hurry(&mut self) {
        self.not_before = self.first;
    }

    /// The next attempt after one that failed, with this many live processes; `None` if the command
    /// is given up.
    pub(crate) fn again(self, error: &StartError, live: usize, now: Instant) -> Option<Backoff> {
        let alone_since = if live == 0 {
            self.alone_since.or(Some(now))
        } else {
            None
        };
        let hopeless = match error {
            StartError::Refused(_) => true,
            // A single attempt may take longer than that.
            StartError::Busy(_) => self.retries > 0 && now - self.first >= BUSY_FOR_LONG,
            StartError::Hampered(_) if now - self.first >= HAMPERED_FOR_LONG => true,
            StartError::Exhausted(_) | StartError::Hampered(_) => {
                alone_since.is_some_and(|since| now - since >= GIVE_UP_AFTER)
            }
        };
        if hopeless {
            return None;
        }
        let wait = FIRST_WAIT
            .saturating_mul(1 << self.retries.min(16))
            .min(LONGEST_WAIT);
        let retries = self.retries.saturating_add(1);
        Some(Backoff {
            alone_since,
            not_before: now + wait,
            retries,
            is_own: matches!(error, StartError::Hampered(_)),
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::{Error, ErrorKind};

    fn error() -> Error {
        Error::new(ErrorKind::Exhausted, "no more")
    }

    /// Tries until it is given up, and returns after how long.
    fn given_up_after(error: StartError, live: impl Fn(Duration) -> usize) -> Option<Duration> {
        let start = Instant::now();
        let mut backoff = Backoff::new(start);
        let mut now = start;
        while now - start < Duration::from_secs(60) {
            match backoff.again(&error, live(now - start), now) {
                None => return Some(now - start),
                Some(next) => {
                    assert!(next.not_before() > now && next.not_before() - now <= LONGEST_WAIT);
                    now = next.not_before();
                    backoff = next;
                }
            }
        }
        None
    }

    #[test]
    fn exhaustion_is_waited_out_as_long_as_anything_runs() {
        assert_eq!(given_up_after(StartError::Exhausted(error()), |_| 1), None);
    }

    #[test]
    fn exhaustion_is_given_up_some_time_after_the_last_process_ended() {
        let live_for = Duration::from_secs(20);
        let live = |at| usize::from(at < live_for);
        let after = given_up_after(StartError::Exhausted(error()), live).unwrap();
        assert!(after >= live_for + GIVE_UP_AFTER && after < live_for + 2 * GIVE_UP_AFTER);
    }

    #[test]
    fn a_shortage_of_one_command_is_given_up_whatever_runs() {
        let after = given_up_after(StartError::Hampered(error()), |_| 9).unwrap();
        assert!(after >= HAMPERED_FOR_LONG && after < 2 * HAMPERED_FOR_LONG);
        let alone = given_up_after(StartError::Hampered(error()), |_| 0).unwrap();
        assert!(alone >= GIVE_UP_AFTER && alone < 2 * GIVE_UP_AFTER);
    }

    #[test]
    fn a_busy_program_is_given_up_soon_whatever_runs() {
        let after = given_up_after(StartError::Busy(error()), |_| 9).unwrap();
        assert!(after >= BUSY_FOR_LONG && after < 2 * BUSY_FOR_LONG);
    }

    #[test]
    fn a_busy_program_is_tried_again_after_an_attempt_that_took_long() {
        let start = Instant::now();
        let late = start + 10 * BUSY_FOR_LONG;
        let error = StartError::Busy(error());
        let again = Backoff::new(start).again(&error, 1, late);
        let again = again.expect("it was tried only once");
        assert_eq!(again.retries, 1);
        assert!(again.again(&error, 1, late + LONGEST_WAIT).is_none());
    }

    #[test]
    fn only_a_shortage_of_one_command_lets_others_start_before_it() {
        let now = Instant::now();
        for (error, holds_up) in [
            (StartError::Hampered(error()), false),
            (StartError::Exhausted(error()), true),
            (StartError::Busy(error()), true),
        ] {
            let again = Backoff::new(now).again(&error, 1, now).unwrap();
            assert_eq!(again.holds_up_others(), holds_up, "{error:?}");
        }
    }

    #[test]
    fn a_refusal_is_final() {
        assert_eq!(
            given_up_after(StartError::Refused(error()), |_| 9),
            Some(Duration::ZERO)
        );
    }
}
