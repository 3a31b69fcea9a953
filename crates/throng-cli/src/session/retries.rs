//! `--retries` and `--backoff`: whether a command that failed is tried again, and when. Starts
//! nothing.

use std::str::FromStr;
use std::time::Duration;

use crate::duration;

/// How long to wait before another attempt: twice as long each time, up to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Where no limit is said.
    const LONGEST: Duration = Duration::from_secs(300);

    /// How long to wait after so many attempts. Between half and all of what the doubling says, by
    /// chance (0 to 1), so that what failed together is not tried again together.
    fn after(self, attempts: u32, chance: f64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings);
        whole.min(self.longest).mul_f64(0.5 + chance / 2.0)
    }
}

impl FromStr for Backoff {
    type Err = String;

    fn from_str(text: &str) -> Result<Backoff, String> {
        let (first, longest) = match text.split_once(',') {
            Some((first, longest)) => (first, Some(longest)),
            None => (text, None),
        };
        let first = duration::parse(first)?;
        let longest = match longest {
            Some(longest) => duration::parse(longest)?,
            None => Backoff::LONGEST.max(first),
        };
        if longest < first {
            return Err("the longest wait must not be shorter than the first".into());
        }
        Ok(Backoff { first, longest })
    }
}

/// How often, as GNU parallel counts: all attempts, the first included; 0 is for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retries {
    pub(super) attempts: Option<u32>,
    pub(super) backoff: Option<Backoff>,
}

impl Retries {
    /// How long to wait before the next attempt after so many that failed; none when they were
    /// enough.
    pub(super) fn next(self, failed: u32) -> Option<Duration> {
        match self.attempts {
            Some(0) => {}
            Some(attempts) if failed < attempts => {}
            _ => return None,
        }
        let wait = self
            .backoff
            .map(|backoff| backoff.after(failed, fastrand::f64()));
        Some(wait.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_attempts_are_counted_and_0_is_for_ever() {
        let next = |attempts, failed| {
            let retries = Retries {
                attempts,
                backoff: None,
            };
            retries.next(failed).is_some()
        };
        assert!(!next(None, 1));
        assert_eq!(
            [1, 2, 3].map(|failed| next(Some(3), failed)),
            [true, true, false]
        );
        assert!(!next(Some(1), 1));
        assert!(next(Some(0), u32::MAX));
    }

    #[test]
    fn backoffs_are_read_and_nonsense_is_not() {
        let backoff: Backoff = "100ms,2".parse().unwrap();
        assert_eq!(backoff.longest, Duration::from_secs(2));
        assert_eq!(
            "600".parse::<Backoff>().unwrap().longest,
            Duration::from_secs(600)
        );
        for nonsense in ["", ",", "1,", "soon", "2,1", "-1", "1,2,3"] {
            assert!(nonsense.parse::<Backoff>().is_err(), "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn waits_double_up_to_the_longest_and_chance_halves_them_at_most(
            attempts in 1u32..100, chance in 0.0f64..1.0,
        ) {
            let backoff: Backoff = "1,64".parse().unwrap();
            let whole = f64::from(1u32 << (attempts - 1).min(6));
            let wait = backoff.after(attempts, chance).as_secs_f64();
            prop_assert!(wait >= whole / 2.0 - 1e-6 && wait <= whole + 1e-6, "{wait}");
        }
    }
}
