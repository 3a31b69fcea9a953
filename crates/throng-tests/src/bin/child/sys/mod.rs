//! The steps that every system takes in a way of its own, and those that only one has.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::{keep_streams_to_ourselves, take_step};

#[cfg(windows)]
#[expect(unsafe_code, reason = "the one place of the child for it")]
mod windows;
#[cfg(windows)]
pub(crate) use windows::{keep_streams_to_ourselves, take_step};
