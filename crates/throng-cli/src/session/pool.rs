//! The pool that a run uses, built as the options want it.

use std::thread;
use std::time::Instant;

use throng::{Stopped, Throng};

use super::brake::{self, Brake, Lack};
use crate::args::Run;
use crate::output::Printer;
use crate::{sys, text};

/// How many commands are to run at a time, before anybody has looked at what fits.
pub(super) fn jobs_wanted(args: &Run) -> usize {
    args.control.jobs.resolve(cores())
}

pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Captures may have so much memory.
pub(super) fn build(
    args: &Run,
    memory: u64,
    printer: &Printer,
    lack: &Lack,
) -> anyhow::Result<Throng> {
    let mut builder = Throng::builder()
        .jobs(args.control.jobs.resolve(cores()))
        .kill_sequence(args.control.termseq.clone());
    builder = args.system.set_builder(builder);
    builder = args.limits.set_builder(builder, memory);
    if let Some(mechanism) = args.control.mechanism {
        builder = builder.mechanism(mechanism);
    }
    if let Some(shards) = args.control.shards {
        builder = builder.shards(shards);
    }
    if let Some(grace) = args.control.grace {
        builder = builder.grace(grace);
    }
    if args.control.jobs.file().is_some() {
        builder = builder.jobs_up_to(usize::MAX);
    }
    if let Some(mut brake) = Brake::new(&args.control, cores(), lack.clone()) {
        brake.check()?;
        builder = builder.admit(move || brake.ask(Instant::now(), brake::read));
    }
    if let Some(callback) = printer.callback() {
        builder = builder.on_output(callback);
    }
    builder = builder.on_stopped(|stopped| say_stopped(&stopped));
    let throng = builder.build()?;
    if let Some(limit) = throng.jobs_limit()
        && !args.control.jobs.is_all_that_fit()
    {
        text::complain(format_args!(
            "{} at a time, because of {limit}",
            throng.jobs()
        ));
    }
    Ok(throng)
}

/// A stopped command would run for ever without a word.
fn say_stopped(stopped: &Stopped<'_>) {
    let Stopped { pid, signal, .. } = stopped;
    text::complain(format_args!(
        "{} (pid {pid}) was stopped by {}; kill -CONT {pid} continues it",
        text::quoted(&sys::name(stopped.command)),
        sys::signal_name(*signal),
    ));
}
