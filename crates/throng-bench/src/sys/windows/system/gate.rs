//! A gate that processes wait at until all are there: a semaphore that they count themselves with,
//! and an event that lets all go at once. Both have names, so that nothing has to be inherited.
//!
//! Waiting costs no processor time, and opening is one call however many wait. That is why it is
//! neither a file that is looked for again and again nor a pipe to each process.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{HANDLE, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    CreateEventW, CreateSemaphoreW, OpenEventW, OpenSemaphoreW, ReleaseSemaphore,
    SEMAPHORE_MODIFY_STATE, SYNCHRONIZATION_SYNCHRONIZE, SetEvent, WaitForSingleObject,
};

/// The side of the one who opens the gate.
#[derive(Debug)]
pub(crate) struct Gate {
    arrivals: OwnedHandle,
    go: OwnedHandle,
}

impl Gate {
    /// A closed gate; the name has to be new.
    ///
    /// # Errors
    ///
    /// As the system refuses to make one.
    pub(crate) fn new(name: &str) -> io::Result<Gate> {
        let (arrivals, go) = names(name);
        // SAFETY: the name ends with a NUL, and no attributes means those that are usual.
        let handle = unsafe { CreateSemaphoreW(ptr::null(), 0, i32::MAX, arrivals.as_ptr()) };
        let arrivals = owned(handle)?;
        // SAFETY: as above. It is reset by hand, which nobody does: once open, it stays open.
        let handle = unsafe { CreateEventW(ptr::null(), 1, 0, go.as_ptr()) };
        let go = owned(handle)?;
        Ok(Gate { arrivals, go })
    }

    /// Waits until this many processes are at the gate, or the time is over. Gives how many came.
    ///
    /// # Errors
    ///
    /// As the system refuses to wait.
    pub(crate) fn wait_for(&self, processes: u64, limit: Duration) -> io::Result<u64> {
        let deadline = Instant::now() + limit;
        for arrived in 0..processes {
            let left = deadline.saturating_duration_since(Instant::now());
            if !wait(&self.arrivals, left)? {
                return Ok(arrived);
            }
        }
        Ok(processes)
    }

    /// Lets all go, those that come later too.
    ///
    /// # Errors
    ///
    /// As the system refuses to.
    pub(crate) fn open(&self) -> io::Result<()> {
        // SAFETY: the handle is that of our event, and open.
        match unsafe { SetEvent(self.go.as_raw_handle()) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// The side of the processes: comes to the gate of this name and waits until it is open.
    ///
    /// # Errors
    ///
    /// `TimedOut` when it has not been opened in time; or the system knows no such gate.
    pub(crate) fn pass(name: &str, limit: Duration) -> io::Result<()> {
        let (arrivals, go) = names(name);
        // SAFETY: the name ends with a NUL.
        let handle = unsafe { OpenEventW(SYNCHRONIZATION_SYNCHRONIZE, 0, go.as_ptr()) };
        let go = owned(handle)?;
        // SAFETY: as above.
        let handle = unsafe { OpenSemaphoreW(SEMAPHORE_MODIFY_STATE, 0, arrivals.as_ptr()) };
        let arrivals = owned(handle)?;
        // SAFETY: the handle is open, and nobody wants to know the count before.
        let ok = unsafe { ReleaseSemaphore(arrivals.as_raw_handle(), 1, ptr::null_mut()) };
        if ok == 0 {
            return Err(io::Error::last_os_error());
        }
        if wait(&go, limit)? {
            Ok(())
        } else {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
}

fn names(name: &str) -> (Vec<u16>, Vec<u16>) {
    let wide = |name: String| OsStr::new(&name).encode_wide().chain([0]).collect();
    let arrivals = format!("Local\\{name}-arrivals");
    (wide(arrivals), wide(format!("Local\\{name}-go")))
}

/// Whether it was signaled in time.
fn wait(object: &OwnedHandle, limit: Duration) -> io::Result<bool> {
    let limit_ms = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX - 1);
    // SAFETY: the handle is open.
    match unsafe { WaitForSingleObject(object.as_raw_handle(), limit_ms) } {
        WAIT_OBJECT_0 => Ok(true),
        WAIT_FAILED => Err(io::Error::last_os_error()),
        _ => Ok(false),
    }
}

/// Owns what a call has made, unless it says with NULL that it has made nothing.
fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller has just made it and keeps no copy.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

#[cfg(test)]
mod tests {
    use std::{process, thread};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn all_who_wait_are_counted_and_go_together() {
        let name = format!("throng-bench-test-{}", process::id());
        let gate = Gate::new(&name).expect("the name is new");
        thread::scope(|scope| {
            let waiters = [(), ()].map(|()| scope.spawn(|| Gate::pass(&name, LONG)));
            assert_eq!(gate.wait_for(2, LONG).expect("waiting works"), 2);
            assert_eq!(gate.wait_for(1, Duration::ZERO).expect("as above"), 0);
            gate.open().expect("it is ours");
            for waiter in waiters {
                waiter.join().expect("no panic").expect("it was opened");
            }
        });
        Gate::pass(&name, Duration::ZERO).expect("it stays open");
    }
}
