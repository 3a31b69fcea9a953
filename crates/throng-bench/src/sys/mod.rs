//! What the bench asks of the system, and what a system alone has to offer.
//!
//! | name | what it is |
//! |---|---|
//! | `NAME` | what the system is called |
//! | `Programs` | the programs that contestants start, and the floor's |
//! | `ABSENT_SCENARIOS` | scenarios that do not exist on this system |
//! | `BASE_OF_STARTS` `BASE_OF_WRITERS` `BASE_OF_BULK` | what contestants are compared with |
//! | `PROGRAMS_REFUSED` | why contestants that are programs of their own cannot be measured |
//! | `has_packets` `with_packets` | whether a mechanism has a second way; a builder that uses it |
//! | `prepare_command` `prepare_std_command` | what every command needs, whichever rival runs it |
//! | `prepare_contestant` | what a contestant needs before it starts |
//! | `adopt_orphans` `end_leftovers` | finds and ends what a contestant has left behind |
//! | `BETWEEN_TRIALS` | how long the system needs to clear away a trial |
//! | `cpu_s` `machine_cpu_s` | processor time, ours and that of the whole machine |
//! | `Usage` | the threads and the memory of a process |
//! | `Machine` | what the figures were measured on |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(windows)]
#[expect(unsafe_code, reason = "the one place for it")]
mod windows;
#[cfg(windows)]
use windows as system;

pub(crate) use system::{
    ABSENT_SCENARIOS, BASE_OF_BULK, BASE_OF_STARTS, BASE_OF_WRITERS, BETWEEN_TRIALS, Machine, NAME,
    PROGRAMS_REFUSED, Programs, Usage, adopt_orphans, cpu_s, end_leftovers, has_packets,
    machine_cpu_s, prepare_command, prepare_contestant, prepare_std_command, with_packets,
};

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use throng::Mechanism;

use crate::child::Child;

const _: &str = NAME;
const _: &[&str] = ABSENT_SCENARIOS;
const _: [&str; 3] = [BASE_OF_STARTS, BASE_OF_WRITERS, BASE_OF_BULK];
const _: Option<&str> = PROGRAMS_REFUSED;
const _: Duration = BETWEEN_TRIALS;
const _: fn(&Path) -> Result<Programs> = Programs::make;
const _: fn(&Programs, Child) -> Vec<OsString> = Programs::argv;
const _: fn(&Programs) -> Option<&Path> = Programs::floor;
const _: fn(Mechanism) -> bool = has_packets;
const _: fn(throng::Builder) -> throng::Builder = with_packets;
const _: fn(&mut throng::Command) = prepare_command;
const _: fn(&mut std::process::Command) = prepare_std_command;
const _: fn() -> Result<()> = prepare_contestant;
const _: fn() -> Result<()> = adopt_orphans;
const _: fn() -> Result<usize> = end_leftovers;
const _: fn() -> Result<f64> = cpu_s;
const _: fn() -> Result<Option<f64>> = machine_cpu_s;
const _: fn(u32) -> Result<Usage> = Usage::of;
const _: fn() -> Machine = Machine::read;
