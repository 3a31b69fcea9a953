//! Runs a program once for each line of stdin, and prints outcomes as they arrive:
//!
//! ```text
//! seq 10000 | cargo run --package throng --example outcomes -- echo hello
//! ```
//!
//! Commands are made when there is room for them, so stdin may be endless.

use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;
use std::time::Duration;

use throng::{Command, Outcome, Stream, Throng};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let argv: Vec<_> = std::env::args_os().skip(1).collect();
    if argv.is_empty() {
        return Err("usage: outcomes PROGRAM [ARG]... < LINES".into());
    }
    let throng = Throng::builder().jobs(8).build()?;
    let lines = BufReader::new(io::stdin()).lines().map_while(Result::ok);
    let commands = lines.map(move |line| {
        let mut command = Command::from_argv(&argv);
        command.arg(line).timeout(Duration::from_secs(60));
        command
    });
    let mut failed: u8 = 0;
    for outcome in throng.run(commands) {
        io::stdout().write_all(outcome.stdout())?;
        io::stderr().write_all(outcome.stderr())?;
        if let Some(problem) = problem(&outcome) {
            eprintln!("#{}: {problem}", outcome.seq());
            failed = failed.saturating_add(1).min(101);
        }
    }
    Ok(ExitCode::from(failed))
}

/// What a caller has to know about an outcome, if anything.
fn problem(outcome: &Outcome) -> Option<String> {
    if let Some(error) = outcome.start_error() {
        return Some(error.to_string());
    }
    if outcome.timed_out() {
        return Some("ran out of time".into());
    }
    if !outcome.success() {
        return outcome.status().map(|status| status.to_string());
    }
    let verdicts = [Stream::Stdout, Stream::Stderr].map(|stream| outcome.verdict(stream));
    (!outcome.is_complete()).then(|| format!("not all of its output was captured: {verdicts:?}"))
}
