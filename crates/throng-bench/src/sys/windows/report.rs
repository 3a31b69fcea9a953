//! What was measured, for programs and for people.

use serde::Serialize;

use super::arguments::Sizes;
use super::contestant::Contestant;
use super::figures::Figures;
use super::sample::Sample;
use super::scenario::Scenario;
use super::table::Grid;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) is_wine: bool,
    pub(crate) rounds: usize,
    pub(crate) scenarios: Vec<Table>,
}

/// All contestants in one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    scenario: &'static str,
    what: String,
    rows: Vec<Row>,
}

/// One contestant in one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    #[serde(rename = "name", serialize_with = "only_the_name")]
    pub(crate) contestant: Contestant,
    /// Why it was not measured to the end.
    pub(crate) failure: Option<String>,
    /// Of whoever failed, what it did before is in the samples and not here.
    pub(crate) figures: Option<Figures>,
    pub(crate) samples: Vec<Sample>,
}

fn only_the_name<S: serde::Serializer>(who: &Contestant, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&who.name)
}

impl Row {
    pub(crate) fn new(contestant: Contestant) -> Row {
        Row {
            contestant,
            failure: None,
            figures: None,
            samples: Vec::new(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let name = self.contestant.title.clone();
        let Some(figures) = &self.figures else {
            let mut cells = vec![name, "FAILED".into()];
            cells.resize(6, "-".into());
            return cells;
        };
        let none = || "-".to_owned();
        let ratios = figures.ratios.as_ref();
        vec![
            name,
            ratios.map_or_else(none, |ratios| format!("{:.2}", ratios.wall)),
            ratios.map_or_else(none, |ratios| {
                let [least, greatest] = ratios.wall_range;
                format!("{least:.2} to {greatest:.2}")
            }),
            ratios
                .and_then(|ratios| ratios.cpu)
                .map_or_else(none, |cpu| format!("{cpu:.2}")),
            mib(figures.peak_working_set_bytes),
            figures.threads.to_string(),
        ]
    }
}

impl Table {
    pub(crate) fn new(scenario: &Scenario, rows: Vec<Row>) -> Table {
        Table {
            scenario: scenario.name,
            what: scenario.what.clone(),
            rows,
        }
    }

    /// Compares everybody who did not fail with the base, unless that did.
    pub(crate) fn add_figures(&mut self) {
        let mut all = self.rows.iter();
        let base = all.find(|row| row.contestant.is_base() && row.failure.is_none());
        let base = base.map_or_else(Vec::new, |row| row.samples.clone());
        for row in &mut self.rows {
            if row.failure.is_none() {
                row.figures = Figures::of(&row.samples, &base);
            }
        }
    }

    fn text(&self) -> String {
        let head = ["", "wall", "in a round", "CPU", "peak MiB", "threads"];
        let mut grid = Grid::new(&head);
        for row in &self.rows {
            grid.push(row.cells());
        }
        format!("{}: {}\n{}", self.scenario, self.what, grid.plain())
    }
}

impl Report {
    /// A table for each scenario.
    pub(crate) fn text(&self) -> String {
        let rounds = self.rounds;
        let mut text = String::new();
        if self.is_wine {
            text.push_str("Wine's figures: they say nothing about Windows\n");
        }
        text.push_str(&format!(
            "wall and CPU: medians of {rounds} rounds, as ratios to completion-port; in a round: \
             the least and the\ngreatest ratio of two walls; CPU, peak working set and threads are \
             the capturing process's own\n\
             the system counts CPU in steps of 10 ms or more, so that ratios of little CPU are \
             rough\n"
        ));
        if self.is_wine {
            text.push_str("what the wineserver does for a process is not in its CPU\n");
        }
        for table in &self.scenarios {
            text.push('\n');
            text.push_str(&table.text());
        }
        text
    }

    /// A line for everybody who lost output, failed or hung.
    pub(crate) fn failures(&self) -> Vec<String> {
        let rows = self.scenarios.iter().flat_map(|table| {
            let scenario = table.scenario;
            table.rows.iter().map(move |row| (scenario, row))
        });
        rows.filter_map(|(scenario, row)| {
            let why = row.failure.as_ref()?;
            Some(format!("{} in {scenario}: {why}", row.contestant.name))
        })
        .collect()
    }
}

/// Who could take part, and in what.
pub(crate) fn list(sizes: &Sizes) -> String {
    let mut text = String::from("contestants\n");
    for contestant in Contestant::all() {
        text.push_str(&format!("  {}\n", contestant.name));
    }
    text.push_str("scenarios\n");
    for scenario in Scenario::all(sizes) {
        text.push_str(&format!("  {:<10} {}\n", scenario.name, scenario.what));
    }
    text
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, wall_s: f64) -> Row {
        let mut row = Row::new(Contestant::named(name).expect(name));
        row.samples.push(Sample {
            wall_s,
            cpu_s: wall_s,
            ..Sample::default()
        });
        row
    }

    fn report(rows: Vec<Row>) -> Report {
        let mut table = Table {
            scenario: "children",
            what: String::new(),
            rows,
        };
        table.add_figures();
        Report {
            is_wine: true,
            rounds: 1,
            scenarios: vec![table],
        }
    }

    #[test]
    fn wine_comes_first_and_everybody_meets_the_base() {
        let report = report(vec![row("apc", 3.0), row("completion-port", 2.0)]);
        let text = report.text();
        assert!(text.starts_with("Wine's figures: they say nothing about Windows\n"));
        assert!(text.contains("apc              1.50"), "{text}");
        assert!(report.failures().is_empty());
    }

    #[test]
    fn whoever_failed_has_no_figures() {
        let mut failed = row("apc", 3.0);
        failed.failure = Some("lost a byte".into());
        let report = report(vec![failed, row("completion-port", 2.0)]);
        assert_eq!(report.failures(), ["apc in children: lost a byte"]);
        assert_eq!(report.scenarios[0].rows[0].figures, None);
        assert!(report.text().contains("FAILED"));
    }
}
