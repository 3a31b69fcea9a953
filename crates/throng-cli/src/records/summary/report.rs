//! A summary as text.

use std::cmp::Reverse;
use std::fmt::Write;
use std::time::Duration;

use super::{Failure, Summary};
use crate::histogram::Histogram;
use crate::size::{self, counted, digits, with_commas};
use crate::text;

/// A last line of stderr is shortened to this.
const LINE_MAX: usize = 200;

impl Summary {
    /// The whole summary. Writing to a string does not fail.
    pub(crate) fn report(&self) -> String {
        self.report_after(self.begin.elapsed())
    }

    fn report_after(&self, elapsed: Duration) -> String {
        let mut out = String::new();
        let ended = self.succeeded + self.failed;
        let per_s = ended as f64 / elapsed.as_secs_f64().max(1e-9);
        let _ = writeln!(
            out,
            "throng: {} in {}, {per_s:.1}/s",
            counted(ended, "command"),
            time(elapsed)
        );
        let _ = writeln!(out, "  {}", self.endings());
        let others = self.others();
        if !others.is_empty() {
            let _ = writeln!(out, "  {others}");
        }
        self.push_percentiles(&mut out);
        self.push_failures(&mut out);
        self.push_slowest(&mut out);
        out
    }

    fn endings(&self) -> String {
        let mut text = format!(
            "{} succeeded, {} failed",
            with_commas(self.succeeded),
            with_commas(self.failed)
        );
        let how = [
            (self.timed_out, "timed out"),
            (self.start_errors, "could not be started"),
        ];
        let how = listed(&how);
        if !how.is_empty() {
            let _ = write!(text, " ({how})");
        }
        let others = [
            (self.ended, "ended"),
            (self.unfinished, "to be tried again"),
            (self.not_started, "not started"),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            let _ = write!(text, ", {} {what}", with_commas(count));
        }
        text
    }

    fn others(&self) -> String {
        let capped = match self.capped {
            0 => String::new(),
            _ => format!("capped ({} bytes dropped)", with_commas(self.dropped_bytes)),
        };
        listed(&[
            (self.held, "held"),
            (self.capped, &capped),
            (self.retried, "run more than once"),
            (self.start_retries, "starts that had to wait"),
        ])
    }

    fn push_percentiles(&self, out: &mut String) {
        if self.wall.count() == 0 {
            return;
        }
        let _ = writeln!(
            out,
            "{:14}{:>11}{:>11}{:>11}{:>11}",
            "", "p50", "p90", "p99", "max"
        );
        let nanoseconds = |ns| time(Duration::from_nanos(ns));
        push_row(out, "wall", &self.wall, nanoseconds);
        push_row(out, "CPU", &self.cpu, nanoseconds);
        push_row(out, "memory", &self.max_rss, size::shown);
        push_row(out, "start", &self.start_latency, nanoseconds);
        let unknown = self.wall.count() - self.max_rss.count();
        if unknown > 0 {
            let _ = writeln!(
                out,
                "  memory is unknown of {}",
                counted(unknown, "command")
            );
        }
    }

    fn push_failures(&self, out: &mut String) {
        if self.failures.is_empty() {
            return;
        }
        out.push_str("  failed:\n");
        for Failure {
            number,
            name,
            how,
            last_line,
        } in &self.failures
        {
            let _ = write!(out, "    #{number} {}: {how}", text::quoted_ends(name));
            if !last_line.is_empty() {
                let line: String = last_line.chars().take(LINE_MAX).collect();
                let _ = write!(out, ": {line}");
            }
            out.push('\n');
        }
        let more = self.failed - self.failures.len() as u64;
        if more > 0 {
            let _ = writeln!(
                out,
                "    and {} more (--joblog FILE names all, --results DIR has all that they wrote)",
                with_commas(more)
            );
        }
    }

    fn push_slowest(&self, out: &mut String) {
        if self.slowest.is_empty() {
            return;
        }
        out.push_str("  slowest:\n");
        for Reverse((wall, number, name)) in self.slowest.clone().into_sorted_vec() {
            let wall = time(wall);
            let _ = writeln!(out, "    {wall:>9}  #{number} {}", text::quoted_ends(&name));
        }
    }
}

