//! A place where thousands of processes can wait without using processor time: an event. Each
//! process counts itself with a semaphore before it waits.

use std::sync::atomic::{AtomicU64, Ordering};

use super::event::{Event, Semaphore};
use crate::unique::unique;

/// Closed until it is opened; processes that arrive when it no longer exists pass.
#[derive(Debug)]
pub struct Gate {
    name: String,
    event: Event,
    arrivals: Semaphore,
    /// What has been taken from the semaphore.
    arrived: AtomicU64,
}

impl Gate {
    /// A closed gate.
    ///
    /// # Panics
    ///
    /// When the system cannot make one.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Gate {
        let name = format!("throng-gate-{}", unique());
        Gate {
            arrivals: Semaphore::create(&arrivals(&name)),
            event: Event::create(&name),
            arrived: AtomicU64::new(0),
            name,
        }
    }

    /// The step of the child that waits for it.
    pub fn step(&self) -> String {
        format!("gate:{}", self.name)
    }

    /// What the child does at this step.
    pub fn pass(gate: &str) {
        if let (Some(event), Some(arrivals)) = (Event::open(gate), Semaphore::open(&arrivals(gate)))
        {
            arrivals.release();
            event.wait();
        }
    }

    /// How many processes have arrived.
    pub fn arrived(&self) -> u64 {
        while self.arrivals.take() {
            self.arrived.fetch_add(1, Ordering::Relaxed);
        }
        self.arrived.load(Ordering::Relaxed)
    }

    /// Lets all processes pass: those that wait, and those that come later.
    pub fn open(self) {
        self.event.set();
    }
}

fn arrivals(gate: &str) -> String {
    format!("{gate}-arrivals")
}
