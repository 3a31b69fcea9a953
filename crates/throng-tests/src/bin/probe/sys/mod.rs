//! The modes of the probe that only one system has.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::run;

#[cfg(windows)]
#[expect(unsafe_code, reason = "the one place of the probe for it")]
mod windows;
#[cfg(windows)]
pub(crate) use windows::run;
