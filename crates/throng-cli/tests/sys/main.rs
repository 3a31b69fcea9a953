//! The behaviour that is the system's own.

#![forbid(unsafe_code)]

#[path = "../program/mod.rs"]
mod program;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;
