//! `--delay`, `--rate`, `--load`, `--memfree`: whether the next command may be started now. The
//! time and the state of the machine are arguments.

use std::time::{Duration, Instant};

use crate::options::control::Control;
use crate::options::rate::Rate;
use crate::session::shortage::{Shortage, What};
use crate::sys::api::Gauge;

/// How often the machine is checked while it is too busy.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Throttle {
    delay: Option<Duration>,
    rate: Option<Rate>,
    load_max: Option<f64>,
    memory_min: Option<u64>,
    /// When the next start is due by the delay, and by the rate.
    next: Option<Instant>,
    next_by_rate: Option<Instant>,
    shortage: Shortage,
}

impl Throttle {
    /// A rate is kept on average: starts that are late by at most this may catch up.
    const CATCH_UP: Duration = Duration::from_millis(20);

    /// None without any of these options.
    pub(super) fn new(control: &Control, cores: usize, shortage: Shortage) -> Option<Throttle> {
        let throttle = Throttle {
            shortage,
            delay: control.delay.filter(|delay| !delay.is_zero()),
            rate: control.rate,
            load_max: control.load.map(|load| load.load(cores)),
            memory_min: control.memfree,
            ..Throttle::default()
        };
        let is_on = throttle.delay.is_some()
            || throttle.rate.is_some()
            || throttle.load_max.is_some()
            || throttle.memory_min.is_some();
        is_on.then_some(throttle)
    }

    /// Fails if the machine does not report what is needed.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.load_max.is_some() {
            Gauge::Running
                .read()
                .map_err(|why| why.context("--load is not available"))?;
        }
        if self.memory_min.is_some() {
            Gauge::FreeMemory
                .read()
                .map_err(|why| why.context("--memfree is not available"))?;
        }
        Ok(())
    }

    /// How long the next start has to wait. None if it may be now; then it is counted.
    pub(super) fn ask(&mut self, now: Instant, read: impl Fn(Gauge) -> f64) -> Option<Duration> {
        let due = [self.next, self.next_by_rate].into_iter().flatten().max();
        if let Some(wait) = due.and_then(|due| due.checked_duration_since(now))
            && !wait.is_zero()
        {
            return Some(wait);
        }
        let missing = self.missing(read);
        self.shortage.set(missing, now);
        if missing.is_some() {
            return Some(LOOK_AGAIN);
        }
        self.next = self.delay.and_then(|delay| now.checked_add(delay));
        if let Some(rate) = self.rate {
            let earliest = now.checked_sub(Self::CATCH_UP).unwrap_or(now);
            let last = self.next_by_rate.unwrap_or(now).max(earliest);
            self.next_by_rate = last.checked_add(rate.every);
        }
        None
    }
}

impl Throttle {
    fn missing(&self, read: impl Fn(Gauge) -> f64) -> Option<What> {
        let idleness = self.load_max.and_then(|max| {
            let running = read(Gauge::Running);
            (running >= max).then_some(What::Idleness { running, max })
        });
        idleness.or_else(|| {
            let min = self.memory_min?;
            let free = read(Gauge::FreeMemory);
            (free < min as f64).then_some(What::Memory { free, min })
        })
    }
}

/// The state of the machine; if it can no longer be read, a state that delays nothing.
pub(super) fn read(gauge: Gauge) -> f64 {
    gauge.read().unwrap_or(match gauge {
        Gauge::Running => 0.0,
        Gauge::FreeMemory => f64::INFINITY,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn nothing(_: Gauge) -> f64 {
        unreachable!("the machine is not read")
    }

    #[test]
    fn rates_are_parsed_and_invalid_ones_refused() {
        let every = |text: &str| text.parse::<Rate>().map(|rate| rate.every);
        assert_eq!(every("50/s"), Ok(20 * MS));
        assert_eq!(every("50"), Ok(20 * MS));
        assert_eq!(every("60/m"), Ok(1000 * MS));
        assert_eq!(every("0.5/h"), Ok(Duration::from_secs(7200)));
        for nonsense in [
            "", "/s", "0/s", "-1/s", "1/x", "x/s", "NaN/s", "inf", "1/s/s",
        ] {
            assert!(nonsense.parse::<Rate>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn high_load_and_low_memory_delay_starts() {
        let now = Instant::now();
        let mut throttle = Throttle {
            load_max: Some(2.0),
            memory_min: Some(100),
            ..Throttle::default()
        };
        let mut ask = |running: f64, free: f64| {
            throttle.ask(now, |gauge| match gauge {
                Gauge::Running => running,
                Gauge::FreeMemory => free,
            })
        };
        assert_eq!(ask(1.0, 100.0), None);
        assert_eq!(ask(2.0, 100.0), Some(LOOK_AGAIN));
        assert_eq!(ask(1.0, 99.0), Some(LOOK_AGAIN));
        assert_eq!(ask(1.0, 101.0), None);
    }

    #[test]
    fn a_long_shortage_is_reported_once_each_time() {
        let start = Instant::now();
        let shortage = Shortage::default();
        let mut throttle = Throttle {
            memory_min: Some(5 << 30),
            shortage: shortage.clone(),
            ..Throttle::default()
        };
        let mut ask = |after_ms: u32, free_gib: u64| {
            let now = start + after_ms * MS;
            throttle.ask(now, |_| (free_gib << 30) as f64);
            shortage.news(now)
        };
        assert_eq!(
            [(0, 2), (900, 2)].map(|(ms, free)| ask(ms, free)),
            [None, None]
        );
        let told =
            "nothing is started while 3.00 GiB of memory is free, and --memfree requires 5.00 GiB";
        assert_eq!(ask(1000, 3).as_deref(), Some(told));
        assert_eq!(
            [(2000, 3), (3000, 6), (3100, 1)].map(|(ms, f)| ask(ms, f)),
            [None, None, None]
        );
        assert!(ask(4100, 1).is_some());
        assert!(shortage.told().is_some());
        ask(4200, 5);
        assert_eq!(shortage.told(), None);
    }

    #[test]
    fn a_start_delayed_by_the_machine_does_not_count_for_the_interval() {
        let start = Instant::now();
        let mut throttle = Throttle {
            delay: Some(10 * MS),
            memory_min: Some(100),
            ..Throttle::default()
        };
        assert!(throttle.ask(start, |_| 1.0).is_some());
        assert_eq!(throttle.ask(start, |_| 100.0), None);
        assert_eq!(throttle.ask(start + 4 * MS, nothing), Some(6 * MS));
        assert_eq!(throttle.ask(start + 10 * MS, |_| 100.0), None);
    }

    proptest! {
        #[test]
        fn starts_keep_the_delay_between_them_and_the_rate_on_average(
            delay_ms in 0u32..5, every_ms in 1u32..5, late_ms in prop::collection::vec(0u32..9, 50),
        ) {
            let mut throttle = Throttle {
                delay: Some(delay_ms * MS),
                rate: Some(Rate { every: every_ms * MS }),
                ..Throttle::default()
            };
            let start = Instant::now();
            let mut now = start;
            let mut starts = Vec::new();
            for late in late_ms {
                while let Some(wait) = throttle.ask(now, nothing) {
                    now += wait;
                }
                starts.push(now);
                now += late * MS;
            }
            for pair in starts.windows(2) {
                prop_assert!(pair[1] - pair[0] >= delay_ms * MS);
            }
            let most = (now - start + Throttle::CATCH_UP).as_millis() / u128::from(every_ms) + 2;
            prop_assert!(starts.len() as u128 <= most);
        }
    }
}
