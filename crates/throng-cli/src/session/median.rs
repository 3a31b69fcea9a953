//! The median of a stream of times in little memory: the remedian of Rousseeuw and Bassett (1990),
//! which GNU parallel uses for `--timeout N%`. Exact for the first values, a good guess beyond.

use std::time::Duration;

/// Values of one level; the median of so many is one value of the next.
const BASE: usize = 999;

#[derive(Debug, Default)]
pub(super) struct Remedian {
    levels: Vec<Vec<Duration>>,
}

impl Remedian {
    pub(super) fn add(&mut self, value: Duration) {
        let mut value = value;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let values = &mut self.levels[level];
            let place = values.partition_point(|other| *other <= value);
            values.insert(place, value);
            if values.len() < BASE {
                return;
            }
            value = middle(values);
            values.clear();
        }
    }

    /// None before the first value. Each level counts with the median of those below it as one
    /// more value.
    pub(super) fn get(&self) -> Option<Duration> {
        let mut below = None;
        for values in &self.levels {
            let mut all = values.clone();
            all.extend(below);
            all.sort_unstable();
            if !all.is_empty() {
                below = Some(middle(&all));
            }
        }
        below
    }
}

/// The lower one of two in the middle.
fn middle(sorted: &[Duration]) -> Duration {
    sorted[(sorted.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: impl Iterator<Item = u64>) -> Option<u64> {
        let mut median = Remedian::default();
        values.for_each(|ms| median.add(Duration::from_millis(ms)));
        median.get().map(|median| median.as_millis() as u64)
    }

    #[test]
    fn there_is_none_of_nothing_and_of_two_it_is_the_lower() {
        assert_eq!(of([].into_iter()), None);
        assert_eq!(of([9, 5].into_iter()), Some(5));
    }

    #[test]
    fn of_many_it_is_near_the_middle() {
        // A permutation of 0 to 1,000,002: the number is prime.
        let many = (0..1_000_003u64).map(|n| n * 7919 % 1_000_003);
        let median = of(many).unwrap();
        assert!((450_000..550_000).contains(&median), "{median}");
    }

    proptest! {
        #[test]
        fn of_few_it_is_exact(values in prop::collection::vec(0u64..1000, 1..998)) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            prop_assert_eq!(of(values.into_iter()), Some(sorted[(sorted.len() - 1) / 2]));
        }
    }
}
