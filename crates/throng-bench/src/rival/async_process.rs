//! async-process's `Command::output` on an executor with a thread for each core, as smol has it; a
//! task for each job.

use std::thread;

use anyhow::Result;
use smol::process::Command;
use smol::{Executor, channel, future};

use crate::task::{Numbers, Tally, Task};

pub(super) fn run(task: &Task) -> Result<Tally> {
    let numbers = Numbers::new(task);
    let executor = Executor::new();
    let (running, is_over) = channel::bounded::<()>(1);
    thread::scope(|scope| {
        for _ in 0..super::cores() {
            // The channel closes when the jobs are done, and the threads leave.
            scope.spawn(|| future::block_on(executor.run(is_over.recv())));
        }
        let jobs: Vec<_> = (0..task.jobs)
            .map(|_| executor.spawn(run_job(task, &numbers)))
            .collect();
        let all = future::block_on(async {
            let mut all = Tally::default();
            for job in jobs {
                all.merge(job.await);
            }
            all
        });
        drop(running);
        Ok(all)
    })
}

async fn run_job(task: &Task, numbers: &Numbers) -> Tally {
    let mut tally = Tally::default();
    while let Some(number) = numbers.take() {
        let mut command = Command::from(super::std_command(task, number));
        tally.add(command.output().await);
    }
    tally
}
