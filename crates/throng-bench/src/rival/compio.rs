//! compio-process's `Command::output` on a runtime for each core; a task for each job. On stable
//! Rust it waits for each process on a thread of its blocking pool: watching a pidfd instead needs
//! the nightly compiler.

use std::process::Stdio;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use compio::process::Command;
use compio::runtime::{Runtime, spawn};

use crate::task::{Numbers, Tally, Task};

pub(super) fn run(task: &Task) -> Result<Tally> {
    let numbers = Arc::new(Numbers::new(task));
    let runtimes = super::cores().min(task.jobs);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..runtimes)
            .map(|index| {
                let numbers = numbers.clone();
                let jobs = task.jobs / runtimes + usize::from(index < task.jobs % runtimes);
                scope.spawn(move || run_jobs(task, &numbers, jobs))
            })
            .collect();
        let mut all = Tally::default();
        for thread in threads {
            all.merge(thread.join().map_err(|_| anyhow!("a runtime panicked"))??);
        }
        Ok(all)
    })
}

fn run_jobs(task: &Task, numbers: &Arc<Numbers>, jobs: usize) -> Result<Tally> {
    Runtime::new().context("build a runtime")?.block_on(async {
        let jobs: Vec<_> = (0..jobs)
            .map(|_| spawn(run_job(task.clone(), numbers.clone())))
            .collect();
        let mut all = Tally::default();
        for job in jobs {
            all.merge(job.await.map_err(|_| anyhow!("a job panicked"))?);
        }
        Ok(all)
    })
}

async fn run_job(task: Task, numbers: Arc<Numbers>) -> Tally {
    let mut tally = Tally::default();
    while let Some(number) = numbers.take() {
        tally.add(output(&task, number).await);
    }
    tally
}

async fn output(task: &Task, number: u64) -> std::io::Result<std::process::Output> {
    let mut command = Command::new(task.program());
    command.args(task.args(number));
    let Ok(_) = command.stdin(Stdio::null());
    let Ok(_) = command.stdout(Stdio::piped());
    let Ok(_) = command.stderr(Stdio::piped());
    command.output().await
}
