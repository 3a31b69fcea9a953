//! `--retries` and `--backoff`: whether a failed command is run again, and when.

use std::time::Duration;

use crate::options::backoff::Backoff;

/// How many attempts, as GNU parallel counts them: including the first; 0 is without limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retries {
    pub(super) attempts: Option<u32>,
    pub(super) backoff: Option<Backoff>,
}

impl Retries {
    /// How long to wait before the next attempt after this many failed ones; none if there is none.
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
    fn all_attempts_are_counted_and_0_means_unlimited() {
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
    fn backoffs_are_parsed_and_invalid_ones_refused() {
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
        fn waits_double_up_to_the_maximum_and_jitter_halves_them_at_most(
            attempts in 1u32..100, chance in 0.0f64..1.0,
        ) {
            let backoff: Backoff = "1,64".parse().unwrap();
            let whole = f64::from(1u32 << (attempts - 1).min(6));
            let wait = backoff.after(attempts, chance).as_secs_f64();
            prop_assert!(wait >= whole / 2.0 - 1e-6 && wait <= whole + 1e-6, "{wait}");
        }
    }
}
