//! What is promised on Linux: errors by their names, signals, descriptors, limits.

mod cgroups;
mod endings;
mod exhaustion;
mod exits;
mod holders;
mod limits;
mod niceness;
mod panics;
mod refusals;
mod signals;
mod spill;
mod start_errors;
mod surroundings;
mod suspend;
mod thieves;
mod trees;
