//! `throng doctor`: what on this machine limits runs, and whether every mechanism loses nothing
//! here. Changes nothing.

mod check;
mod pattern;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;
use throng::{Mechanism, Throng};

use self::check::Check;
use self::pattern::Script;
use crate::exit::Exit;
use crate::size::with_commas;
use crate::sys::api::Finding;
use crate::{sys, text};

/// What the program is started with to be a child of the self-check.
const CHILD: &str = "doctor-child";

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Run N children with each mechanism
    #[arg(long, value_name = "N", default_value_t = 1000)]
    children: u32,

    /// Print text, or one JSON object
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Serialize)]
struct Report {
    findings: Vec<Finding>,
    checks: Vec<Check>,
    healthy: bool,
}

/// The child of the self-check, if that is what we were started as: it writes and ends.
pub(crate) fn be_child(words: &[OsString]) -> Option<ExitCode> {
    let [_, name, number] = words else {
        return None;
    };
    let number = number.to_str()?.parse().ok().filter(|_| name == CHILD)?;
    let script = Script::of(number);
    let written = script.perform(&mut io::stdout().lock(), &mut io::stderr().lock());
    Some(match written {
        Ok(()) => ExitCode::from(script.exit_code),
        Err(_) => ExitCode::from(Exit::Failed.code()),
    })
}

pub(crate) fn examine(args: &Doctor) -> anyhow::Result<Exit> {
    let mut findings = sys::findings();
    findings.push(room()?);
    if args.output == Format::Text {
        show(&findings)?;
    }
    let survey = Mechanism::availability().into_iter();
    let checks = survey.map(|entry| {
        let check = match entry.refusal {
            Some(why) => Check::refused(entry.mechanism, why),
            None => Check::run(entry.mechanism, args.children)?,
        };
        if args.output == Format::Text {
            print_text(&check.line())?;
        }
        anyhow::Ok(check)
    });
    let checks = checks.collect::<anyhow::Result<Vec<Check>>>()?;
    let healthy = checks.iter().all(Check::is_fine);
    if args.output == Format::Json {
        let report = Report {
            findings,
            checks,
            healthy,
        };
        print(&serde_json::to_string(&report).context("all keys are strings")?)?;
    } else {
        let hints: Vec<String> = checks.iter().filter_map(Check::hint).collect();
        hints.iter().try_for_each(|hint| print_text(hint))?;
    }
    Ok(Exit::Commands {
        failed: u64::from(!healthy),
    })
}

/// How many processes can be captured at once.
fn room() -> anyhow::Result<Finding> {
    let throng = Throng::builder().jobs(usize::MAX).build()?;
    let value = match throng.jobs_limit() {
        Some(limit) => {
            let count = with_commas(throng.jobs() as u64);
            format!("{count} processes, because of {limit}")
        }
        None => "as many as are asked for: the system names no limit".to_owned(),
    };
    Ok(Finding::new("live at once", value))
}

fn show(findings: &[Finding]) -> anyhow::Result<()> {
    for Finding { name, value, hint } in findings {
        print_text(&format!("{name:<16} {value}"))?;
        if let Some(hint) = hint {
            print_text(&format!("{:<16} {hint}", ""))?;
        }
    }
    Ok(())
}

/// The line contains paths and names of programs; in JSON the format escapes them.
fn print_text(line: &str) -> anyhow::Result<()> {
    print(&text::on_one_line(line.as_bytes()))
}

fn print(line: &str) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{line}").context("cannot write to stdout")
}
