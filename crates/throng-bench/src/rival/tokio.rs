//! tokio's `Command::output` on its multi-threaded runtime with a worker for each core; a task for
//! each job.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::task::{Numbers, Tally, Task};

pub(super) fn run(task: &Task) -> Result<Tally> {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(super::cores()).enable_all().build();
    runtime
        .context("build the runtime")?
        .block_on(run_jobs(task))
}

async fn run_jobs(task: &Task) -> Result<Tally> {
    let numbers = Arc::new(Numbers::new(task));
    let mut jobs = JoinSet::new();
    for _ in 0..task.jobs {
        let (task, numbers) = (task.clone(), numbers.clone());
        jobs.spawn(async move {
            let mut tally = Tally::default();
            while let Some(number) = numbers.take() {
                let mut command = Command::from(super::std_command(&task, number));
                tally.add(command.output().await);
            }
            tally
        });
    }
    let mut all = Tally::default();
    while let Some(tally) = jobs.join_next().await {
        all.merge(tally.context("a job failed")?);
    }
    Ok(all)
}
