//! The system's thread pool: a private one, as wide as there are cores, shared by all shards.

use std::io;
use std::ptr::null;

use windows_sys::Win32::System::Threading::{
    CloseThreadpool, CreateThreadpool, PTP_POOL, SetThreadpoolThreadMaximum,
    TP_CALLBACK_ENVIRON_V3, TP_CALLBACK_PRIORITY_NORMAL,
};

/// A private pool of the system.
#[derive(Debug)]
pub(crate) struct ThreadPool(PTP_POOL);

// SAFETY: the system's pool may be used from any thread, and has no owner among them.
unsafe impl Send for ThreadPool {}
// SAFETY: as above.
unsafe impl Sync for ThreadPool {}

impl ThreadPool {
    pub(crate) fn new(threads: usize) -> io::Result<ThreadPool> {
        // SAFETY: it takes nothing but a reserved null.
        let pool = unsafe { CreateThreadpool(null()) };
        if pool == 0 {
            return Err(io::Error::last_os_error());
        }
        let most = u32::try_from(threads).unwrap_or(u32::MAX);
        // SAFETY: the pool was made a moment ago.
        unsafe { SetThreadpoolThreadMaximum(pool, most) };
        Ok(ThreadPool(pool))
    }

    /// What the calls that make an object of this pool take.
    pub(crate) fn environment(&self) -> TP_CALLBACK_ENVIRON_V3 {
        TP_CALLBACK_ENVIRON_V3 {
            Version: 3,
            Pool: self.0,
            CallbackPriority: TP_CALLBACK_PRIORITY_NORMAL,
            Size: size_of::<TP_CALLBACK_ENVIRON_V3>() as u32,
            ..TP_CALLBACK_ENVIRON_V3::default()
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        // SAFETY: everything made of it keeps it alive, so nothing of it is in use any more.
        unsafe { CloseThreadpool(self.0) };
    }
}
