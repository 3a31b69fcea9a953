//! Behaviour that exists only on Windows.

mod arguments;
mod left_behind;
mod options;
mod shell;
