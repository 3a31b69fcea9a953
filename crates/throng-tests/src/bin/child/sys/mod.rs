//! The steps that each system implements in its own way, and those that exist on one system only.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::{keep_streams_to_ourselves, take_step};

#[cfg(windows)]
#[expect(unsafe_code, reason = "the one place of the child for it")]
mod windows;
#[cfg(windows)]
pub(crate) use windows::{keep_streams_to_ourselves, take_step};