fn push_row(out: &mut String, name: &str, figures: &Histogram, shown: impl Fn(u64) -> String) {
    if figures.count() == 0 {
        return;
    }
    let _ = write!(out, "  {name:12}");
    for percent in [50, 90, 99] {
        let _ = write!(out, "{:>11}", shown(figures.percentile(percent)));
    }
    let _ = writeln!(out, "{:>11}", shown(figures.max()));
}

/// "1 held, 2 capped", without those that are 0.
fn listed(counts: &[(u64, &str)]) -> String {
    let some = counts.iter().filter(|(count, _)| *count > 0);
    let texts = some.map(|(count, what)| format!("{} {what}", with_commas(*count)));
    texts.collect::<Vec<_>>().join(", ")
}

/// Three significant digits and a unit.
fn time(time: Duration) -> String {
    let s = time.as_secs_f64();
    match s {
        _ if s < 1e-3 => format!("{} µs", digits(s * 1e6)),
        _ if s < 1.0 => format!("{} ms", digits(s * 1e3)),
        _ if s < 600.0 => format!("{} s", digits(s)),
        _ => format!("{} min", digits(s / 60.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let mut summary = Summary::new(false);
        summary.succeeded = 998;
        summary.failed = 2;
        summary.timed_out = 1;
        summary.not_started = 5;
        summary.held = 1;
        summary.capped = 3;
        summary.dropped_bytes = 12_345;
        for ms in 1..=1000 {
            summary.wall.add(ms * 1_000_000);
            summary.cpu.add(ms * 1000);
        }
        summary.max_rss.add(5 << 20);
        summary.start_latency.add(250_000);
        summary.failures.push(Failure {
            number: 7,
            name: b"sh -c 'exit 3'".to_vec(),
            how: "exit code 3".into(),
            last_line: "no such thing".into(),
        });
        let slow = (Duration::from_secs(1), 9, b"make all".to_vec());
        summary.slowest.push(Reverse(slow));
        summary
    }

    #[test]
    fn a_summary_is_a_readable_page() {
        let text = summary().report_after(Duration::from_millis(12_500));
        let expected = "\
throng: 1,000 commands in 12.5 s, 80.0/s
  998 succeeded, 2 failed (1 timed out), 5 not started
  1 held, 3 capped (12,345 bytes dropped)
                      p50        p90        p99        max
  wall             503 ms     906 ms     990 ms     1.00 s
  CPU              503 µs     906 µs     990 µs    1.00 ms
  memory         5.00 MiB   5.00 MiB   5.00 MiB   5.00 MiB
  start            250 µs     250 µs     250 µs     250 µs
  memory is unknown of 999 commands
  failed:
    #7 \"sh -c 'exit 3'\": exit code 3: no such thing
    and 1 more (--joblog FILE names all, --results DIR has all that they wrote)
  slowest:
       1.00 s  #9 \"make all\"
";
        for (line, expected) in text.lines().zip(expected.lines()) {
            if !line.starts_with("  wall") && !line.starts_with("  CPU") {
                assert_eq!(line, expected);
            }
        }
        assert_eq!(text.lines().count(), expected.lines().count());
    }

    #[test]
    fn an_empty_run_has_no_figures() {
        let text = Summary::new(false).report_after(Duration::from_millis(1));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "throng: 0 commands in 1.00 ms, 0.0/s",
                "  0 succeeded, 0 failed"
            ]
        );
    }

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        let times = [900, 12_345, 1_500_000, 99_990_000_000, 3_600_000_000_000];
        let times = times.map(|ns| time(Duration::from_nanos(ns)));
        assert_eq!(
            times,
            ["0.90 µs", "12.3 µs", "1.50 ms", "100 s", "60.0 min"]
        );
        assert_eq!(
            [9, 1536, 3 << 30].map(size::shown),
            ["9 B", "1.50 KiB", "3.00 GiB"]
        );
    }
}
