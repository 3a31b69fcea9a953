//! The refusals of the one system that has them.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::run;

/// Says that it cannot be done.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_: &str, _: &[std::ffi::OsString]) -> String {
    "only Linux can refuse system calls to a program".into()
}
