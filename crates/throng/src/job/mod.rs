//! What a user gives and gets: a command, the end of a pipe to its stdin, and the outcome.

pub(crate) mod command;
pub(crate) mod outcome;
pub(crate) mod pipe_end;
pub(crate) mod running;
