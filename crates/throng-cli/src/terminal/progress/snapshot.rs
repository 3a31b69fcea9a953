//! The state of a run at one moment, as lines that fit into a terminal.

use std::time::Duration;

use console::{measure_text_width, truncate_str};

use super::ProgressStyle;
use crate::size::with_commas;
use crate::text;

/// How wide a bar gets, at the most.
const BAR_MAX: usize = 40;
/// The width of an age with the spaces around it.
const AGE_WIDTH: usize = 9;

#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) held: u64,
    /// How many commands there are; none as long as that is unknown.
    pub(super) total: Option<u64>,
    pub(super) live: usize,
    pub(super) per_s: f64,
    pub(super) elapsed: Duration,
    /// The processes that have been running for long, the longest first.
    pub(super) long: Vec<LongRunner>,
}

#[derive(Debug)]
pub(super) struct LongRunner {
    pub(super) age: Duration,
    /// Whether a signal has stopped it.
    pub(super) is_stopped: bool,
    pub(super) name: Vec<u8>,
}

impl Snapshot {
    /// Lines for a terminal of this size. None is as wide as the terminal: after one that ends in
    /// the last column, terminals differ in where the cursor is.
    pub(super) fn lines(&self, style: ProgressStyle, width: usize, height: usize) -> Vec<String> {
        let width = width.saturating_sub(1);
        let mut lines = vec![self.head(style, width)];
        if style.shows_processes() {
            let room = height.saturating_sub(2);
            lines.extend(self.processes(width).take(room));
        }
        lines
    }

    /// How far the run is. What does not fit is left out, the least important first.
    fn head(&self, style: ProgressStyle, width: usize) -> String {
        let is_done = match self.total {
            Some(total) => format!("{}/{} done", with_commas(self.done), with_commas(total)),
            None => format!("{} done", with_commas(self.done)),
        };
        let percent = self.total.map(|total| self.done * 100 / total.max(1));
        let count = |n: u64, what: &str| (n > 0).then(|| format!("{} {what}", with_commas(n)));
        // The larger the number, the sooner the part is left out.
        let parts = [
            (percent.map(|percent| format!("{percent}%")), 2),
            (Some(is_done), 0),
            (count(self.failed, "failed"), 0),
            (count(self.held, "held"), 1),
            (count(self.live as u64, "running"), 3),
            ((self.done > 0).then(|| self.rate()), 4),
            (Some(format!("{} elapsed", clock(self.elapsed))), 5),
            (self.left().map(|left| format!("{} left", clock(left))), 1),
        ];
        let joined = |importance: u8| {
            let kept = parts.iter().filter(|(_, drop)| *drop <= importance);
            let texts = kept.filter_map(|(text, _)| text.as_deref());
            texts.collect::<Vec<_>>().join("  ")
        };
        let fits = (0..=5).rev().map(joined);
        let mut text = fits
            .into_iter()
            .find(|text| measure_text_width(text) <= width)
            .unwrap_or_else(|| joined(0));
        if style == ProgressStyle::Bar
            && let Some(percent) = percent
            && let Some(bar) = bar(percent, width.saturating_sub(measure_text_width(&text) + 2))
        {
            text = format!("{bar}  {text}");
        }
        truncate_str(&text, width, "").trim_end().to_owned()
    }

    fn rate(&self) -> String {
        match self.per_s {
            rate if rate >= 10.0 => format!("{}/s", with_commas(rate.round() as u64)),
            rate if rate >= 1.0 => format!("{rate:.1}/s"),
            rate => format!("{:.1}/min", rate * 60.0),
        }
    }

    /// How long the run takes from now on at its present pace.
    fn left(&self) -> Option<Duration> {
        let left = self.total?.checked_sub(self.done)?;
        if self.done == 0 || self.per_s <= 0.0 {
            return None;
        }
        Duration::try_from_secs_f64((left as f64 / self.per_s).ceil()).ok()
    }

    fn processes(&self, width: usize) -> impl Iterator<Item = String> {
        let more = self.live.saturating_sub(self.long.len());
        let lines = self.long.iter().map(move |long| {
            let stopped = if long.is_stopped { "stopped: " } else { "" };
            let name = stopped.to_owned() + &text::on_one_line(&long.name);
            let name = truncate_str(&name, width.saturating_sub(AGE_WIDTH), "…");
            let line = format!("{:>7}  {name}", clock(long.age));
            truncate_str(&line, width, "").into_owned()
        });
        let and_more = (more > 0 && !self.long.is_empty()).then(|| {
            let line = format!("{:>7}  and {} more", "", with_commas(more as u64));
            truncate_str(&line, width, "").into_owned()
        });
        lines.chain(and_more)
    }
}

