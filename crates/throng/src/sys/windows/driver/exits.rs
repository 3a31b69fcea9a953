//! Notices that processes have ended: `CreateThreadpoolWait` on the process's handle. A process
//! handle stays signalled, and the system reports that once.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};
use std::sync::Arc;

use windows_sys::Win32::System::Threading::{
    CloseThreadpoolWait, CreateThreadpoolWait, PTP_CALLBACK_INSTANCE, PTP_WAIT, SetThreadpoolWait,
    WaitForThreadpoolWaitCallbacks,
};

use super::inbox::DriverEvent;
use super::waker::Announce;
use crate::slots::Id;
use crate::sys::windows::thread_pool::ThreadPool;

/// A wait for the end of one process, made before there is a process, so that it cannot fail after.
#[derive(Debug)]
pub(crate) struct ExitWait {
    wait: PTP_WAIT,
    /// What the callback is given; freed when no callback can come any more.
    context: *mut Context,
    process: Option<Arc<OwnedHandle>>,
    _pool: Arc<ThreadPool>,
}

#[derive(Debug)]
struct Context {
    id: Id,
    announce: Announce,
}

impl ExitWait {
    pub(crate) fn new(pool: Arc<ThreadPool>, id: Id, announce: Announce) -> io::Result<ExitWait> {
        let environment = pool.environment();
        let context = Box::into_raw(Box::new(Context { id, announce }));
        // SAFETY: the callback takes its context for what this is, and `drop` frees it after the
        // last callback. The pool lives as long as the wait, which keeps it.
        let wait = unsafe { CreateThreadpoolWait(Some(on_exit), context.cast(), &environment) };
        let this = ExitWait {
            wait,
            context,
            process: None,
            _pool: pool,
        };
        if wait == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(this)
    }

    /// Begins to wait for this process.
    pub(crate) fn begin(&mut self, process: Arc<OwnedHandle>) {
        // SAFETY: the wait is alive as long as `self`; the handle is open as long as well, since it
        // is kept here. No time stands for no limit.
        unsafe { SetThreadpoolWait(self.wait, process.as_raw_handle(), null()) };
        self.process = Some(process);
    }
}

impl Drop for ExitWait {
    fn drop(&mut self) {
        if self.wait != 0 {
            // 1. Nothing new. SAFETY: the wait is alive; no handle stands for none.
            unsafe { SetThreadpoolWait(self.wait, null_mut(), null()) };
            // 2. Nothing under way. SAFETY: as above, and this is not its callback.
            unsafe { WaitForThreadpoolWaitCallbacks(self.wait, 1) };
            // 3. SAFETY: as above, and it is not used again.
            unsafe { CloseThreadpoolWait(self.wait) };
        }
        // SAFETY: `new` made the pointer from a box, and no callback has it any more.
        drop(unsafe { Box::from_raw(self.context) });
    }
}

unsafe extern "system" fn on_exit(
    _: PTP_CALLBACK_INSTANCE,
    context: *mut c_void,
    _: PTP_WAIT,
    _result: u32,
) {
    // SAFETY: `ExitWait` gives its context, and keeps it until the last callback.
    let context = unsafe { &*context.cast::<Context>() };
    match &context.announce {
        Announce::Port(packets) => packets.exited(context.id),
        Announce::Inbox(inbox) => inbox.put(DriverEvent::Exited(context.id)),
    }
}
