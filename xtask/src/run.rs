//! Runs commands, and says what it runs, so that anybody can run it alone.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command to its end, which has to be a good one.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = announce(command);
    let status = command
        .status()
        .with_context(|| format!("cannot run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Runs tests, passes on what they say, and gives how many passed.
pub(crate) fn run_tests(command: &mut Command) -> anyhow::Result<u64> {
    let line = announce(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let mut passed = 0;
    let stdout = child.stdout.take().context("it was asked for")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let mut line = line.context("cannot read what the tests say")?;
        passed += passed_in(&String::from_utf8_lossy(&line));
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        out.write_all(&line).context("cannot write to stdout")?;
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{line}` failed: {status}; {passed} tests passed");
    }
    Ok(passed)
}

/// Of a line such as `test result: ok. 5 passed; 0 failed; ..`.
fn passed_in(line: &str) -> u64 {
    let counts = line
        .strip_prefix("test result: ")
        .and_then(|rest| rest.split_once(". "))
        .and_then(|(_, counts)| counts.split_once(" passed"));
    counts
        .and_then(|(count, _)| count.parse().ok())
        .unwrap_or(0)
}

fn announce(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let words = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned());
    let line = std::iter::once(name)
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ");
    eprintln!("xtask: {line}");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted() {
        let line = "test result: ok. 12 passed; 0 failed; 0 ignored; finished in 0.1s";
        assert_eq!(passed_in(line), 12);
        assert_eq!(passed_in("test result: FAILED. 3 passed; 1 failed"), 3);
        assert_eq!(passed_in("running 3 tests"), 0);
    }
}
