//! Everything that was measured, in the shape in which JSON has it.

use serde::Serialize;

use crate::environment::Environment;
use crate::figures::Figures;
use crate::scenario::Work;
use crate::task::Sample;

/// One run of the bench.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) environment: Environment,
    pub(crate) rounds: usize,
    pub(crate) scale: f64,
    pub(crate) scenarios: Vec<Table>,
}

impl Report {
    /// A line for each contestant that lost output, failed or hung.
    pub(crate) fn failures(&self) -> Vec<String> {
        let rows = self
            .scenarios
            .iter()
            .flat_map(|table| table.rows.iter().map(move |row| (table.scenario, row)));
        rows.filter_map(|(scenario, row)| match &row.state {
            State::Failed(why) => Some(format!("{} in {scenario}: {why}", row.contestant)),
            _ => None,
        })
        .collect()
    }
}

/// One scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) scenario: &'static str,
    pub(crate) what: String,
    pub(crate) count: u64,
    pub(crate) jobs: usize,
    /// The contestant whose median is 1 in the ratios.
    pub(crate) base: Option<&'static str>,
    #[serde(skip)]
    pub(crate) work: Work,
    pub(crate) rows: Vec<Row>,
}

/// One contestant in one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) contestant: String,
    pub(crate) title: String,
    #[serde(flatten)]
    pub(crate) state: State,
    pub(crate) figures: Option<Figures>,
    pub(crate) samples: Vec<Sample>,
    /// The same without ballast, where the scenario is about ballast.
    pub(crate) samples_without_ballast: Vec<Sample>,
}

/// What became of a contestant in a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", content = "reason", rename_all = "snake_case")]
pub(crate) enum State {
    /// All its samples count.
    Measured,
    /// This machine does not have it.
    Absent(String),
    /// The scenario makes no sense for it.
    Unsuited(&'static str),
    /// It did not do what it was asked for; it was not run again in this scenario.
    Failed(String),
}
