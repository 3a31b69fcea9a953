//! Makes commands of records and of the words of the command line.

mod batch;
mod batching;
pub(crate) mod builder;
pub(crate) mod pipe;
pub(crate) mod record;
pub(crate) mod records;
pub(crate) mod sources;
pub(crate) mod stdin;
mod tag;
#[cfg(test)]
mod tests;
