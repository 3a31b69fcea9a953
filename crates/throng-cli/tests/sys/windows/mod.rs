//! What only Windows has.

mod arguments;
mod options;
mod shell;
