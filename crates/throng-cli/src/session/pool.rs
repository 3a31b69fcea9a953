//! Builds the pool of a run from its options.

use std::thread;
use std::time::Instant;

use throng::{Stopped, Throng};

use super::throttle::{self, Throttle};
use crate::options::Run;
use crate::output::Printer;
use crate::session::shortage::Shortage;
use crate::sys::{self, Tty};
use crate::terminal;
use crate::text;

/// How many commands are to run at a time, if the limits of the machine allow it.
pub(super) fn jobs_wanted(args: &Run) -> usize {
    match args.output.tty {
        true => 1,
        false => args.control.jobs.resolve(cores()),
    }
}

pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// `memory` is for captures.
pub(super) fn build(
    args: &Run,
    memory: u64,
    printer: &Printer,
    shortage: &Shortage,
    tty: Option<&Tty>,
) -> anyhow::Result<Throng> {
    let mut builder = Throng::builder()
        .jobs(jobs_wanted(args))
        .kill_sequence(args.control.termseq.clone());
    builder = args
        .system
        .set_builder(builder, |what| terminal::warn(format_args!("{what}")));
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
    if args.control.jobs.file().is_some() && tty.is_none() {
        builder = builder.jobs_up_to(usize::MAX);
    }
    let mut throttle = Throttle::new(&args.control, cores(), shortage.clone());
    throttle
        .iter_mut()
        .try_for_each(|throttle| throttle.check())?;
    if throttle.is_some() || tty.is_some() {
        let tty = tty.cloned();
        builder = builder.admit(move || {
            let pause = tty.as_ref().and_then(Tty::pause);
            pause.or_else(|| throttle.as_mut()?.ask(Instant::now(), throttle::read))
        });
    }
    if let Some(callback) = printer.on_output() {
        builder = builder.on_output(callback);
    }
    let tty = tty.cloned();
    builder = builder.on_stopped(move |stopped| match &tty {
        Some(tty) => tty.stopped(stopped.pid, stopped.signal),
        None => warn_of_stopped(&stopped),
    });
    let throng = builder.build()?;
    if let Some(limit) = throng.jobs_limit()
        && !args.control.jobs.is_all_that_fit()
    {
        terminal::warn(format_args!(
            "only {} commands run at a time, because of {limit}",
            throng.jobs()
        ));
    }
    Ok(throng)
}

/// Without this warning a stopped command would run for ever unnoticed.
fn warn_of_stopped(stopped: &Stopped<'_>) {
    let Stopped { pid, signal, .. } = stopped;
    // The thread of the shard must not wait for the reader of stderr.
    terminal::warn_on_thread(format!(
        "{} (pid {pid}) was stopped by {}; kill -CONT {pid} continues it",
        text::quoted(&sys::name(stopped.command)),
        sys::signal_name(*signal),
    ));
}
