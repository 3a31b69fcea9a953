//! What a process has started: the job that each process has, what is left in one, and the job
//! around those of a whole run. Knows nothing of how processes are started and read.

mod guardian;
mod holders;
mod job;
mod usage;

pub(super) use guardian::Guardian;
pub(super) use holders::left_in;
pub(super) use job::{ENDED_BY_US, Job};
pub(super) use usage::of_ended;
