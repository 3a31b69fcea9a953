//! The bench, from arguments to report.
//!
//! ```text
//!  rounds ──► trial: a fresh process ──► `throng-bench contestant NAME ...` ──► rival
//!    │          (timeout, strays)              │ wall, CPU, memory                │
//!    ▼                                         ▼                                  ▼
//!  report ◄──────────────────────────────── Sample ◄──────────────────────── Tally
//!    │                                      one line of JSON      started, bytes, bad
//!    ▼
//!  table, JSON
//! ```
//!
//! Every contestant, in-process or not, runs under a fresh process of this program, one at a time;
//! the rounds are interleaved, so that what changes on the machine meets all of them.

mod arguments;
mod contestant;
mod environment;
mod figures;
mod gate;
mod lookup;
mod procfs;
mod report;
mod rival;
mod rounds;
mod scenario;
mod strays;
mod table;
mod task;
mod trial;
mod views;
mod workshop;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::{Action, Arguments, Options};
use contestant::Contestant;
use lookup::Lookup;
use rounds::Verdict;
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
        Some(Action::Contestant { name, task }) => contestant(&name, &task),
        None if arguments.options.list => list(&arguments.options),
        None => bench(&arguments.options),
    };
    result.map(ExitCode::from).unwrap_or_else(|error| {
        eprintln!("throng-bench: {error:#}");
        ExitCode::from(BENCH_FAILED)
    })
}

fn contestant(name: &str, task: &task::Task) -> Result<u8> {
    let contestant = Contestant::named(name)?;
    let sample = rival::perform(contestant.kind, task)?;
    println!("{}", serde_json::to_string(&sample)?);
    Ok(DONE)
}

fn list(options: &Options) -> Result<u8> {
    let lookup = Lookup::new(options.throng.as_deref())?;
    print(&views::list(
        &Contestant::all(),
        &Scenario::all(1.0),
        &lookup,
    ))?;
    Ok(DONE)
}

fn bench(options: &Options) -> Result<u8> {
    let (report, verdict) = rounds::run(options)?;
    print(&views::report(&report, options.markdown))?;
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, json + "\n").with_context(|| format!("write {}", path.display()))?;
    }
    match verdict {
        Verdict::AllWell => Ok(DONE),
        Verdict::Failures(failures) => {
            for failure in failures {
                eprintln!("throng-bench: FAILED {failure}");
            }
            Ok(CONTESTANT_FAILED)
        }
    }
}

/// Whoever closes our stdout early wants no more; that is not an error.
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("write to stdout"),
    }
}
