//! The behaviour that is the system's own.

#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
mod linux;

#[cfg(windows)]
mod windows;
