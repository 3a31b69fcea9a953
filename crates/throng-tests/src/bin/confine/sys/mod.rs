//! The refusals; only one system has them.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::run;

/// Reports that this is not possible.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_: &str, _: &[std::ffi::OsString]) -> String {
    "only Linux can refuse system calls to a program".into()
}
