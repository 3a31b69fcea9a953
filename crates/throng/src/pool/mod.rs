//! The face of the library: a pool and its builder, the handle of one process, a run of many.

pub(crate) mod builder;
pub(crate) mod handle;
pub(crate) mod run;
pub(crate) mod throng;
