//! The modes of the probe, which are about limits and descriptors, and so the system's own.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::main;
