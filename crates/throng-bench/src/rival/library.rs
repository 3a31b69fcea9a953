//! throng's library, by one of its mechanisms.

use anyhow::{Result, bail};
use throng::{Builder, Command};

use crate::sys;
use crate::task::{Tally, Task};

pub(super) fn run(builder: Builder, task: &Task) -> Result<Tally> {
    let throng = builder.jobs(task.jobs).build()?;
    if throng.jobs() < task.jobs {
        let limit = throng
            .jobs_limit()
            .unwrap_or("for a reason that is not known");
        bail!("only {} of {} jobs: {limit}", throng.jobs(), task.jobs);
    }
    let commands = {
        let task = task.clone();
        (0..task.count).map(move |number| {
            let mut command = Command::new(task.program());
            command.args(task.args(number));
            sys::prepare_command(&mut command);
            command
        })
    };
    let mut tally = Tally::default();
    for outcome in throng.run(commands) {
        if let Some(error) = outcome.start_error() {
            tally.add_bad(format!("error: {error}"));
            continue;
        }
        tally.started += 1;
        tally.bytes += (outcome.stdout().len() + outcome.stderr().len()) as u64;
        if !outcome.success() || !outcome.is_complete() {
            let verdicts = throng::Stream::ALL.map(|stream| outcome.verdict(stream));
            tally.add_bad(format!("{:?}, verdicts {verdicts:?}", outcome.status()));
        }
    }
    Ok(tally)
}
