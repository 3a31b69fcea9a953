//! The bench, from arguments to report: the mechanisms of throng compared with each other.
//!
//! ```text
//!  rounds ──► trial: a fresh process ──► `throng-bench contestant NAME SCENARIO` ──► perform
//!    │          (time limit)                   │ wall, CPU, memory, threads            │
//!    ▼                                         ▼                                       ▼
//!  report ◄──────────────────────────────── Sample ◄──────────────── `throng-bench child ...`
//!    │                                      one line of JSON         a pattern on each stream
//!    ▼
//!  table, JSON
//! ```
//!
//! Trials run one at a time; the rounds are interleaved, so that what changes on the machine meets
//! all contestants. What is reported are ratios to one of them: figures of different machines, or
//! of one under different load, are not to be compared.

mod arguments;
mod child;
mod contestant;
mod figures;
mod meter;
mod pattern;
mod perform;
mod report;
mod rounds;
mod sample;
mod scenario;
#[expect(unsafe_code, reason = "the one place for it")]
mod system;
mod table;
mod trial;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::{Action, Arguments, Options};
use contestant::Contestant;
use scenario::Scenario;

/// Everything was measured, and nothing was lost.
const DONE: u8 = 0;
/// A contestant lost output, failed or hung; the report says which.
const CONTESTANT_FAILED: u8 = 1;
/// The bench itself failed.
const BENCH_FAILED: u8 = 255;

pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.action {
        Some(Action::Child(task)) => child::run(&task).context("child"),
        Some(Action::Contestant {
            name,
            scenario,
            sizes,
        }) => contestant(&name, &scenario, &sizes),
        None if arguments.options.list => {
            print(&report::list(&arguments.options.sizes)).map(|()| DONE)
        }
        None => bench(&arguments.options),
    };
    result.map(ExitCode::from).unwrap_or_else(|error| {
        eprintln!("throng-bench: {error:#}");
        ExitCode::from(BENCH_FAILED)
    })
}

fn contestant(name: &str, scenario: &str, sizes: &arguments::Sizes) -> Result<u8> {
    let contestant = Contestant::named(name)?;
    let scenario = Scenario::named(scenario, sizes)?;
    let sample = perform::perform(contestant.kind, &scenario)?;
    print(&(serde_json::to_string(&sample)? + "\n"))?;
    Ok(DONE)
}

fn bench(options: &Options) -> Result<u8> {
    let report = rounds::run(options)?;
    print(&report.text())?;
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, json + "\n").with_context(|| format!("write {}", path.display()))?;
    }
    let failures = report.failures();
    for failure in &failures {
        eprintln!("throng-bench: FAILED {failure}");
    }
    Ok(if failures.is_empty() {
        DONE
    } else {
        CONTESTANT_FAILED
    })
}

/// Whoever closes our stdout early wants no more; that is not an error.
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("write to stdout"),
    }
}
