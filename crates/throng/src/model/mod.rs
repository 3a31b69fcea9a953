//! The basic values of the library: errors, signals and kill sequences, streams, statuses,
//! mechanisms, verdicts. They know nothing about how processes are run.

pub(crate) mod error;
pub(crate) mod kill;
pub(crate) mod mechanism;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod verdict;
