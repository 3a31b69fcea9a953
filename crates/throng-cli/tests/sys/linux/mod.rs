//! Behaviour that exists only on Linux.

mod cgroups;
mod full;
mod limits;
mod ownership;
mod refusals;
mod shell;
mod signals;
mod strangers;
mod surroundings;
mod table;
mod terminal;
mod trees;
mod tty;
