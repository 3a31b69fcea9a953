//! A round in a process of its own, started through a program that has system calls refused.

use std::env::consts::EXE_SUFFIX;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use throng::Mechanism;

use crate::round::{Counts, Round};

/// Runs it to its end; `beat` is called meanwhile, because the other program has a watchdog of its
/// own.
pub(crate) fn run(
    round: &Round,
    mechanism: Mechanism,
    [seed, number, at_most]: [u64; 3],
    beat: impl Fn(),
) -> Result<Counts, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = match round.hardship.refusals {
        Some(refusals) => {
            let mut command = Command::new(own.with_file_name(format!("confine{EXE_SUFFIX}")));
            command.args([refusals, "--"]).arg(&own);
            command
        }
        None => Command::new(&own),
    };
    for (name, value) in [("--seed", seed), ("--only", number), ("--count", at_most)] {
        command.args([name, &value.to_string()]);
    }
    command.args(["--mechanism", mechanism.name()]);
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut program = started.map_err(|error| format!("{command:?}: {error}"))?;
    let status = loop {
        match program.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None => {
                beat();
                thread::sleep(Duration::from_millis(20));
            }
        }
    };
    if !status.success() {
        return Err(format!("{command:?} failed: {status}"));
    }
    let mut said = String::new();
    let mut stdout = program.stdout.take().ok_or("its stdout is a pipe")?;
    // One line, which fits into the pipe.
    stdout
        .read_to_string(&mut said)
        .map_err(|error| error.to_string())?;
    let numbers: Vec<u64> = said
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [processes, faults] = numbers[..] else {
        return Err(format!("{command:?} has said \"{said}\""));
    };
    Ok(Counts { processes, faults })
}
