//! The bench of each system: on Linux throng meets its rivals and the floor, on Windows its
//! mechanisms meet each other.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

pub(crate) use system::run;

const _: fn() -> std::process::ExitCode = run;
