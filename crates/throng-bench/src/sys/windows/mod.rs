//! Windows: contestants start the scripted child of throng-tests. There is no floor, and no figure
//! for processor time but our own.

mod machine;
mod programs;
mod usage;

use std::os::windows::process::CommandExt as _;
use std::time::Duration;

use anyhow::Result;
use throng::os::windows::{BuilderExt, CommandExt, Console};
use throng::{Builder, Mechanism};
use windows_sys::Win32::System::Threading::DETACHED_PROCESS;

pub(crate) use machine::Machine;
pub(crate) use programs::Programs;
pub(crate) use usage::{Usage, cpu_s, machine_cpu_s};

pub(crate) const NAME: &str = "Windows";

/// There is no `/bin/true`, and starting a process does not copy any memory of ours.
pub(crate) const ABSENT_SCENARIOS: &[&str] = &["true-2k", "resident-1g"];
pub(crate) const BASE_OF_STARTS: &str = "throng-completion-port";
pub(crate) const BASE_OF_WRITERS: &str = BASE_OF_STARTS;
pub(crate) const BASE_OF_BULK: &str = BASE_OF_STARTS;
pub(crate) const PROGRAMS_REFUSED: Option<&str> =
    Some("not measured on Windows, where their processor time is not known");

/// The system takes this long to clear away a trial of many processes.
pub(crate) const BETWEEN_TRIALS: Duration = Duration::from_millis(500);

/// Whether the mechanism can be told to announce every read by a packet, even one that finishes
/// at once.
pub(crate) fn has_packets(mechanism: Mechanism) -> bool {
    mechanism == Mechanism::CompletionPort
}

pub(crate) fn with_packets(builder: Builder) -> Builder {
    builder.skip_packets(false)
}

/// A console of its own would cost each process more than the rest of its life.
pub(crate) fn prepare_command(command: &mut throng::Command) {
    command.console(Console::None);
}

pub(crate) fn prepare_std_command(command: &mut std::process::Command) {
    command.creation_flags(DETACHED_PROCESS);
}

pub(crate) fn prepare_contestant() -> Result<()> {
    Ok(())
}

pub(crate) fn adopt_orphans() -> Result<()> {
    Ok(())
}

/// What throng has started ends with the contestant, by job objects; what others have started ends
/// by itself.
pub(crate) fn end_leftovers() -> Result<usize> {
    Ok(0)
}
