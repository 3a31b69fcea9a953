//! The settings that only one system has, as data: a command and a pool carry them to the engine.

#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(windows)]
pub(crate) mod windows;
#[cfg(windows)]
use windows as system;

use std::ffi::{OsStr, OsString};

pub(crate) use system::{CommandOptions, HostOptions, shell};

const _: fn(&OsStr) -> (Vec<OsString>, CommandOptions) = shell;
const _: fn(&CommandOptions) -> bool = CommandOptions::inherits_output;
const _: fn(&mut HostOptions) = HostOptions::watch_stops;
