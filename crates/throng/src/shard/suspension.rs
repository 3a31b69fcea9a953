//! Standing still: a clock that can be stopped.

use std::time::{Duration, Instant};

/// The clock of a shard's alarms. While it is stopped it is always the same time.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    stopped_at: Option<Instant>,
    /// How long it has stood still in pauses that are over.
    stood_still: Duration,
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        self.stopped_at.unwrap_or_else(Instant::now)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped_at.is_some()
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        self.stopped_at.get_or_insert(now);
    }

    /// How long it has stood still in all.
    pub(crate) fn stood_still(&self, now: Instant) -> Duration {
        let now = self.stopped_at.map(|at| now.saturating_duration_since(at));
        self.stood_still + now.unwrap_or_default()
    }

    /// Lets it go on; says how long it has stood still, if it has.
    pub(crate) fn go_on(&mut self, now: Instant) -> Option<Duration> {
        let stopped_at = self.stopped_at.take()?;
        let pause = now.saturating_duration_since(stopped_at);
        self.stood_still += pause;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_tells_the_same_time_until_it_goes_on() {
        let start = Instant::now();
        let mut clock = Clock::default();
        assert_eq!(clock.go_on(start), None, "it runs");
        clock.stop(start);
        clock.stop(start + Duration::from_secs(1));
        assert_eq!(clock.now(), start);
        let pause = clock.go_on(start + Duration::from_secs(3));
        assert_eq!(pause, Some(Duration::from_secs(3)));
        assert!(clock.now() >= start && !clock.is_stopped());
        assert_eq!(clock.stood_still(start), Duration::from_secs(3));
        clock.stop(start + Duration::from_secs(5));
        let stood_still = clock.stood_still(start + Duration::from_secs(9));
        assert_eq!(stood_still, Duration::from_secs(7));
    }
}
