//! Where callbacks and other threads leave what they have to announce to a shard.

use std::collections::VecDeque;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
use windows_sys::Win32::System::Threading::{QueueUserAPC, WaitForSingleObject};

use super::op::Finished;
use crate::model::stream::Stream;
use crate::slots::Id;
use crate::sys::api::End;
use crate::sys::faults::{Fault, Point, inject, shuffle};

/// What a mechanism announces.
#[derive(Debug)]
pub(crate) enum DriverEvent {
    /// A read is finished.
    Read(Finished),
    /// The event of a read is set: worth looking at.
    Signalled(Id, Stream),
    /// A thread has read this.
    Bytes(Id, Stream, Vec<u8>),
    /// A thread does not read any more.
    End(Id, Stream, End),
    /// A process has ended.
    Exited(Id),
}

impl DriverEvent {
    /// The stream that an event from a reader thread is about.
    pub(crate) fn stream(&self) -> Option<(Id, Stream)> {
        match self {
            DriverEvent::Bytes(id, stream, _) | DriverEvent::End(id, stream, _) => {
                Some((*id, *stream))
            }
            DriverEvent::Read(_) | DriverEvent::Signalled(..) | DriverEvent::Exited(_) => None,
        }
    }
}

/// Puts events in another order where a fault is injected. Of each stream there is one at a time,
/// so it is an order that could have been; where a thread may leave several it is not.
pub(crate) fn inject_shuffle(announced: &mut VecDeque<DriverEvent>) {
    if let Some(Fault::Shuffle(number)) = inject(Point::Wait) {
        shuffle(announced.make_contiguous(), number);
    }
}

#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    filled: Condvar,
    /// The shard's thread, where it sleeps alertably and an APC has to wake it.
    alertable: Option<OwnedHandle>,
}

#[derive(Debug, Default)]
struct State {
    announced: VecDeque<DriverEvent>,
    is_woken: bool,
}

impl Inbox {
    /// For a shard that sleeps in [`Inbox::wait`].
    pub(crate) fn new() -> Inbox {
        Inbox {
            state: Mutex::default(),
            filled: Condvar::new(),
            alertable: None,
        }
    }

    /// For a shard that sleeps alertably, on this thread.
    pub(crate) fn of_alertable(thread: OwnedHandle) -> Inbox {
        Inbox {
            alertable: Some(thread),
            ..Inbox::new()
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has been left; where that is nothing, waits for it first.
    pub(crate) fn collect(&self, into: &mut VecDeque<DriverEvent>, timeout: Option<Duration>) {
        if !self.take(into) {
            self.wait(timeout);
            self.take(into);
        }
    }

    /// Adds an event and wakes the shard.
    pub(crate) fn put(&self, event: DriverEvent) {
        self.change(|state| state.announced.push_back(event));
    }

    /// Adds an event on the shard's own thread, which is awake.
    pub(crate) fn push(&self, event: DriverEvent) {
        self.lock().announced.push_back(event);
    }

    /// Ends the wait that is going on, or else the next one.
    pub(crate) fn wake(&self) {
        self.change(|state| state.is_woken = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        let was_asleep = state.announced.is_empty() && !state.is_woken;
        change(&mut state);
        drop(state);
        if !was_asleep {
            return;
        }
        match &self.alertable {
            None => self.filled.notify_one(),
            Some(thread) => wake_alertable(thread),
        }
    }

    /// Takes all there is, and forgets the calls of [`Inbox::wake`] so far. Returns whether there
    /// was anything.
    pub(crate) fn take(&self, announced: &mut VecDeque<DriverEvent>) -> bool {
        let mut state = self.lock();
        let was_woken = std::mem::take(&mut state.is_woken);
        let found = was_woken || !state.announced.is_empty();
        announced.append(&mut state.announced);
        found
    }

    /// Waits until there is something to take.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        let state = self.lock();
        let is_asleep = |state: &mut State| state.announced.is_empty() && !state.is_woken;
        match timeout {
            Some(Duration::ZERO) => {}
            Some(timeout) => drop(self.filled.wait_timeout_while(state, timeout, is_asleep)),
            None => drop(self.filled.wait_while(state, is_asleep)),
        }
    }
}

/// Queues an APC that does nothing; that it runs is what ends the wait.
fn wake_alertable(thread: &OwnedHandle) {
    unsafe extern "system" fn nothing(_: usize) {}
    loop {
        // SAFETY: the handle is a thread's and stays open while it is borrowed here; the function
        // may be called at any time and with anything.
        let queued = unsafe { QueueUserAPC(Some(nothing), thread.as_raw_handle(), 0) };
        if queued != 0 {
            return;
        }
        // SAFETY: as above.
        if unsafe { WaitForSingleObject(thread.as_raw_handle(), 0) } == WAIT_OBJECT_0 {
            return; // It has ended, and waits for nothing any more.
        }
        // The system has no memory for it just now.
        std::thread::sleep(Duration::from_millis(1));
    }
}
