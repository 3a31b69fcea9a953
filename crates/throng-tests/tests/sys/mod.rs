//! Behaviour that depends on the system.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(windows)]
mod windows;
