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
use throng_tests::Gate;

use crate::child::GATE;
use crate::contestant::Kind;
use crate::gate::{Subject, Watch};
use crate::sys::{self, Usage};
use crate::task::{Sample, Tally, Task};

/// Does the task in this process, or in a program below it, and measures it.
pub(crate) fn perform(kind: Kind, mut task: Task) -> Result<Sample> {
    sys::prepare_contestant()?;
    let gate = close_gate(&mut task);
    let task = &task;
    match kind {
        Kind::Library(mechanism) => in_process(task, gate, |task| {
            library::run(throng::Throng::builder().mechanism(mechanism), task)
        }),
        Kind::LibraryWithPackets(mechanism) => in_process(task, gate, |task| {
            let builder = throng::Throng::builder().mechanism(mechanism);
            library::run(sys::with_packets(builder), task)
        }),
        Kind::StdThreads => in_process(task, gate, std_threads::run),
        Kind::StdOutput => in_process(task, gate, std_output::run),
        Kind::Tokio => in_process(task, gate, tokio::run),
        Kind::AsyncProcess => in_process(task, gate, async_process::run),
        Kind::Compio => in_process(task, gate, compio::run),
        Kind::Floor => tool::floor(task, gate, false),
        Kind::FloorPipes => tool::floor(task, gate, true),
        Kind::Tool(tool) => tool::run(tool, task, gate),
    }
}

/// The gate that the processes are to wait at, if they are, and tells them.
fn close_gate(task: &mut Task) -> Option<Gate> {
    let place = task.argv.iter_mut().find(|word| *word == GATE)?;
    let gate = Gate::new();
    *place = gate.step().into();
    Some(gate)
}

/// Measures a rival from before its runtime is built until after it has been taken down.
fn in_process(
    task: &Task,
    gate: Option<Gate>,
    rival: impl FnOnce(&Task) -> Result<Tally>,
) -> Result<Sample> {
    let ballast = touched_memory(task)?;
    let cpu_before_s = sys::cpu_s()?;
    let start = Instant::now();
    let watch = |gate| Watch::start(gate, Subject::Ourselves, task.count, start);
    let watch = gate.map(watch).transpose()?;
    let tally = rival(task)?;
    let wall_s = start.elapsed().as_secs_f64();
    let cpu_s = sys::cpu_s()? - cpu_before_s;
    black_box(&ballast);
    let usage = Usage::of(std::process::id())?;
    Ok(Sample {
        tally: Some(tally),
        wall_s,
        cpu_s,
        peak_rss_bytes: Some(usage.peak_rss_bytes),
        all_live: watch.map(Watch::finish).transpose()?,
        others_share: None,
    })
}

/// Memory that is resident: not zero, so that it cannot be the kernel's one page of zeros.
fn touched_memory(task: &Task) -> Result<Vec<u8>> {
    let len = usize::try_from(task.ballast_bytes).context("more ballast than addresses")?;
    Ok(black_box(vec![1; len]))
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// How std is told what to start.
fn std_command(task: &Task, number: u64) -> Command {
    let mut command = Command::new(task.program());
    command.args(task.args(number)).stdin(Stdio::null());
    sys::prepare_std_command(&mut command);
    command
}
