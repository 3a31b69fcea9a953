//! `--backoff`: how long to wait before a command that failed is tried again.

use std::str::FromStr;
use std::time::Duration;

use crate::duration;

/// How long to wait before another attempt: twice as long each time, up to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// Where no limit is given.
    const LONGEST: Duration = Duration::from_secs(300);

    /// How long to wait after so many attempts. Between half and all of the doubled time, by
    /// chance (0 to 1), so that what failed together is not tried again together.
    pub(crate) fn after(self, attempts: u32, chance: f64) -> Duration {
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
