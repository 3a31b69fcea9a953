//! What is guaranteed on Linux: errors by name, signals, descriptors, limits.

mod cgroups;
mod emulators;
mod endings;
mod exhaustion;
mod exits;
mod fifos;
mod ground;
mod holders;
mod limits;
mod niceness;
mod not_ours;
mod panics;
mod refusals;
mod sessions;
mod signals;
mod spill;
mod start_errors;
mod stranger;
mod surroundings;
mod suspend;
mod thieves;
mod trees;
