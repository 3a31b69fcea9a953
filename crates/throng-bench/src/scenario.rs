//! What the contestants are asked to do. Knows no contestant.

use anyhow::{Result, bail};

use crate::child::Child;
use crate::sys;

const GIB: u64 = 1 << 30;

/// How much each process writes to each stream in `writers-64`.
const WRITER_BYTES: u64 = 256 << 10;

/// The kind of work, on which the figures that matter depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Start as many processes per second as can be.
    Starts,
    /// Have all processes live at once.
    Live,
    /// Read from all processes at once, which all are live before any of them writes.
    Writers,
    /// Read as many bytes per second as can be.
    Bulk,
    /// Start processes without and with much memory in the parent.
    Resident,
}

/// A task for all contestants.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) work: Work,
    pub(crate) count: u64,
    /// What each process does.
    pub(crate) child: Child,
}

impl Scenario {
    /// All scenarios, with this many times the processes or bytes that their names promise.
    pub(crate) fn all(scale: f64) -> Vec<Scenario> {
        let scaled = |count: u64| ((count as f64 * scale).round() as u64).max(1);
        let new = |name, work, count, child, what: &str| Scenario {
            name,
            what: format!("{} {what}", thousands(count)),
            work,
            count,
            child,
        };
        let starts = |name, count, child, what| new(name, Work::Starts, scaled(count), child, what);
        let bytes = scaled(GIB);
        let mut all = vec![
            starts(
                "static-10k",
                10_000,
                Child::Lines,
                "static children, a line to stdout and a line to stderr each",
            ),
            starts("true-2k", 2_000, Child::True, "x /bin/true"),
            new(
                "live-1k",
                Work::Live,
                scaled(1_000),
                Child::Live,
                "static children live at once, each of which then writes two lines",
            ),
            new(
                "writers-64",
                Work::Writers,
                scaled(64),
                Child::Writer {
                    bytes: WRITER_BYTES,
                },
                "live children, each of which then writes 256 KiB to each stream",
            ),
            new(
                "bulk-1g",
                Work::Bulk,
                1,
                Child::Bulk { bytes },
                &format!("process that writes {} MiB to stdout", bytes >> 20),
            ),
            new(
                "resident-1g",
                Work::Resident,
                scaled(2_000),
                Child::Lines,
                "static children, without and with 1 GiB of touched memory in the parent",
            ),
        ];
        all.retain(|scenario| !sys::ABSENT_SCENARIOS.contains(&scenario.name));
        all
    }

    /// Those that were asked for: all when none was.
    pub(crate) fn chosen(asked: &[String], scale: f64) -> Result<Vec<Scenario>> {
        let mut scenarios = Scenario::all(scale);
        for name in asked {
            if !scenarios.iter().any(|scenario| scenario.name == name) {
                bail!("no scenario \"{name}\"; `throng-bench --list` names them");
            }
        }
        scenarios.retain(|scenario| asked.is_empty() || asked.iter().any(|a| a == scenario.name));
        Ok(scenarios)
    }

    /// How many processes may run at once, of those that were asked for.
    pub(crate) fn jobs(&self, asked: usize) -> usize {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        if self.child.is_gated() {
            count
        } else {
            asked.min(count)
        }
    }

    /// The memory that the parent touches before it starts anything.
    pub(crate) fn ballast_bytes(&self) -> u64 {
        if self.work == Work::Resident { GIB } else { 0 }
    }

    /// How many bytes a contestant that loses nothing has captured in the end.
    pub(crate) fn bytes_total(&self) -> u64 {
        self.count * self.child.bytes()
    }

    /// How much work it is, in the unit of its rates: processes or MiB.
    pub(crate) fn amount(&self) -> f64 {
        if self.is_about_bytes() {
            self.bytes_total() as f64 / f64::from(1 << 20)
        } else {
            self.count as f64
        }
    }

    pub(crate) fn is_about_bytes(&self) -> bool {
        matches!(self.work, Work::Bulk | Work::Writers)
    }

    /// The contestant that all others are compared with.
    pub(crate) fn base(&self) -> Option<&'static str> {
        match self.work {
            Work::Starts => Some(sys::BASE_OF_STARTS),
            Work::Writers => Some(sys::BASE_OF_WRITERS),
            Work::Bulk => Some(sys::BASE_OF_BULK),
            Work::Live | Work::Resident => None,
        }
    }
}

/// A number that can be read at a glance.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated_by_commas() {
        let texts = [0, 999, 1_000, 123_456, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn scaling_changes_counts_and_bytes_and_leaves_at_least_one() {
        let named = |name: &str, scale| {
            let mut all = Scenario::chosen(&[name.into()], scale).expect("it exists");
            all.remove(0)
        };
        assert_eq!(named("static-10k", 0.05).count, 500);
        assert_eq!(named("live-1k", 0.05).count, 50);
        let bulk = named("bulk-1g", 0.05);
        assert_eq!((bulk.count, bulk.bytes_total()), (1, GIB / 20));
        let small = Scenario::all(1e-9);
        assert!(small.iter().all(|scenario| scenario.count == 1));
        assert!(Scenario::chosen(&["no such".into()], 1.0).is_err());
    }

    #[test]
    fn concurrency_is_the_number_requested_or_the_number_to_be_live() {
        let jobs = |scenario: &Scenario| (scenario.name, scenario.jobs(4));
        let all: Vec<_> = Scenario::all(1.0).iter().map(jobs).collect();
        for expected in [
            ("static-10k", 4),
            ("live-1k", 1_000),
            ("writers-64", 64),
            ("bulk-1g", 1),
        ] {
            assert!(all.contains(&expected), "{all:?}");
        }
    }
}
