//! What only Windows has.

mod arguments;
mod left_behind;
mod options;
mod shell;
