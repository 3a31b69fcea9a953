//! What contestants have to do, and what each process in it does. Runs nothing.

use anyhow::{Result, bail};

use super::arguments::Sizes;
use super::child::Task;
use super::pattern::PAGE_BYTES;

const KIB_PER_PAGE: u64 = PAGE_BYTES as u64 / 1024;
const PAGES_PER_MIB: u64 = (1 << 20) / PAGE_BYTES as u64;

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) work: Work,
    /// How many processes.
    pub(crate) count: u64,
    /// How many at once.
    pub(crate) jobs: usize,
    /// What the process of number 0 does, without a gate.
    task: Task,
}

/// What is measured, which decides when the clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// From the first start to the last outcome.
    Children,
    /// All have been started and wait: from their go to the last outcome.
    Writers,
    /// From the first start until all are live and have nothing to say.
    Live,
    /// One process: from its start to its outcome.
    Bulk,
}

impl Scenario {
    /// All scenarios.
    pub(crate) fn all(sizes: &Sizes) -> Vec<Scenario> {
        let silent = Task {
            number: 0,
            gate: None,
            lines: false,
            out_pages: 0,
            err_pages: 0,
            pages_at_once: 1,
        };
        let writer_pages = sizes.writer_kib.div_ceil(KIB_PER_PAGE);
        let written_kib = writer_pages * KIB_PER_PAGE;
        vec![
            Scenario {
                name: "children",
                what: format!(
                    "{} processes, {} at a time, a line to each stream",
                    sizes.children, sizes.jobs
                ),
                work: Work::Children,
                count: sizes.children as u64,
                jobs: sizes.jobs.min(sizes.children),
                task: Task {
                    lines: true,
                    ..silent.clone()
                },
            },
            Scenario {
                name: "writers",
                what: format!(
                    "{} live processes write {written_kib} KiB to each stream, 4 KiB at a time",
                    sizes.writers
                ),
                work: Work::Writers,
                count: sizes.writers as u64,
                jobs: sizes.writers,
                task: Task {
                    out_pages: writer_pages,
                    err_pages: writer_pages,
                    ..silent.clone()
                },
            },
            Scenario {
                name: "live",
                what: format!("{} silent processes started and kept live", sizes.live),
                work: Work::Live,
                count: sizes.live as u64,
                jobs: sizes.live,
                task: silent.clone(),
            },
            Scenario {
                name: "bulk",
                what: format!(
                    "one process writes {} MiB to stdout, 64 KiB at a time",
                    sizes.bulk_mib
                ),
                work: Work::Bulk,
                count: 1,
                jobs: 1,
                task: Task {
                    out_pages: sizes.bulk_mib * PAGES_PER_MIB,
                    pages_at_once: 16,
                    ..silent
                },
            },
        ]
    }

    pub(crate) fn named(name: &str, sizes: &Sizes) -> Result<Scenario> {
        let mut all = Scenario::all(sizes).into_iter();
        match all.find(|scenario| scenario.name == name) {
            Some(scenario) => Ok(scenario),
            None => bail!("no scenario \"{name}\"; `throng-bench --list` names them"),
        }
    }

    /// Those that were asked for: all when none was.
    pub(crate) fn chosen(asked: &[String], sizes: &Sizes) -> Result<Vec<Scenario>> {
        if asked.is_empty() {
            return Ok(Scenario::all(sizes));
        }
        let named = |name: &String| Scenario::named(name, sizes);
        asked.iter().map(named).collect()
    }

    /// Whether the processes wait for each other.
    pub(crate) fn is_gated(&self) -> bool {
        matches!(self.work, Work::Writers | Work::Live)
    }

    /// What process `number` does.
    pub(crate) fn task(&self, number: u64, gate: Option<&str>) -> Task {
        Task {
            number,
            gate: gate.map(str::to_owned),
            ..self.task.clone()
        }
    }

    /// How many bytes a contestant that loses nothing has captured in the end.
    pub(crate) fn bytes_total(&self) -> u64 {
        let bytes_of = |number| {
            let task = self.task(number, None);
            let lines = [0, 1].map(|stream| task.line(stream).len() as u64);
            let pages = task.out_pages + task.err_pages;
            pages * PAGE_BYTES as u64 + if task.lines { lines[0] + lines[1] } else { 0 }
        };
        (0..self.count).map(bytes_of).sum()
    }
}
