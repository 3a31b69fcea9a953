//! What only Linux has.

mod full;
mod limits;
mod refusals;
mod shell;
mod signals;
mod table;
mod terminal;
mod trees;
