//! The report as text: which columns each kind of work has, and which contestants are missing, with
//! the reason.

use crate::contestant::Contestant;
use crate::figures::Figures;
use crate::lookup::Lookup;
use crate::report::{Report, Row, State, Table};
use crate::scenario::{Scenario, Work, thousands};
use crate::table::Grid;

/// What a figure is when there is none.
const NONE: &str = "-";

/// The share of the processors that others may use before the table mentions it.
const TOLERABLE: f64 = 0.05;

/// All contestants, whether they can take part, and all scenarios.
pub(crate) fn list(contestants: &[Contestant], scenarios: &[Scenario], lookup: &Lookup) -> String {
    let mut text = String::from("contestants\n");
    for contestant in contestants {
        let (name, title) = (&contestant.name, &contestant.title);
        match contestant.refusal(lookup) {
            Some(why) => text.push_str(&format!("  {name:<15} {title} ({why})\n")),
            None => text.push_str(&format!("  {name:<15} {title}\n")),
        }
    }
    text.push_str("\nscenarios\n");
    for scenario in scenarios {
        text.push_str(&format!("  {:<15} {}\n", scenario.name, scenario.what));
    }
    text
}

/// The whole report.
pub(crate) fn report(report: &Report, markdown: bool) -> String {
    let mut text = String::new();
    let fence = if markdown { "```\n" } else { "" };
    text.push_str(fence);
    for line in report.environment.lines() {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(fence);
    for table in &report.scenarios {
        text.push_str(&scenario(table, report.rounds, markdown));
    }
    text
}

fn scenario(table: &Table, rounds: usize, markdown: bool) -> String {
    let Table {
        scenario: name,
        what,
        jobs,
        ..
    } = table;
    let title = if markdown {
        format!("**{name}**")
    } else {
        name.to_string()
    };
    let times = if rounds == 1 {
        "1 round".into()
    } else {
        format!("{rounds} rounds")
    };
    let mut text = format!("\n{title}: {what}; -j {jobs}, {times}\n\n");
    let grid = grid(table);
    if !grid.is_empty() {
        text.push_str(&if markdown {
            grid.markdown()
        } else {
            grid.plain()
        });
    }
    for line in missing(table).into_iter().chain(disturbance(table)) {
        text.push_str(if markdown { "\n" } else { "" });
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn grid(table: &Table) -> Grid {
    let of_base = &*format!("x {}", table.base.unwrap_or(NONE));
    let head = match table.work {
        Work::Starts => &["starts/s", "min..max", of_base, "CPU us each", "peak RSS"][..],
        Work::Live => &["threads", "RSS", "RSS each", "all live after", "starts/s"],
        Work::Bulk | Work::Writers => &["MiB/s", "min..max", of_base, "CPU s", "peak RSS"],
        Work::Resident => &["starts/s without", "with", "with/without", "min..max"],
    };
    let mut grid = Grid::new(&[&[""], head, &["checked"]].concat());
    for row in &table.rows {
        if let Some(figures) = &row.figures {
            let mut cells = vec![row.title.clone()];
            cells.extend(cells_of(table, figures));
            cells.push(checked(row));
            grid.push(cells);
        }
    }
    grid
}

fn cells_of(table: &Table, figures: &Figures) -> Vec<String> {
    let range = format!("{}..{}", whole(figures.rate_min), whole(figures.rate_max));
    let ratio = figures
        .ratio
        .map_or(NONE.into(), |ratio| format!("{ratio:.2}"));
    let peak = figures.peak_rss_bytes.map_or(NONE.into(), bytes);
    match table.work {
        Work::Starts => {
            let cpu_us = figures.cpu_s * 1e6 / table.count as f64;
            vec![whole(figures.rate), range, ratio, whole(cpu_us), peak]
        }
        Work::Bulk | Work::Writers => {
            let cpu_s = format!("{:.2}", figures.cpu_s);
            vec![whole(figures.rate), range, ratio, cpu_s, peak]
        }
        Work::Live => figures.all_live.map_or(vec![NONE.into(); 5], |live| {
            vec![
                thousands(live.threads),
                bytes(live.rss_bytes),
                live.rss_bytes_per_process.map_or(NONE.into(), bytes),
                format!("{:.3} s", live.after_s),
                whole(figures.rate),
            ]
        }),
        Work::Resident => figures.resident.map_or(vec![NONE.into(); 4], |resident| {
            vec![
                whole(resident.rate_without),
                whole(figures.rate),
                format!("{:.2}", resident.ratio),
                format!("{:.2}..{:.2}", resident.ratio_min, resident.ratio_max),
            ]
        }),
    }
}

/// What was verified: a program reports nothing but its exit status.
fn checked(row: &Row) -> String {
    let Ok(contestant) = Contestant::named(&row.contestant) else {
        return NONE.into();
    };
    let tallied = row.samples.iter().all(|sample| sample.tally.is_some());
    let checked = match (contestant.counts_bytes(), tallied) {
        (true, _) => "bytes, exits",
        (false, true) => "exits",
        (false, false) => "own exit",
    };
    checked.into()
}

/// A line for each reason why a contestant is not in the table.
fn missing(table: &Table) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for row in &table.rows {
        let reason = match &row.state {
            State::Measured => continue,
            State::Unsuited(why) => format!("not measured, {why}"),
            State::Absent(why) => why.clone(),
            State::Failed(why) => format!("FAILED, {why}"),
        };
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, titles)) => titles.push(&row.title),
            None => reasons.push((reason, vec![&row.title])),
        }
    }
    reasons
        .into_iter()
        .map(|(reason, titles)| format!("{reason}: {}", titles.join("; ")))
        .collect()
}

