//! Measures throng, its rivals and the floor side by side: `throng-bench --help`.
//!
//! The fixtures, the process accounting and most rivals are Linux's. On Windows `throng bench`
//! compares the mechanisms of throng with each other.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
use elsewhere as system;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

fn main() -> ExitCode {
    system::run()
}
