//! Percentiles of any number of figures in little memory: a histogram with 32 buckets for each
//! power of two. Figures below 64 are counted exactly; a percentile of larger ones is off by at
//! most one in 64.

const PARTS: usize = 32;
const PART_BITS: u32 = PARTS.trailing_zeros();
const BUCKETS: usize = PARTS * (64 - PART_BITS as usize + 1);

#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: Box::new([0; BUCKETS]),
            count: 0,
            max: 0,
        }
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, figure: u64) {
        self.counts[bucket(figure)] += 1;
        self.count += 1;
        self.max = self.max.max(figure);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Exactly.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// The figure that this percentage of all figures does not exceed, approximately.
    pub(crate) fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(figure: u64) -> usize {
    let Some(shift) = figure
        .checked_ilog2()
        .and_then(|log| log.checked_sub(PART_BITS))
    else {
        return figure as usize;
    };
    (shift as usize + 1) * PARTS + (figure >> shift) as usize - PARTS
}

/// The middle of the figures of this bucket.
fn middle(bucket: usize) -> u64 {
    let Some(shift) = (bucket / PARTS).checked_sub(1) else {
        return bucket as u64;
    };
    let first = ((bucket % PARTS + PARTS) as u64) << shift;
    first + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figure() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0u32..64).prop_map(|(figure, shift)| figure >> shift)
    }

    proptest! {
        #[test]
        fn percentiles_match_the_sorted_figures_within_one_in_64(
            mut figures in prop::collection::vec(figure(), 1..200),
            percent in 1u64..=100,
        ) {
            let mut histogram = Histogram::default();
            figures.iter().for_each(|figure| histogram.add(*figure));
            figures.sort_unstable();
            let rank = (figures.len() * percent as usize).div_ceil(100);
            let exact = figures[rank - 1];
            let about = histogram.percentile(percent);
            prop_assert!(about.abs_diff(exact) <= exact / 64, "{about} for {exact}");
            prop_assert_eq!(histogram.max(), figures[figures.len() - 1]);
        }
    }

    #[test]
    fn each_figure_has_a_bucket() {
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        for figure in 0..10_000 {
            assert!(bucket(figure + 1) - bucket(figure) <= 1, "{figure}");
        }
    }
}