/// A bar of at most this many columns; none if that is too few.
fn bar(percent: u64, width: usize) -> Option<String> {
    let inner = width
        .min(BAR_MAX)
        .checked_sub(2)
        .filter(|inner| *inner >= 8)?;
    let full = (inner as u64 * percent.min(100) / 100) as usize;
    Some(format!(
        "[{}{}]",
        "#".repeat(full),
        "-".repeat(inner - full)
    ))
}

/// 0:07, 12:34, 1:02:03, 3d 04h.
fn clock(time: Duration) -> String {
    let s = time.as_secs();
    let (days, hours, minutes, s) = (s / 86_400, s / 3600, s / 60 % 60, s % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{s:02}"),
        (0, hours) => format!("{hours}:{minutes:02}:{s:02}"),
        (days, hours) => format!("{days}d {:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn snapshot() -> Snapshot {
        let long = |s: u64, name: &str| LongRunner {
            age: Duration::from_secs(s),
            is_stopped: s == 61,
            name: name.into(),
        };
        Snapshot {
            done: 1204,
            failed: 3,
            held: 1,
            total: Some(10_000),
            live: 64,
            per_s: 92.6,
            elapsed: Duration::from_secs(13),
            long: vec![
                long(3725, "convert a very long name of a picture.png"),
                long(61, "é\n\x1b[2J"),
            ],
        }
    }

    #[test]
    fn the_view_shows_progress_and_long_running_commands() {
        let lines = snapshot().lines(ProgressStyle::Full, 100, 24);
        assert_eq!(
            lines,
            [
                "12%  1,204/10,000 done  3 failed  1 held  64 running  93/s  0:13 elapsed  \
                 1:35 left",
                "1:02:05  convert a very long name of a picture.png",
                "   1:01  stopped: é\\n\\u{1b}[2J",
                "         and 62 more",
            ]
        );
    }

    #[test]
    fn parts_that_do_not_fit_are_dropped_least_informative_first() {
        let head = |width| snapshot().lines(ProgressStyle::Line, width, 24).concat();
        assert_eq!(
            head(69),
            "12%  1,204/10,000 done  3 failed  1 held  64 running  1:35 left"
        );
        assert_eq!(head(50), "1,204/10,000 done  3 failed  1 held  1:35 left");
        assert_eq!(head(20), "1,204/10,000 done");
        let bar = snapshot().lines(ProgressStyle::Bar, 120, 24).concat();
        assert!(bar.starts_with("[###---------------------"), "{bar}");
        assert_eq!(
            snapshot().lines(ProgressStyle::Bar, 50, 24).concat(),
            head(50)
        );
    }

    #[test]
    fn without_a_total_there_is_no_estimate() {
        let snapshot = Snapshot {
            done: 5,
            per_s: 0.25,
            ..Snapshot::default()
        };
        assert_eq!(
            snapshot.lines(ProgressStyle::Full, 80, 24),
            ["5 done  15.0/min  0:00 elapsed"]
        );
    }

    #[test]
    fn times_are_shown_briefly() {
        let text = |s| clock(Duration::from_secs(s));
        assert_eq!(
            [0, 59, 3600, 273_600].map(text),
            ["0:00", "0:59", "1:00:00", "3d 04h"]
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal_and_there_are_not_too_many(
            width in 1usize..200,
            height in 1usize..10,
            done in any::<u64>(),
            total in prop::option::of(any::<u64>()),
            per_s in 0.0f64..1e9,
            names in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..99), 0..6),
        ) {
            let age = Duration::from_secs(done % 1_000_000);
            let is_stopped = width % 2 == 0;
            let long = names.into_iter();
            let long = long.map(|name| LongRunner { age, is_stopped, name }).collect();
            let snapshot = Snapshot {
                done: done / 1000,
                failed: done,
                total,
                per_s,
                long,
                live: 9,
                ..Snapshot::default()
            };
            for style in [ProgressStyle::Full, ProgressStyle::Bar, ProgressStyle::Line] {
                let lines = snapshot.lines(style, width, height);
                prop_assert!(lines.len() <= height.max(1));
                for line in lines {
                    prop_assert!(measure_text_width(&line) < width.max(1), "{line:?}");
                    prop_assert!(!line.chars().any(char::is_control), "{line:?}");
                }
            }
        }
    }
}
