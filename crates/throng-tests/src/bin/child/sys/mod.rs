//! The steps that only one kind of system has.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::take_step;
