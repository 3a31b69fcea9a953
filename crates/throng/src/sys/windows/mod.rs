//! Windows: overlapped pipes, `CreateProcessW` with a list of handles and a job, and completion
//! ports, the thread pool, events, APCs or threads to read.
//!
//! ```text
//!  Engine ── start ──► CreateProcessW, job ──► process ── exits ──► DriverEvent::Exited ─┐
//!    │                                           │ stdout/stderr (pipe)                 │
//!    └── op::submit ──► ReadFile, ReadFileEx ◄───┘                                      │
//!         the kernel owns the Op ──► port | pool | events | apc ──► DriverEvent::Read ──┤
//!         a thread blocks in it  ──► threads ──► DriverEvent::Bytes, DriverEvent::End ──┴► next
//! ```
//!
//! What was learned of each interface, with sources, and what has been seen under Wine alone, is in
//! `docs/windows.md`.

mod child;
mod driver;
mod engine;
mod host;
mod pipe;
#[cfg(test)]
mod quarantine;
mod start;
mod thread_pool;
mod tree;
mod wide;
mod wine;

pub(crate) use driver::Waker;
pub(crate) use engine::Engine;
pub(crate) use host::SystemContext;

use crate::model::kill::Signal;
use crate::model::mechanism::Mechanism;

/// The completion port comes first: it needs no threads but the shards, one call takes many
/// packets, and under Wine it used the least processor time and memory of the five
/// (docs/windows.md). Which is fastest on a real Windows has not been measured.
pub(crate) const MECHANISMS: &[Mechanism] = &[
    Mechanism::CompletionPort,
    Mechanism::ThreadPool,
    Mechanism::Events,
    Mechanism::Apc,
    Mechanism::Threads,
];

/// Whether this machine offers the mechanism, or why not: all that are ours are there since Vista.
pub(crate) fn probe(mechanism: Mechanism) -> Result<(), String> {
    if MECHANISMS.contains(&mechanism) {
        Ok(())
    } else {
        Err("it is a mechanism of Linux".into())
    }
}

/// The number that Unix has for it; nothing here gives a process a number.
pub(crate) fn signal_number(signal: Signal) -> i32 {
    match signal {
        Signal::Hup => 1,
        Signal::Int => 2,
        Signal::Quit => 3,
        Signal::Kill => 9,
        Signal::Term => 15,
    }
}
