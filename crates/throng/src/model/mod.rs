//! The values that all of the library speaks in: errors, signals and kill sequences, streams,
//! mechanisms, verdicts. They know nothing of how anything is run.

pub(crate) mod error;
pub(crate) mod kill;
pub(crate) mod mechanism;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod verdict;
