//! The behaviour of the library with every mechanism. One binary, since linking it takes longer
//! than most of its tests.

#![deny(unsafe_code)]

mod budget;
mod callbacks;
mod cancel;
mod control;
mod differential;
mod fairness;
mod handles;
mod held;
mod jobs;
mod leaks;
mod outcomes;
mod reading;
mod run_ends;
mod runs;
mod slow;
mod stdin;
mod strays;
mod streams;
mod surroundings;
mod suspend;
mod sys;
mod timeouts;
mod verdicts;
