//! What is promised on Linux: errors by their names, signals, descriptors, limits, no strays.

mod exhaustion;
mod holders;
mod leaks;
mod limits;
mod signals;
mod start_errors;
mod strays;
mod surroundings;
