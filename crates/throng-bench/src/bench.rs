//! What the command line asks for, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::arguments::{Action, Arguments, Options};
use crate::contestant::Contestant;
use crate::lookup::Lookup;
use crate::scenario::Scenario;
use crate::task::Task;
use crate::{rival, rounds, views};

/// Everything was measured, and nothing was lost.
const DONE: u8 = 0;
/// A contestant lost output, failed or hung; the report names it.
const CONTESTANT_FAILED: u8 = 1;
/// The bench itself failed.
const BENCH_FAILED: u8 = 255;

pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.action {
        Some(Action::Contestant { name, task }) => contestant(&name, task),
        None if arguments.options.list => list(&arguments.options),
        None => bench(&arguments.options),
    };
    result.map(ExitCode::from).unwrap_or_else(|error| {
        eprintln!("throng-bench: {error:#}");
        ExitCode::from(BENCH_FAILED)
    })
}

fn contestant(name: &str, task: Task) -> Result<u8> {
    let contestant = Contestant::named(name)?;
    let sample = rival::perform(contestant.kind, task)?;
    print(&(serde_json::to_string(&sample)? + "\n"))?;
    Ok(DONE)
}

fn list(options: &Options) -> Result<u8> {
    let lookup = Lookup::new(options.throng.as_deref())?;
    let scenarios = Scenario::all(options.scale);
    print(&views::list(&Contestant::all(), &scenarios, &lookup))?;
    Ok(DONE)
}

fn bench(options: &Options) -> Result<u8> {
    let report = rounds::run(options)?;
    print(&views::report(&report, options.markdown))?;
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

/// Whoever closes our stdout early needs no more; that is not an error.
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("write to stdout"),
    }
}
