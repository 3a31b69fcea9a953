//! The rounds: in each, every contestant runs once, in an order that moves on by one and turns
//! round, so that neither a machine that slows down nor the contestant before favours anybody.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::arguments::Options;
use super::contestant::Contestant;
use super::report::{Report, Row, Table};
use super::scenario::Scenario;
use super::trial::Course;

/// What the system needs to clear away a trial whose processes were many is not to be the next
/// one's loss.
const BETWEEN_TRIALS: Duration = Duration::from_millis(500);

/// Measures what the options ask for.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let contestants = Contestant::chosen(&options.only)?;
    let scenarios = Scenario::chosen(&options.scenario, &options.sizes)?;
    let course = Course::new(&options.sizes, Duration::from_secs(options.timeout))?;
    if cfg!(debug_assertions) {
        eprintln!("throng-bench: this is a debug build: its figures mean nothing");
    }
    let mut tables = Vec::new();
    for scenario in &scenarios {
        tables.push(measure(scenario, &contestants, &course, options)?);
    }
    Ok(Report {
        is_wine: super::system::is_wine(),
        rounds: options.rounds,
        scenarios: tables,
    })
}

fn measure(
    scenario: &Scenario,
    contestants: &[Contestant],
    course: &Course,
    options: &Options,
) -> Result<Table> {
    let suited = contestants
        .iter()
        .filter(|contestant| contestant.suits(scenario));
    let mut rows: Vec<Row> = suited.cloned().map(Row::new).collect();
    for round in 0..options.rounds {
        for index in turns(rows.len(), round) {
            let row = &mut rows[index];
            if row.failure.is_some() {
                continue;
            }
            thread::sleep(BETWEEN_TRIALS);
            let last = match course.run(&row.contestant, scenario)? {
                Ok(sample) => {
                    let last = format!("{:.2} s", sample.wall_s);
                    row.samples.push(sample);
                    last
                }
                Err(why) => {
                    let last = format!("FAILED: {why}");
                    row.failure = Some(why);
                    last
                }
            };
            if !options.quiet {
                let (name, rounds, round) = (scenario.name, options.rounds, round + 1);
                let who = &row.contestant.name;
                eprintln!("{name} round {round}/{rounds} {who}: {last}");
            }
        }
    }
    let mut table = Table::new(scenario, rows);
    table.add_figures();
    Ok(table)
}

/// Who is next in a round: everybody once, another one first each time, and in every second round
/// the other way round, so that nobody always comes after the same one.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_one_turn_a_round_and_is_first_in_turn() {
        let order = |round| turns(3, round).collect::<Vec<_>>();
        assert_eq!(
            [order(0), order(1), order(2), order(3)],
            [[0, 1, 2], [1, 0, 2], [2, 0, 1], [0, 2, 1]]
        );
    }
}
