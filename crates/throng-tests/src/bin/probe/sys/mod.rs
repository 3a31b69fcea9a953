//! The modes of the probe that exist on one system only.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::run;

#[cfg(windows)]
#[expect(unsafe_code, reason = "the one place of the probe for it")]
mod windows;
#[cfg(windows)]
pub(crate) use windows::run;
