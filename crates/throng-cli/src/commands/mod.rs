//! Commands, made of records and of the words of the command line. Starts none.

pub(crate) mod batch;
pub(crate) mod pipe;
pub(crate) mod recipe;
pub(crate) mod records;
pub(crate) mod stdin;
#[cfg(test)]
mod tests;
