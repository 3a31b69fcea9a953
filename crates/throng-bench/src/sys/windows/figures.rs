//! Medians, and how they compare with those of another. Knows nothing of who was measured.

use serde::Serialize;

use super::sample::Sample;

/// What is told of the samples of one contestant in one scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) peak_working_set_bytes: u64,
    pub(crate) threads: u32,
    /// `None` when there is nothing to compare with.
    pub(crate) ratios: Option<Ratios>,
}

/// Of a contestant's medians to those of the base.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Ratios {
    pub(crate) wall: f64,
    /// The least and the greatest ratio of two walls of the same round: how far to trust `wall`.
    pub(crate) wall_range: [f64; 2],
    /// `None` where the base used less than the system's clock can tell.
    pub(crate) cpu: Option<f64>,
}

impl Figures {
    /// `None` without samples. Those of the same place in both slices are of the same round.
    pub(crate) fn of(samples: &[Sample], base: &[Sample]) -> Option<Figures> {
        let (wall_s, cpu_s) = medians(samples)?;
        let figure = |of: fn(&Sample) -> f64| median(samples.iter().map(of));
        Some(Figures {
            wall_s,
            cpu_s,
            peak_working_set_bytes: figure(|s| s.peak_working_set_bytes as f64)? as u64,
            threads: figure(|s| f64::from(s.threads))? as u32,
            ratios: Ratios::of(samples, base),
        })
    }
}

impl Ratios {
    fn of(samples: &[Sample], base: &[Sample]) -> Option<Ratios> {
        let (wall_s, cpu_s) = medians(samples)?;
        let (base_wall_s, base_cpu_s) = medians(base)?;
        let of_rounds = samples.iter().zip(base).map(|(s, b)| s.wall_s / b.wall_s);
        let mut wall_range = [f64::INFINITY, 0.0];
        for ratio in of_rounds {
            wall_range = [wall_range[0].min(ratio), wall_range[1].max(ratio)];
        }
        Some(Ratios {
            wall: wall_s / base_wall_s,
            wall_range,
            cpu: (base_cpu_s > 0.0).then(|| cpu_s / base_cpu_s),
        })
    }
}

fn medians(samples: &[Sample]) -> Option<(f64, f64)> {
    let wall_s = median(samples.iter().map(|sample| sample.wall_s))?;
    let cpu_s = median(samples.iter().map(|sample| sample.cpu_s))?;
    Some((wall_s, cpu_s))
}

/// The middle one, or the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some((values[values.len() / 2 - 1] + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(walls_s: &[f64]) -> Vec<Sample> {
        let of = |&wall_s: &f64| Sample {
            wall_s,
            cpu_s: wall_s / 2.0,
            ..Sample::default()
        };
        walls_s.iter().map(of).collect()
    }

    #[test]
    fn the_middle_counts() {
        assert_eq!(median([3.0, 1.0, 100.0].into_iter()), Some(3.0));
        assert_eq!(median([4.0, 2.0].into_iter()), Some(3.0));
        assert_eq!(median([].into_iter()), None);
    }

    #[test]
    fn ratios_are_of_medians_and_their_range_of_rounds() {
        let (base, other) = (samples(&[1.0, 2.0, 4.0]), samples(&[2.0, 2.0, 16.0]));
        let figures = Figures::of(&other, &base).expect("there are samples");
        let ratios = figures.ratios.expect("there is a base");
        assert_eq!((ratios.wall, ratios.cpu), (1.0, Some(1.0)));
        assert_eq!(ratios.wall_range, [1.0, 4.0]);
        assert_eq!(Figures::of(&[], &base), None);
        let alone = Figures::of(&other, &[]).expect("there are samples");
        assert_eq!(alone.ratios, None);
    }
}
