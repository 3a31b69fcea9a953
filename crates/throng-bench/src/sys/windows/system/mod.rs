//! What the bench asks of Windows by calls that are unsafe: what this process has used, a gate that
//! processes wait at, and whether this is Windows at all. Measures nothing by itself.

mod gate;
mod own;
mod wine;

pub(super) use gate::Gate;
pub(super) use own::{cpu, peak_working_set_bytes, threads};
pub(super) use wine::is_wine;
