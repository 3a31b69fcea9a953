//! Runs commands, and says what it runs, so that anybody can run it alone.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow, bail};

use crate::tested::Tested;

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

/// Runs tests, which all have to pass; gives how many there were.
pub(crate) fn run_tests(command: &mut Command) -> anyhow::Result<u64> {
    let (tested, result) = try_tests(command)?;
    result.map(|()| tested.passed)
}

/// Runs tests, passes on what they say, and gives what that was as well as whether all passed.
pub(crate) fn try_tests(command: &mut Command) -> anyhow::Result<(Tested, anyhow::Result<()>)> {
    let line = announce(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let mut tested = Tested::default();
    let stdout = child.stdout.take().context("it was asked for")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let mut line = line.context("cannot read what the tests say")?;
        // Those under Wine may end their lines as Windows does.
        tested.read(String::from_utf8_lossy(&line).trim_end_matches('\r'));
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        out.write_all(&line).context("cannot write to stdout")?;
    }
    let status = child.wait()?;
    let result = if status.success() {
        Ok(())
    } else {
        let passed = tested.passed;
        Err(anyhow!("`{line}` failed: {status}; {passed} tests passed"))
    };
    Ok((tested, result))
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
