//! What the contestants are asked to do. Knows no contestant.

use std::ffi::OsString;
use std::path::Path;

use super::workshop::Workshop;

/// What the child prints in all but one scenario: `one line on stdout\n`, the same for stderr.
const LINES_BYTES: u64 = 38;
const GIB: u64 = 1 << 30;

/// The kind of work, on which the figures that matter depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Start as many processes per second as can be.
    Starts,
    /// Have all processes live at once.
    Live,
    /// Read as many bytes per second as can be.
    Bulk,
    /// Start processes without and with much memory in the parent.
    Resident,
}

/// What each process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Child {
    Lines,
    True,
    Live,
    Bulk { bytes: u64 },
}

/// A task for all contestants.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) work: Work,
    pub(crate) count: u64,
    child: Child,
}

impl Scenario {
    /// All scenarios, with this many times the processes or bytes that their names promise.
    pub(crate) fn all(scale: f64) -> Vec<Scenario> {
        let scaled = |count: u64| ((count as f64 * scale).round() as u64).max(1);
        let new = |name, work, count, child, what: String| {
            let what = format!("{} {what}", thousands(count));
            Scenario {
                name,
                what,
                work,
                count,
                child,
            }
        };
        let bulk_bytes = scaled(GIB);
        let bulk = format!("process that writes {} MiB to stdout", bulk_bytes >> 20);
        let lines = "static children, a line to stdout and a line to stderr each";
        let live = "static children live at once, each of which then writes two lines";
        let resident = "static children, without and with 1 GiB of touched memory in the parent";
        vec![
            new(
                "static-10k",
                Work::Starts,
                scaled(10_000),
                Child::Lines,
                lines.into(),
            ),
            new(
                "true-2k",
                Work::Starts,
                scaled(2_000),
                Child::True,
                "x /bin/true".into(),
            ),
            new(
                "live-1k",
                Work::Live,
                scaled(1_000),
                Child::Live,
                live.into(),
            ),
            new(
                "bulk-1g",
                Work::Bulk,
                1,
                Child::Bulk { bytes: bulk_bytes },
                bulk,
            ),
            new(
                "resident-1g",
                Work::Resident,
                scaled(2_000),
                Child::Lines,
                resident.into(),
            ),
        ]
    }

    /// What each process runs, before its number.
    pub(crate) fn argv(&self, workshop: &Workshop, gate: Option<&Path>) -> Vec<OsString> {
        let (line, child) = (&workshop.line, &workshop.child);
        match self.child {
            Child::Lines => vec![line.into()],
            Child::True => vec!["/bin/true".into()],
            Child::Live => {
                let gate = gate.expect("`gated` has said that there must be one");
                vec![child.into(), "live".into(), gate.into()]
            }
            Child::Bulk { bytes } => vec![child.into(), "bulk".into(), bytes.to_string().into()],
        }
    }

    /// Whether the processes wait for each other.
    pub(crate) fn gated(&self) -> bool {
        self.child == Child::Live
    }

    /// How many processes may run at once, of those that were asked for.
    pub(crate) fn jobs(&self, asked: usize) -> usize {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        if self.work == Work::Live {
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
        match self.child {
            Child::Lines | Child::Live => self.count * LINES_BYTES,
            Child::True => 0,
            Child::Bulk { bytes } => bytes,
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
    fn thousands_are_parted_by_commas() {
        let texts = [0, 999, 1_000, 123_456, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn scaling_changes_counts_and_bytes_and_leaves_at_least_one() {
        let small = Scenario::all(0.05);
        let counts: Vec<u64> = small.iter().map(|scenario| scenario.count).collect();
        assert_eq!(counts, [500, 100, 50, 1, 100]);
        assert_eq!(small[3].bytes_total(), GIB / 20);
        assert!(
            Scenario::all(1e-9)
                .iter()
                .all(|scenario| scenario.count == 1)
        );
    }

    #[test]
    fn as_many_run_at_once_as_were_asked_for_or_are_to_be_live() {
        let [starts, _, live, bulk, _] = &Scenario::all(1.0)[..] else {
            panic!("five of them")
        };
        assert_eq!([starts, live, bulk].map(|s| s.jobs(4)), [4, 1_000, 1]);
    }
}
