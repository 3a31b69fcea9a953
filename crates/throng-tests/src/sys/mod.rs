//! What the tests ask of the system: counts that must not grow, processes that must be gone, and
//! how a process ends.
//!
//! | name | what it is |
//! |---|---|
//! | `Tag` | a tag on processes, to find those of a test and to end them when it is over |
//! | `Gate` | what thousands of processes can wait for without using processor time |
//! | `prepare` | adapts a command for the child to this machine |
//! | `install` | puts a program into another directory, under another name |
//! | `children` | the children of this program, including those not waited for |
//! | `open_handles`, `threads`, `rss_kib` | what this program has |
//! | `SLACK` | by how much counts vary for reasons outside of throng |
//! | `is_end_by` | whether this is the status of a process ended by a signal |
//! | `TELLS_ARGUMENTS` | whether the arguments of a holder of a stream are known |
//! | `is_of_the_system` | whether a holder was started by the system and not by a test |
//! | `without_console` | starts the program under test, and its commands, quickly |
//! | `tells_usage` | whether the system reports the resource usage of a process |
//! | `LONGEST_TEST` | how long a test may take with one mechanism; shorter than a sleeper sleeps |
//! | `repeat` | how often to do what is done many times where starting a process is cheap |
//! | `repeat_with` | the same where some mechanisms get the full number |
//! | `threads_that_wait` | how many threads the system itself needs to wait for this many exits |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(windows)]
#[expect(unsafe_code, reason = "the one place of the library for it")]
mod windows;
#[cfg(windows)]
use windows as system;

/// What exists on one system only.
pub mod os {
    #[cfg(target_os = "linux")]
    pub use super::linux::mounts::{not_tested, on_small_disk, without_devices};
    #[cfg(windows)]
    pub use super::windows::is_wine;
}

pub use system::{
    Gate, SLACK, TELLS_ARGUMENTS, Tag, children, install, is_end_by, is_of_the_system,
    open_handles, repeat, repeat_with, rss_kib, tells_usage, threads, threads_that_wait,
    without_console,
};

pub(crate) use system::{LONGEST_TEST, prepare};

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use throng::{Command, Holder, Mechanism, Signal, Status};

const _: fn() -> Tag = Tag::new;
const _: fn(&Tag) -> Vec<u32> = Tag::pids;
const _: fn(&str) = Tag::bear;
const _: fn() -> Gate = Gate::new;
const _: fn(&Gate) -> String = Gate::step;
const _: fn(&str) = Gate::pass;
const _: fn(&Gate) -> u64 = Gate::arrived;
const _: fn(Gate) = Gate::open;
const _: Duration = LONGEST_TEST;
const _: fn(&mut Command) = prepare;
const _: fn(&OsStr, &Path, &str) -> PathBuf = install;
const _: fn() -> Vec<u32> = children;
const _: fn() -> usize = open_handles;
const _: fn() -> usize = threads;
const _: fn() -> u64 = rss_kib;
const _: usize = SLACK;
const _: fn(Signal, Status) -> bool = is_end_by;
const _: bool = TELLS_ARGUMENTS;
const _: fn(&Holder) -> bool = is_of_the_system;
const _: fn(&mut std::process::Command) -> &'static [&'static str] = without_console;
const _: fn() -> bool = tells_usage;
const _: fn(usize) -> usize = repeat;
const _: fn(usize) -> usize = threads_that_wait;
const _: fn(Mechanism, usize) -> usize = repeat_with;
