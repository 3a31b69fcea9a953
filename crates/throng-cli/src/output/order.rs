//! `-k`: outcomes in the order of their values, and how far ahead of the first unfinished one the
//! others may get.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use throng::{Outcome, Stream};

/// Outcomes that wait for an earlier one: this many, or this many bytes, and no more values are
/// taken until it has come. A slow first command holds the others up then, and does not grow us.
const WAITING_MAX: u64 = 16 * 1024;
const WAITING_BYTES_MAX: u64 = 256 << 20;

/// Puts outcomes into order.
#[derive(Debug, Default)]
pub(crate) struct InOrder {
    waiting: BTreeMap<u64, Outcome>,
    next: u64,
}

impl InOrder {
    pub(crate) fn push(&mut self, outcome: Outcome, window: &Window) {
        window.waits(size(&outcome));
        self.waiting.insert(outcome.seq(), outcome);
    }

    /// The next in order, if it has come.
    pub(crate) fn pop(&mut self, window: &Window) -> Option<Outcome> {
        let outcome = self.waiting.remove(&self.next)?;
        self.next += 1;
        window.printed(size(&outcome));
        Some(outcome)
    }
}

impl InOrder {
    /// All that still wait for one that never came, in order.
    pub(crate) fn into_rest(self) -> impl Iterator<Item = Outcome> {
        self.waiting.into_values()
    }
}

fn size(outcome: &Outcome) -> u64 {
    Stream::ALL
        .iter()
        .map(|stream| outcome.capture().stream(*stream).len() as u64)
        .sum()
}

/// Keeps the taking of values near the printing of outcomes.
#[derive(Debug, Default)]
pub(crate) struct Window {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: u64,
    printed: u64,
    waiting_bytes: u64,
    closed: bool,
}

impl Window {
    /// Waits until another value may be taken; at once when nothing has to be in order.
    pub(crate) fn take(&self) {
        let mut state = self.lock();
        while !state.closed
            && (state.taken - state.printed >= WAITING_MAX
                || state.waiting_bytes > WAITING_BYTES_MAX)
        {
            state = self
                .moved
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.taken += 1;
    }

    fn waits(&self, bytes: u64) {
        self.lock().waiting_bytes += bytes;
    }

    fn printed(&self, bytes: u64) {
        let mut state = self.lock();
        state.printed += 1;
        state.waiting_bytes -= bytes;
        self.moved.notify_one();
    }

    /// Nobody has to wait any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.moved.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn values_are_taken_only_so_far_ahead_of_what_is_printed() {
        let window = Arc::new(Window::default());
        for _ in 0..WAITING_MAX {
            window.take();
        }
        let (taken, was_taken) = mpsc::channel();
        let other = window.clone();
        let thread = thread::spawn(move || {
            other.take();
            taken.send(()).unwrap();
        });
        assert!(was_taken.try_recv().is_err());
        window.waits(5);
        window.printed(5);
        was_taken.recv().unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn closing_lets_everybody_go() {
        let window = Window::default();
        window.close();
        for _ in 0..2 * WAITING_MAX {
            window.take();
        }
    }
}
