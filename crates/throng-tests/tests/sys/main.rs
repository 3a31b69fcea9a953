//! The behaviour that is the system's own.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod linux;
