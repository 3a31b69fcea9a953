//! The rounds: in each, every contestant runs once, in an order that moves on by one, so that a
//! machine that slows down, or warms up, favours nobody.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::arguments::Options;
use super::contestant::Contestant;
use super::environment::Environment;
use super::figures::Figures;
use super::lookup::Lookup;
use super::report::{Report, Row, Standing, Table};
use super::scenario::{Scenario, Work};
use super::strays;
use super::trial::{Course, Trial};
use super::workshop::Workshop;

/// Whether everybody did what was asked for.
#[derive(Debug)]
pub(crate) enum Verdict {
    AllWell,
    /// A line for each contestant that did not.
    Failures(Vec<String>),
}

/// Measures what the options ask for.
pub(crate) fn run(options: &Options) -> Result<(Report, Verdict)> {
    let contestants = Contestant::chosen(&options.only)?;
    let scenarios = chosen_scenarios(options)?;
    let lookup = Lookup::new(options.throng.as_deref())?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, interrupted.clone()).context("listen for signals")?;
    }
    strays::adopt()?;
    let workshop = Workshop::open()?;
    let environment = Environment::of_this_machine(&lookup);
    // A program that does not answer when asked for its version may have left some.
    strays::end()?;
    if cfg!(debug_assertions) {
        eprintln!("throng-bench: this is a debug build: its figures mean nothing");
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let course = Course {
        workshop: &workshop,
        jobs: options.jobs.unwrap_or(2 * cores),
        timeout: Duration::from_secs_f64(options.timeout),
        interrupted,
    };
    let mut report = Report {
        environment,
        rounds: options.rounds,
        scale: options.scale,
        scenarios: Vec::new(),
    };
    let mut failures = Vec::new();
    for scenario in &scenarios {
        let table = measure(scenario, &contestants, &lookup, &course, options)?;
        for row in &table.rows {
            if let Standing::Failed(why) = &row.standing {
                failures.push(format!("{} in {}: {why}", row.contestant, scenario.name));
            }
        }
        report.scenarios.push(table);
    }
    let verdict = if failures.is_empty() {
        Verdict::AllWell
    } else {
        Verdict::Failures(failures)
    };
    Ok((report, verdict))
}

fn chosen_scenarios(options: &Options) -> Result<Vec<Scenario>> {
    let mut scenarios = Scenario::all(options.scale);
    for asked in &options.scenario {
        if !scenarios.iter().any(|scenario| scenario.name == asked) {
            bail!("no scenario \"{asked}\"; `throng-bench --list` names them");
        }
    }
    let asked = &options.scenario;
    scenarios.retain(|scenario| asked.is_empty() || asked.iter().any(|a| a == scenario.name));
    Ok(scenarios)
}

fn measure(
    scenario: &Scenario,
    contestants: &[Contestant],
    lookup: &Lookup,
    course: &Course<'_>,
    options: &Options,
) -> Result<Table> {
    let mut rows: Vec<Row> = contestants
        .iter()
        .map(|contestant| new_row(contestant, scenario, lookup))
        .collect();
    for round in 0..options.rounds {
        for index in turns(contestants.len(), round) {
            let (contestant, row) = (&contestants[index], &mut rows[index]);
            if row.standing != Standing::Measured {
                continue;
            }
            take_turn(contestant, scenario, lookup, course, row)?;
            if !options.quiet {
                let (last, rounds) = (progress(row, scenario), options.rounds);
                let round = round + 1;
                eprintln!(
                    "{} round {round}/{rounds} {}: {last}",
                    scenario.name, row.contestant
                );
            }
        }
    }
    let base = Contestant::base_name(scenario.work);
    add_figures(&mut rows, scenario, base);
    let jobs = scenario.jobs(course.jobs);
    let Scenario {
        name,
        what,
        work,
        count,
        ..
    } = scenario.clone();
    Ok(Table {
        scenario: name,
        what,
        count,
        jobs,
        base,
        work,
        rows,
    })
}

/// Who is next in a round: everybody once, another one first each time.
fn turns(contestants: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..contestants).map(move |turn| (turn + round) % contestants)
}

fn new_row(contestant: &Contestant, scenario: &Scenario, lookup: &Lookup) -> Row {
    let standing = match (contestant.unsuited(scenario), contestant.refusal(lookup)) {
        (Some(why), _) => Standing::Unsuited(why),
        (None, Some(why)) => Standing::Absent(why),
        (None, None) => Standing::Measured,
    };
    Row {
        contestant: contestant.name.clone(),
        title: contestant.title.clone(),
        standing,
        figures: None,
        samples: Vec::new(),
        samples_without_ballast: Vec::new(),
    }
}

/// Runs a contestant once, or where ballast matters once without it and once with.
fn take_turn(
    contestant: &Contestant,
    scenario: &Scenario,
    lookup: &Lookup,
    course: &Course<'_>,
    row: &mut Row,
) -> Result<()> {
    let run = |ballast_bytes| {
        let tool = contestant.tool_path(lookup);
        Trial {
            contestant,
            scenario,
            tool,
            ballast_bytes,
        }
        .run(course)
    };
    let ballast_bytes = scenario.ballast_bytes();
    if ballast_bytes > 0 {
        match run(0)? {
            Ok(sample) => row.samples_without_ballast.push(sample),
            Err(why) => {
                row.standing = Standing::Failed(why);
                return Ok(());
            }
        }
    }
    match run(ballast_bytes)? {
        Ok(sample) => row.samples.push(sample),
        Err(why) => row.standing = Standing::Failed(why),
    }
    Ok(())
}

/// How much work a scenario is, in the unit of its rates.
fn amount(scenario: &Scenario) -> f64 {
    match scenario.work {
        Work::Bulk => scenario.bytes_total() as f64 / f64::from(1 << 20),
        _ => scenario.count as f64,
    }
}

fn add_figures(rows: &mut [Row], scenario: &Scenario, base: Option<&str>) {
    for row in rows.iter_mut() {
        // Of a contestant that failed, what it did before is in the samples, and not in the table.
        if row.standing == Standing::Measured {
            let amount = amount(scenario);
            row.figures = Figures::of(
                scenario.work,
                amount,
                &row.samples,
                &row.samples_without_ballast,
            );
        }
    }
    let is_base = |row: &&Row| Some(row.contestant.as_str()) == base;
    let base_rate = rows
        .iter()
        .find(is_base)
        .and_then(|row| row.figures.as_ref())
        .map(|f| f.rate);
    for figures in rows.iter_mut().filter_map(|row| row.figures.as_mut()) {
        figures.ratio = base_rate.map(|base_rate| figures.rate / base_rate);
    }
}

fn progress(row: &Row, scenario: &Scenario) -> String {
    match (&row.standing, row.samples.last()) {
        (Standing::Failed(why), _) => format!("FAILED: {why}"),
        (_, Some(sample)) => {
            let unit = if scenario.work == Work::Bulk {
                "MiB/s"
            } else {
                "processes/s"
            };
            format!("{:.0} {unit}", amount(scenario) / sample.wall_s)
        }
        (_, None) => "no sample".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_one_turn_a_round_and_is_first_in_turn() {
        let order = |round| turns(3, round).collect::<Vec<_>>();
        assert_eq!(
            [order(0), order(1), order(3)],
            [[0, 1, 2], [1, 2, 0], [0, 1, 2]]
        );
    }
}
