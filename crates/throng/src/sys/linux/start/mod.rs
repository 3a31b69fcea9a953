//! How a process is started: its strings, its stdin and its pipes are prepared, a copy of us that
//! shares our memory runs its program, and what has failed is found out.

pub(super) mod clone;
pub(super) mod failure;
mod kept;
pub(super) mod launch;
pub(super) mod loading;
mod program;
