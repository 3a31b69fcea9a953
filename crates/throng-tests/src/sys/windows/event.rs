//! An event object with a name: one process sets it, others wait for it, and nobody polls.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, OpenEventW, SYNCHRONIZATION_SYNCHRONIZE, SetEvent, WaitForSingleObject,
};

#[derive(Debug)]
pub(super) struct Event(OwnedHandle);

impl Event {
    /// Makes one that is not set. It is there as long as somebody has it open.
    pub(super) fn create(name: &str) -> Event {
        let name = wide(name);
        // SAFETY: the name ends with a NUL and outlives the call; there are no attributes.
        let handle = unsafe { CreateEventW(null(), 1, 0, name.as_ptr()) };
        own(handle).expect("an event can be made")
    }

    /// The one of this name that somebody else has made, if it is still there.
    pub(super) fn open(name: &str) -> Option<Event> {
        let name = wide(name);
        // SAFETY: the name ends with a NUL and outlives the call.
        own(unsafe { OpenEventW(SYNCHRONIZATION_SYNCHRONIZE, 0, name.as_ptr()) })
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

fn own(handle: HANDLE) -> Option<Event> {
    if handle.is_null() {
        return None;
    }
    // SAFETY: it has just been opened, and is ours alone.
    Some(Event(unsafe { OwnedHandle::from_raw_handle(handle) }))
}

fn wide(name: &str) -> Vec<u16> {
    name.encode_utf16().chain([0]).collect()
}
