//! How fast a run has been lately.

use std::collections::VecDeque;
use std::time::Duration;

/// So far back is lately.
const LATELY: Duration = Duration::from_secs(30);

/// Looks at a run, the oldest first: when it was, and how many commands had ended.
#[derive(Debug, Default)]
pub(super) struct Pace {
    looks: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// Notes a look, so long after the beginning.
    pub(super) fn note(&mut self, elapsed: Duration, done: u64) {
        self.looks.push_back((elapsed, done));
        while self.looks.len() > 2 && self.looks[1].0 + LATELY <= elapsed {
            self.looks.pop_front();
        }
    }

    /// How many commands end in a second: lately, or since the beginning where none has lately.
    pub(super) fn per_s(&self) -> f64 {
        let (Some(last), Some(first)) = (self.looks.back(), self.looks.front()) else {
            return 0.0;
        };
        let began_lately = last.0 < LATELY;
        let (since, done) = if began_lately || last.1 == first.1 {
            (Duration::ZERO, 0)
        } else {
            *first
        };
        let time = (last.0 - since).as_secs_f64();
        if time > 0.0 {
            (last.1 - done) as f64 / time
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_half_minute() {
        let mut pace = Pace::default();
        assert_eq!(pace.per_s(), 0.0);
        // Ten a second for a hundred seconds, then one a second for another hundred.
        for s in 0..=100 {
            pace.note(Duration::from_secs(s), s * 10);
        }
        assert!((pace.per_s() - 10.0).abs() < 0.01, "{}", pace.per_s());
        for s in 1..=100 {
            pace.note(Duration::from_secs(100 + s), 1000 + s);
        }
        assert!((pace.per_s() - 1.0).abs() < 0.01, "{}", pace.per_s());
        assert!(pace.looks.len() < 40, "{}", pace.looks.len());
    }

    #[test]
    fn the_rate_covers_the_whole_run_if_nothing_ended_recently() {
        let mut pace = Pace::default();
        for s in 0..=100 {
            pace.note(Duration::from_secs(s), s.min(50));
        }
        assert!((pace.per_s() - 0.5).abs() < 0.01, "{}", pace.per_s());
    }
}
