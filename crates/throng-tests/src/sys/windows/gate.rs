//! What thousands of processes can wait for without taking any processor time: an event.

use super::event::Event;
use crate::unique::unique;

/// Closed until it is opened; those who come when it is gone pass.
#[derive(Debug)]
pub struct Gate {
    name: String,
    event: Event,
}

impl Gate {
    /// A gate that is closed.
    ///
    /// # Panics
    ///
    /// When the system has no event for it.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Gate {
        let name = format!("throng-gate-{}", unique());
        let event = Event::create(&name);
        Gate { name, event }
    }

    /// The step of the child that waits for it.
    pub fn step(&self) -> String {
        format!("gate:{}", self.name)
    }

    /// What the child does at this step.
    pub fn pass(gate: &str) {
        if let Some(event) = Event::open(gate) {
            event.wait();
        }
    }

    /// Lets all pass: those that wait, and those that come later.
    pub fn open(self) {
        self.event.set();
    }
}
