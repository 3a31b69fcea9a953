//! How a process is started: its program is found, its command line written for that program, its
//! handles and its job listed, and what has failed is put into words. Knows nothing of how its
//! pipes are read.

mod attributes;
mod batch;
mod commandline;
mod launch;
mod program;

pub(super) use launch::{Launched, Launcher, cannot_capture};