/// A line when other programs took a share of the processors that may have changed the figures.
fn disturbance(table: &Table) -> Option<String> {
    let samples = table.rows.iter().flat_map(|row| &row.samples);
    let shares = samples.filter_map(|sample| sample.others_share);
    let worst = shares
        .max_by(f64::total_cmp)
        .filter(|&share| share > TOLERABLE)?;
    let percent = (worst * 100.0).round();
    Some(format!(
        "DISTURBED: other programs used up to {percent} % of the processors meanwhile"
    ))
}

fn whole(number: f64) -> String {
    thousands(number.round() as u64)
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..=1023 => format!("{bytes} B"),
        1024..=1_048_575 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Sample, Tally};

    fn row(name: &str, state: State) -> Row {
        let tally = Some(Tally::default());
        let sample = Sample {
            tally,
            wall_s: 0.5,
            cpu_s: 0.25,
            peak_rss_bytes: None,
            all_live: None,
            others_share: Some(0.3),
        };
        let measured = state == State::Measured;
        let samples = if measured { vec![sample] } else { Vec::new() };
        Row {
            contestant: name.into(),
            title: format!("the {name}"),
            state,
            figures: Figures::of(Work::Starts, 1_000.0, &samples, &[]),
            samples,
            samples_without_ballast: Vec::new(),
        }
    }

    fn table(rows: Vec<Row>) -> Table {
        Table {
            scenario: "static-10k",
            what: "children".into(),
            count: 1_000,
            jobs: 4,
            base: Some("floor"),
            work: Work::Starts,
            rows,
        }
    }

    #[test]
    fn no_result_is_dropped_silently() {
        let absent = || State::Absent("not installed".into());
        let failed = State::Failed("LOST OUTPUT".into());
        let rows = vec![
            row("tokio", State::Measured),
            row("xe", absent()),
            row("xargs", absent()),
            row("compio", failed),
        ];
        let text = scenario(&table(rows), 5, false);
        assert!(text.contains("the tokio     2,000"), "{text}");
        assert!(
            text.contains("not installed: the xe; the xargs\n"),
            "{text}"
        );
        assert!(text.contains("FAILED, LOST OUTPUT: the compio\n"), "{text}");
        assert!(text.contains("bytes, exits"), "{text}");
        assert!(text.contains("other programs used up to 30 %"), "{text}");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!([0, 2048, 5 << 20].map(bytes), ["0 B", "2.0 KiB", "5.0 MiB"]);
    }
}
