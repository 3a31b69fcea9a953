//! The standard library's `Command::output` on a worker thread for each job. On Unix it reads both
//! pipes on the calling thread by `poll`.

use anyhow::Result;

use super::std_threads::on_worker_threads;
use crate::task::{Tally, Task};

pub(super) fn run(task: &Task) -> Result<Tally> {
    on_worker_threads(task, |task, number| {
        super::std_command(task, number).output()
    })
}
