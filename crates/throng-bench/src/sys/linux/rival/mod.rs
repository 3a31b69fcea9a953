//! The contestants at work: each file is one rival, and each rival does what its own documents
//! advise, with a task for each job that takes the next number when its process is done.
//!
//! Knows nothing of rounds and reports.

mod async_process;
mod compio;
mod library;
mod std_output;
mod std_threads;
mod tokio;
mod tool;

use std::hint::black_box;
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use super::contestant::Kind;
use super::gate::{Gate, Subject};
use super::procfs::{self, Status};
use super::task::{Sample, Tally, Task};

/// Does the task in this process, or in a program below it, and measures it.
pub(crate) fn perform(kind: Kind, task: &Task) -> Result<Sample> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .context("ask to end with the bench")?;
    raise_open_files_limit()?;
    if let Some(dir) = &task.gate {
        Gate::prepare(dir)?;
    }
    match kind {
        Kind::Library(mechanism) => in_process(task, |task| library::run(mechanism, task)),
        Kind::StdThreads => in_process(task, std_threads::run),
        Kind::StdOutput => in_process(task, std_output::run),
        Kind::Tokio => in_process(task, tokio::run),
        Kind::AsyncProcess => in_process(task, async_process::run),
        Kind::Compio => in_process(task, compio::run),
        Kind::Floor => tool::floor(task, false),
        Kind::FloorPipes => tool::floor(task, true),
        Kind::Tool(tool) => tool::run(tool, task),
    }
}

/// Measures a rival from before its runtime is built until after it has been taken down.
fn in_process(task: &Task, rival: impl FnOnce(&Task) -> Result<Tally>) -> Result<Sample> {
    let ballast = touched_memory(task)?;
    let cpu_before_s = procfs::cpu_s()?;
    let start = Instant::now();
    let keep = |dir| Gate::keep(dir, Subject::Ourselves, task.count, start);
    let gate = task.gate.as_deref().map(keep).transpose()?;
    let tally = rival(task)?;
    let wall_s = start.elapsed().as_secs_f64();
    let cpu_s = procfs::cpu_s()? - cpu_before_s;
    black_box(&ballast);
    let status = Status::of(std::process::id())?;
    Ok(Sample {
        tally: Some(tally),
        wall_s,
        cpu_s,
        peak_rss_bytes: Some(status.peak_rss_bytes),
        full_house: gate.map(Gate::full_house).transpose()?,
        others_share: None,
    })
}

/// Memory that is resident: not zero, so that it cannot be the kernel's one page of zeros.
fn touched_memory(task: &Task) -> Result<Vec<u8>> {
    let len = usize::try_from(task.ballast_bytes).context("more ballast than addresses")?;
    Ok(black_box(vec![1; len]))
}

/// All contestants may open as many files as the system lets them, whether or not they would have
/// asked for it themselves.
fn raise_open_files_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )
    .context("raise the limit on open files")
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// How std is told what to start.
fn std_command(task: &Task, number: u64) -> Command {
    let mut command = Command::new(task.program());
    command.args(task.args(number)).stdin(Stdio::null());
    command
}
