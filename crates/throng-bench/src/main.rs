//! Measures throng, its rivals and the floor side by side.
//!
//! ```text
//!  rounds ──► trial: a fresh process ──► `throng-bench contestant NAME ...` ──► rival
//!    │          (timeout, leftovers)           │ wall, CPU, memory                │
//!    ▼                                         ▼                                  ▼
//!  report ◄──────────────────────────────── Sample ◄──────────────────────── Tally
//!    │                                      one line of JSON      started, bytes, bad
//!    ▼
//!  table, JSON
//! ```
//!
//! Every contestant, in-process or not, runs under a fresh process of this program, one at a time;
//! the rounds are interleaved, so that what changes on the machine affects all of them.
//! What differs by system is in `sys`.

#![deny(unsafe_code)]

mod arguments;
mod bench;
mod child;
mod contestant;
mod environment;
mod figures;
mod fixtures;
mod gate;
mod lookup;
mod report;
mod rival;
mod rounds;
mod scenario;
mod sys;
mod table;
mod task;
mod trial;
mod views;

fn main() -> std::process::ExitCode {
    bench::run()
}
