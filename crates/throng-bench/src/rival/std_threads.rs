//! The standard library in the usual way: a worker thread for each job; for each process it starts
//! a thread that reads stderr to its end, reads stdout itself, and waits.

use std::io::{self, Read};
use std::process::{Output, Stdio};
use std::thread;

use anyhow::{Result, anyhow};

use crate::task::{Numbers, Tally, Task};

pub(super) fn run(task: &Task) -> Result<Tally> {
    on_worker_threads(task, output)
}

/// Runs a thread for each job, each of which takes numbers until there are none.
pub(super) fn on_worker_threads(
    task: &Task,
    output: impl Fn(&Task, u64) -> io::Result<Output> + Sync,
) -> Result<Tally> {
    let numbers = Numbers::new(task);
    thread::scope(|scope| {
        let work = || {
            let mut tally = Tally::default();
            while let Some(number) = numbers.take() {
                tally.add(output(task, number));
            }
            tally
        };
        let workers: Vec<_> = (0..task.jobs)
            .map(|_| thread::Builder::new().spawn_scoped(scope, work))
            .collect::<Result<_, _>>()?;
        let mut all = Tally::default();
        for worker in workers {
            all.merge(worker.join().map_err(|_| anyhow!("a worker panicked"))?);
        }
        Ok(all)
    })
}

fn output(task: &Task, number: u64) -> io::Result<Output> {
    let mut command = super::std_command(task, number);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("a pipe is missing"));
    };
    let stderr = thread::Builder::new().spawn(move || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        err.read_to_end(&mut bytes)?;
        Ok(bytes)
    })?;
    let mut stdout = Vec::new();
    out.read_to_end(&mut stdout)?;
    let stderr = stderr
        .join()
        .map_err(|_| io::Error::other("a reader panicked"))??;
    Ok(Output {
        status: child.wait()?,
        stdout,
        stderr,
    })
}
