//! What the behaviour tests of throng share with each other and with the scripted child.
//!
//! ```text
//!  tests/*.rs ── child!("out:10 exit:3") ──► a `Command` that runs src/bin/child
//!      │                                        │ writes bytes of a known pattern
//!      │ for_each_mechanism(|mechanism| ..)     ▼
//!      └── assert_output(&outcome, ..) ◄───── throng
//! ```
//!
//! A test that measures or changes its own program (descriptors, limits, death) runs
//! `src/bin/probe` in a process of its own: see [`Probe`].

#![deny(unsafe_code)]

mod block;
mod macros;
mod mechanisms;
mod outcomes;
mod patience;
mod pattern;
mod probe;
mod script;
mod sys;
mod tag;
mod unique;

pub use block::{block_on, poll_once};
pub use mechanisms::{for_each_mechanism, for_each_mechanism_alone, for_some_mechanisms};
pub use outcomes::{assert_complete, assert_ended_by, assert_output, describe, run_all, run_one};
pub use patience::{HANG, eventually, stable, with_enough_time, within};
pub use pattern::{Source, check_pattern, fill};
pub use probe::{Probe, Report};
pub use script::{script, script_by_name};
pub use sys::{
    Gate, SLACK, TELLS_ARGUMENTS, Tag, children, install, is_end_by, is_of_the_system,
    open_handles, os, repeat, repeat_with, rss_kib, tells_usage, threads, threads_that_wait,
    without_console,
};

/// All of these where starting a process is cheap, elsewhere every fifth: for tables whose rows
/// each take a start of the program and do not depend on the system.
pub fn some_of<T>(values: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let is_cheap = repeat(10) == 10;
    values.into_iter().step_by(if is_cheap { 1 } else { 5 })
}
