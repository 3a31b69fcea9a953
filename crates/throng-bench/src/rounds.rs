//! The rounds: in each, every contestant runs once, in an order that moves on by one and is turned
//! round, so that neither a machine that slows down nor the contestant before favours any.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::arguments::Options;
use crate::contestant::Contestant;
use crate::environment::Environment;
use crate::figures::{self, Figures};
use crate::fixtures::Fixtures;
use crate::lookup::Lookup;
use crate::report::{Report, Row, State, Table};
use crate::scenario::Scenario;
use crate::sys;
use crate::trial::{Setup, Trial};

/// Measures what the options ask for.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let contestants = Contestant::chosen(&options.only)?;
    let scenarios = Scenario::chosen(&options.scenario, options.scale)?;
    let lookup = Lookup::new(options.throng.as_deref())?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, interrupted.clone()).context("listen for signals")?;
    }
    sys::adopt_orphans()?;
    let environment = Environment::read(&lookup);
    // A program that does not answer when asked for its version may have left some.
    sys::end_leftovers()?;
    if cfg!(debug_assertions) {
        eprintln!("throng-bench: this is a debug build: its figures mean nothing");
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let setup = Setup {
        fixtures: Fixtures::make()?,
        lookup,
        jobs: options.jobs.unwrap_or(2 * cores),
        timeout: Duration::from_secs_f64(options.timeout),
        interrupted,
    };
    let tables = scenarios
        .iter()
        .map(|scenario| measure(scenario, &contestants, &setup, options));
    Ok(Report {
        environment,
        rounds: options.rounds,
        scale: options.scale,
        scenarios: tables.collect::<Result<_>>()?,
    })
}

fn measure(
    scenario: &Scenario,
    contestants: &[Contestant],
    setup: &Setup,
    options: &Options,
) -> Result<Table> {
    let mut rows: Vec<Row> = contestants
        .iter()
        .map(|contestant| new_row(contestant, scenario, &setup.lookup))
        .collect();
    let rounds = options.rounds;
    for round in 0..rounds {
        for index in turns(contestants.len(), round) {
            let row = &mut rows[index];
            if row.state != State::Measured {
                continue;
            }
            take_turn(&contestants[index], scenario, setup, row)?;
            if !options.quiet {
                let (scenario_name, name) = (scenario.name, &row.contestant);
                let last = progress(row, scenario);
                eprintln!(
                    "{scenario_name} round {}/{rounds} {name}: {last}",
                    round + 1
                );
            }
        }
    }
    let base = scenario.base();
    add_figures(&mut rows, scenario, base);
    Ok(Table {
        scenario: scenario.name,
        what: scenario.what.clone(),
        count: scenario.count,
        jobs: scenario.jobs(setup.jobs),
        base,
        work: scenario.work,
        rows,
    })
}

/// The order of a round: each once, another one first each time, and in every second round the
/// other way round, so that none always comes after the same one.
fn turns(contestants: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..contestants).map(move |turn| {
        let on = if round.is_multiple_of(2) {
            turn
        } else {
            contestants - turn
        };
        (on + round) % contestants
    })
}

fn new_row(contestant: &Contestant, scenario: &Scenario, lookup: &Lookup) -> Row {
    let state = match (contestant.unsuited(scenario), contestant.refusal(lookup)) {
        (Some(why), _) => State::Unsuited(why),
        (None, Some(why)) => State::Absent(why),
        (None, None) => State::Measured,
    };
    Row {
        contestant: contestant.name.clone(),
        title: contestant.title.clone(),
        state,
        figures: None,
        samples: Vec::new(),
        samples_without_ballast: Vec::new(),
    }
}

/// Runs a contestant once, or where ballast matters once without it and once with.
fn take_turn(
    contestant: &Contestant,
    scenario: &Scenario,
    setup: &Setup,
    row: &mut Row,
) -> Result<()> {
    let run = |ballast_bytes| {
        thread::sleep(sys::BETWEEN_TRIALS);
        let trial = Trial {
            contestant,
            scenario,
            ballast_bytes,
        };
        trial.run(setup)
    };
    let ballast_bytes = scenario.ballast_bytes();
    if ballast_bytes > 0 {
        match run(0)? {
            Ok(sample) => row.samples_without_ballast.push(sample),
            Err(why) => {
                row.state = State::Failed(why);
                return Ok(());
            }
        }
    }
    match run(ballast_bytes)? {
        Ok(sample) => row.samples.push(sample),
        Err(why) => row.state = State::Failed(why),
    }
    Ok(())
}

fn add_figures(rows: &mut [Row], scenario: &Scenario, base: Option<&str>) {
    for row in rows.iter_mut() {
        // Of a contestant that failed, what it did before is in the samples, and not in the table.
        if row.state == State::Measured {
            let (work, amount) = (scenario.work, scenario.amount());
            row.figures = Figures::of(work, amount, &row.samples, &row.samples_without_ballast);
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
    match (&row.state, row.samples.last()) {
        (State::Failed(why), _) => format!("FAILED: {why}"),
        (_, Some(sample)) => {
            let unit = if scenario.is_about_bytes() {
                "MiB/s"
            } else {
                "processes/s"
            };
            let rate = scenario.amount() / figures::seconds(scenario.work, sample);
            format!("{rate:.0} {unit}")
        }
        (_, None) => "no sample".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_contestant_has_one_turn_per_round_and_each_goes_first_in_turn() {
        let order = |round| turns(3, round).collect::<Vec<_>>();
        assert_eq!(
            [order(0), order(1), order(2), order(3)],
            [[0, 1, 2], [1, 0, 2], [2, 0, 1], [0, 2, 1]]
        );
    }
}
