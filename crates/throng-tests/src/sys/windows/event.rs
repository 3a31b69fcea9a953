//! Named kernel objects: an event, which one process sets and others wait for, and a semaphore,
//! with which processes are counted.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    CreateEventW, CreateSemaphoreW, INFINITE, OpenEventW, OpenSemaphoreW, ReleaseSemaphore,
    SEMAPHORE_MODIFY_STATE, SYNCHRONIZATION_SYNCHRONIZE, SetEvent, WaitForSingleObject,
};

#[derive(Debug)]
pub(super) struct Event(OwnedHandle);

impl Event {
    /// Creates one that is not set. It exists as long as a process has it open.
    pub(super) fn create(name: &str) -> Event {
        let name = wide(name);
        // SAFETY: the name ends with a NUL and outlives the call; there are no attributes.
        let handle = unsafe { CreateEventW(null(), 1, 0, name.as_ptr()) };
        Event(own(handle).expect("an event can be made"))
    }

    /// Opens the one that another process created under this name, if it still exists.
    pub(super) fn open(name: &str) -> Option<Event> {
        let name = wide(name);
        // SAFETY: the name ends with a NUL and outlives the call.
        own(unsafe { OpenEventW(SYNCHRONIZATION_SYNCHRONIZE, 0, name.as_ptr()) }).map(Event)
    }

    pub(super) fn set(&self) {
        // SAFETY: the handle is open as long as `self`.
        let ok = unsafe { SetEvent(self.0.as_raw_handle()) };
        assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    }

    pub(super) fn wait(&self) {
        // SAFETY: the handle is open as long as `self`, and may be waited for.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), INFINITE) };
    }
}

/// A count that any process can increase and that its creator takes from.
#[derive(Debug)]
pub(super) struct Semaphore(OwnedHandle);

impl Semaphore {
    /// Creates one whose count is 0.
    pub(super) fn create(name: &str) -> Semaphore {
        let name = wide(name);
        // SAFETY: the name ends with a NUL and outlives the call; there are no attributes.
        let handle = unsafe { CreateSemaphoreW(null(), 0, i32::MAX, name.as_ptr()) };
        Semaphore(own(handle).expect("a semaphore can be made"))
    }

    /// Opens the one that another process created under this name, if it still exists.
    pub(super) fn open(name: &str) -> Option<Semaphore> {
        let name = wide(name);
        // SAFETY: the name ends with a NUL and outlives the call.
        own(unsafe { OpenSemaphoreW(SEMAPHORE_MODIFY_STATE, 0, name.as_ptr()) }).map(Semaphore)
    }

    /// Adds 1 to the count.
    pub(super) fn release(&self) {
        // SAFETY: the handle is open as long as `self`; the previous count is not requested.
        let ok = unsafe { ReleaseSemaphore(self.0.as_raw_handle(), 1, null_mut()) };
        assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    }

    /// Takes 1 from the count, unless it is 0.
    pub(super) fn take(&self) -> bool {
        // SAFETY: the handle is open as long as `self`, and was opened with the right to wait.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), 0) == WAIT_OBJECT_0 }
    }
}

/// Owns the handle that a call has returned, unless the call failed.
fn own(handle: HANDLE) -> Option<OwnedHandle> {
    if handle.is_null() {
        return None;
    }
    // SAFETY: it has just been opened, and has no other owner.
    Some(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn wide(name: &str) -> Vec<u16> {
    name.encode_utf16().chain([0]).collect()
}
