//! A thread that waits for the handles of up to twenty-one processes: two events and the process
//! each. `WaitForMultipleObjects` takes sixty-four, and one is for us to speak to the thread.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use windows_sys::Win32::Foundation::{HANDLE, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects,
};

use super::inbox::{DriverEvent, Inbox};
use crate::model::stream::Stream;
use crate::slots::Id;
use crate::sys::windows::pipe::own;

/// So many processes fit: 1 + 3 x 21 = 64.
pub(crate) const MEMBERS_MAX: usize = 21;

/// It waits, and reports what is signalled; it decides nothing.
const STACK_SIZE: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct WaitGroup {
    shared: Arc<Shared>,
    members: usize,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Set when there are changes.
    changed: OwnedHandle,
    changes: Mutex<Vec<Change>>,
    inbox: Arc<Inbox>,
}

#[derive(Debug)]
enum Change {
    Watch(Id, Sign, Arc<OwnedHandle>),
    Remove(Id),
    End,
}

/// What it means when a handle is signalled.
#[derive(Clone, Copy, Debug)]
enum Sign {
    Read(Stream),
    Exit,
}

/// An event that a wait resets.
pub(crate) fn auto_reset_event() -> io::Result<OwnedHandle> {
    // SAFETY: it has no attributes and no name; it begins unset.
    own(unsafe { CreateEventW(null(), 0, 0, null()) })
}

impl WaitGroup {
    pub(crate) fn new(inbox: Arc<Inbox>) -> io::Result<WaitGroup> {
        let shared = Arc::new(Shared {
            changed: auto_reset_event()?,
            changes: Mutex::default(),
            inbox,
        });
        let theirs = shared.clone();
        let thread = thread::Builder::new()
            .name("throng-events".into())
            .stack_size(STACK_SIZE)
            .spawn(move || Waiting::new(&theirs).run())?;
        Ok(WaitGroup {
            shared,
            members: 0,
            thread: Some(thread),
        })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.members == MEMBERS_MAX
    }

    /// Adds a process's events.
    pub(crate) fn add(&mut self, id: Id, events: &[Arc<OwnedHandle>; 2]) {
        self.members += 1;
        let watch =
            |stream: Stream| Change::Watch(id, Sign::Read(stream), events[stream.index()].clone());
        self.shared.change(Stream::ALL.map(watch));
    }

    /// Adds the process itself, when there is one.
    pub(crate) fn watch(&self, id: Id, process: Arc<OwnedHandle>) {
        self.shared.change([Change::Watch(id, Sign::Exit, process)]);
    }

    pub(crate) fn remove(&mut self, id: Id) {
        self.members -= 1;
        self.shared.change([Change::Remove(id)]);
    }
}

impl Drop for WaitGroup {
    fn drop(&mut self) {
        self.shared.change([Change::End]);
        if let Some(thread) = self.thread.take() {
            // It panics only where a panic has been printed already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn change<const N: usize>(&self, changes: [Change; N]) {
        self.lock().extend(changes);
        // SAFETY: the event is open as long as `self`. Setting an event of our own does not fail.
        unsafe { SetEvent(self.changed.as_raw_handle()) };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's side: the handles as the system takes them, and beside each what it means. The
/// first is that of the changes.
struct Waiting<'a> {
    shared: &'a Shared,
    raw: Vec<HANDLE>,
    /// One less than `raw`, since the changes have none.
    owners: Vec<(Id, Sign, Arc<OwnedHandle>)>,
}

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Waiting<'a> {
        Waiting {
            shared,
            raw: vec![shared.changed.as_raw_handle()],
            owners: Vec::new(),
        }
    }

    fn run(mut self) {
        loop {
            let Some(first) = wait_for_any(&self.raw, INFINITE) else {
                continue;
            };
            // The system names the first that is signalled; the others are asked in the same turn,
            // so that busy processes at the front do not hide those behind them.
            let mut ended = Vec::new();
            let mut next = Some(first);
            let mut is_changed = false;
            while let Some(place) = next {
                match place.checked_sub(1) {
                    None => is_changed = true,
                    Some(place) => self.announce(place, &mut ended),
                }
                let rest = &self.raw[place + 1..];
                next = wait_for_any(rest, 0).map(|found| place + 1 + found);
            }
            // A process's handle stays signalled: once is enough.
            for place in ended.into_iter().rev() {
                self.take_out(place);
            }
            if is_changed && !self.apply_changes() {
                return;
            }
        }
    }

    fn announce(&self, place: usize, ended: &mut Vec<usize>) {
        let (id, sign, _) = &self.owners[place];
        self.shared.inbox.put(match sign {
            Sign::Read(stream) => DriverEvent::Signalled(*id, *stream),
            Sign::Exit => {
                ended.push(place);
                DriverEvent::Exited(*id)
            }
        });
    }

    /// Returns whether to go on.
    fn apply_changes(&mut self) -> bool {
        let changes = std::mem::take(&mut *self.shared.lock());
        for change in changes {
            match change {
                Change::Watch(id, sign, handle) => {
                    self.raw.push(handle.as_raw_handle());
                    self.owners.push((id, sign, handle));
                }
                Change::Remove(id) => {
                    while let Some(place) = self.owners.iter().position(|(of, ..)| *of == id) {
                        self.take_out(place);
                    }
                }
                Change::End => return false,
            }
        }
        true
    }

    fn take_out(&mut self, place: usize) {
        self.owners.remove(place);
        self.raw.remove(place + 1);
    }
}

/// The place of the first of these that is signalled.
fn wait_for_any(handles: &[HANDLE], timeout_ms: u32) -> Option<usize> {
    let count = handles.len() as u32;
    if count == 0 {
        return None;
    }
    // SAFETY: the list has the length that is passed, at most sixty-four, and the caller keeps all
    // of its handles open.
    let result = unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, timeout_ms) };
    // Nothing abandons an event or a process. It fails only for handles that are none.
    assert!(result != WAIT_FAILED, "{}", io::Error::last_os_error());
    let place = result.wrapping_sub(WAIT_OBJECT_0);
    (place < count).then_some(place as usize)
}
