//! What is promised on Windows: errors by their names, exit codes, quoting, batch files, consoles,
//! priorities, pipes with and without names, jobs, and who inherits what.

mod arguments;
mod batch;
mod consoles;
mod environment;
mod exit_codes;
mod groups;
mod inheritance;
mod jobs;
mod pipes;
mod priorities;
mod start_errors;
