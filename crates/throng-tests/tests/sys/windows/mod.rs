//! What is guaranteed on Windows: errors by name, exit codes, quoting, batch files, consoles,
//! priorities, pipes with and without names, jobs, and inheritance.

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
