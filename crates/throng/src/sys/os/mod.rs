//! What only this system has: traits that set its options of a command and of a `Throng`.

#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(windows)]
pub mod windows;
