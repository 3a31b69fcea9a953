//! Traits that set the options of commands and of a `Throng` that only one system has.

#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(windows)]
pub mod windows;
