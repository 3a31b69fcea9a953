//! The behaviour that is the system's own.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;
