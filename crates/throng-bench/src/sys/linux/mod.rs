//! Linux: contestants start static C programs, and the floor is one as well.

mod leftovers;
mod machine;
mod programs;
mod usage;

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};
use throng::{Builder, Mechanism};

pub(crate) use leftovers::{adopt_orphans, end_leftovers};
pub(crate) use machine::Machine;
pub(crate) use programs::Programs;
pub(crate) use usage::{Usage, cpu_s, machine_cpu_s};

pub(crate) const NAME: &str = "Linux";
pub(crate) const ABSENT_SCENARIOS: &[&str] = &[];
pub(crate) const BASE_OF_STARTS: &str = "floor";
pub(crate) const BASE_OF_WRITERS: &str = "throng-epoll";
pub(crate) const BASE_OF_BULK: &str = "floor-pipes";
pub(crate) const PROGRAMS_REFUSED: Option<&str> = None;

/// All processes of a trial have been waited for when it is over.
pub(crate) const BETWEEN_TRIALS: Duration = Duration::ZERO;

/// No mechanism has a second way here.
pub(crate) fn has_packets(_: Mechanism) -> bool {
    false
}

pub(crate) fn with_packets(builder: Builder) -> Builder {
    builder
}

pub(crate) fn prepare_command(_: &mut throng::Command) {}

pub(crate) fn prepare_std_command(_: &mut std::process::Command) {}

/// Has the contestant end with the bench, and open as many files as the system lets it, whether or
/// not it would have asked for that itself.
pub(crate) fn prepare_contestant() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("ask to end with the bench")?;
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, highest).context("raise the limit on open files")
}
