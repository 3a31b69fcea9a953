//! From samples to figures. Pure.

use serde::Serialize;

use crate::scenario::Work;
use crate::task::Sample;

/// What the table shows of a contestant. Medians over all rounds, unless noted otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Processes or MiB per second, by the time that counts.
    pub(crate) rate: f64,
    pub(crate) rate_min: f64,
    pub(crate) rate_max: f64,
    /// `rate` in units of the base's.
    pub(crate) ratio: Option<f64>,
    pub(crate) cpu_s: f64,
    /// The highest of all rounds.
    pub(crate) peak_rss_bytes: Option<u64>,
    pub(crate) resident: Option<Resident>,
    #[serde(rename = "full_house")]
    pub(crate) all_live: Option<LiveFigures>,
}

/// What memory in the parent does to the rate. Both rates of a ratio are from the same round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Resident {
    pub(crate) rate_without: f64,
    pub(crate) ratio: f64,
    pub(crate) ratio_min: f64,
    pub(crate) ratio_max: f64,
}

/// The contestant when all processes were live.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct LiveFigures {
    pub(crate) after_s: f64,
    pub(crate) threads: u64,
    pub(crate) rss_bytes: u64,
    /// What each process added to its memory.
    pub(crate) rss_bytes_per_process: Option<u64>,
}

impl Figures {
    /// `None` without samples.
    pub(crate) fn of(
        work: Work,
        amount: f64,
        samples: &[Sample],
        without_ballast: &[Sample],
    ) -> Option<Figures> {
        let rates = |samples: &[Sample]| -> Vec<f64> {
            samples
                .iter()
                .map(|sample| amount / seconds(work, sample))
                .collect()
        };
        let with = rates(samples);
        let (rate_min, rate, rate_max) = spread(&with)?;
        let without = rates(without_ballast);
        let ratios: Vec<f64> = with
            .iter()
            .zip(&without)
            .map(|(with, light)| with / light)
            .collect();
        let resident = spread(&ratios)
            .zip(spread(&without))
            .map(|(ratios, without)| Resident {
                rate_without: without.1,
                ratio: ratios.1,
                ratio_min: ratios.0,
                ratio_max: ratios.2,
            });
        let cpu: Vec<f64> = samples.iter().map(|sample| sample.cpu_s).collect();
        Some(Figures {
            rate,
            rate_min,
            rate_max,
            ratio: None,
            cpu_s: spread(&cpu)?.1,
            peak_rss_bytes: samples
                .iter()
                .filter_map(|sample| sample.peak_rss_bytes)
                .max(),
            resident,
            all_live: live_figures(samples),
        })
    }
}

/// The time that counts: of processes that wait for each other, until all are live or from then on.
pub(crate) fn seconds(work: Work, sample: &Sample) -> f64 {
    match (work, &sample.all_live) {
        (Work::Live, Some(live)) => live.after_s,
        (Work::Writers, Some(live)) => sample.wall_s - live.after_s,
        _ => sample.wall_s,
    }
}

/// The round whose memory is in the middle.
fn live_figures(samples: &[Sample]) -> Option<LiveFigures> {
    let mut all: Vec<_> = samples.iter().filter_map(|s| s.all_live.as_ref()).collect();
    all.sort_by_key(|live| live.rss_bytes);
    let live = all.get(all.len() / 2)?;
    let afters: Vec<f64> = all.iter().map(|live| live.after_s).collect();
    let grown = live
        .rss_before_bytes
        .map(|before| live.rss_bytes.saturating_sub(before));
    Some(LiveFigures {
        after_s: spread(&afters)?.1,
        threads: all.iter().map(|live| live.threads).max()?,
        rss_bytes: live.rss_bytes,
        rss_bytes_per_process: grown.and_then(|grown| grown.checked_div(live.live)),
    })
}

/// Least, median and greatest.
fn spread(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    };
    Some((first, median, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::AllLive;

    fn took(wall_s: f64) -> Sample {
        Sample {
            tally: None,
            wall_s,
            cpu_s: 0.5,
            peak_rss_bytes: Some(7),
            all_live: None,
            others_share: None,
        }
    }

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_middles() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((1.0, 2.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some((1.0, 2.5, 4.0)));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn rates_are_amounts_divided_by_time() {
        let samples = [took(2.0), took(1.0), took(4.0)];
        let figures = Figures::of(Work::Starts, 100.0, &samples, &[]).expect("there are samples");
        assert_eq!(
            (figures.rate_min, figures.rate, figures.rate_max),
            (25.0, 50.0, 100.0)
        );
        assert_eq!((figures.peak_rss_bytes, figures.resident), (Some(7), None));
        assert_eq!(Figures::of(Work::Starts, 100.0, &[], &[]), None);
    }

    #[test]
    fn ballast_is_compared_round_by_round() {
        let (with, without) = ([took(2.0), took(8.0)], [took(1.0), took(2.0)]);
        let figures = Figures::of(Work::Resident, 8.0, &with, &without);
        let resident = figures
            .and_then(|figures| figures.resident)
            .expect("there is ballast");
        assert_eq!((resident.rate_without, resident.ratio), (6.0, 0.375));
        assert_eq!((resident.ratio_min, resident.ratio_max), (0.25, 0.5));
    }

    #[test]
    fn the_time_ends_when_all_waiting_processes_are_live() {
        let live = AllLive {
            live: 10,
            after_s: 0.5,
            threads: 3,
            rss_bytes: 1_500,
            rss_before_bytes: Some(500),
        };
        let sample = Sample {
            all_live: Some(live),
            ..took(9.0)
        };
        let figures = Figures::of(Work::Live, 10.0, &[sample], &[]).expect("there is a sample");
        let live_figures = figures.all_live.expect("it was full");
        assert_eq!(
            (figures.rate, live_figures.after_s, live_figures.threads),
            (20.0, 0.5, 3)
        );
        assert_eq!(live_figures.rss_bytes_per_process, Some(100));
    }
}
