//! What users pass in and get back: a command, a pipe for its stdin, reports while it runs, and the
//! outcome.

pub(crate) mod command;
pub(crate) mod outcome;
pub(crate) mod running;
pub(crate) mod stdin_pipe;
