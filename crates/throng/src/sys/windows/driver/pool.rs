//! Mechanism `thread-pool`: the system's thread pool calls back when a read is finished
//! (`CreateThreadpoolIo`), and the callback does one thing: it puts the read into the shard's
//! inbox. No user code runs on the pool's threads.
//!
//! The pool is a private one, as wide as there are cores, shared by all shards. The same pool waits
//! for exits, for this mechanism and for those that cannot wait for handles themselves: `exits.rs`.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::io;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::Threading::{
    CancelThreadpoolIo, CloseThreadpoolIo, CloseThreadpoolTimer, CreateThreadpoolIo,
    CreateThreadpoolTimer, PTP_CALLBACK_INSTANCE, PTP_IO, PTP_TIMER, SetThreadpoolTimer,
    StartThreadpoolIo, WaitForThreadpoolIoCallbacks, WaitForThreadpoolTimerCallbacks,
};

use super::inbox::{self, DriverEvent, Inbox};
use super::op::{self, CompletionTarget, Finished, Op, Submitted};
use super::port::read_file;
use crate::slots::{Id, Table};
use crate::sys::windows::pipe::Pipe;
use crate::sys::windows::thread_pool::ThreadPool;

#[derive(Debug)]
pub(crate) struct Pooled {
    pool: Arc<ThreadPool>,
    inbox: Arc<Inbox>,
    io: Table<[PoolIo; 2]>,
    timer: PoolTimer,
    announced: VecDeque<DriverEvent>,
}

impl Pooled {
    pub(crate) fn new(pool: Arc<ThreadPool>) -> io::Result<Pooled> {
        let inbox = Arc::new(Inbox::new());
        Ok(Pooled {
            timer: PoolTimer::new(pool.clone(), inbox.clone())?,
            pool,
            inbox,
            io: Table::new(),
            announced: VecDeque::new(),
        })
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    pub(crate) fn target(&self) -> CompletionTarget {
        CompletionTarget::Inbox(self.inbox.clone())
    }

    pub(crate) fn attach(&mut self, id: Id, pipes: &[Arc<Pipe>; 2]) -> io::Result<()> {
        let [out, err] = pipes.each_ref();
        let out = PoolIo::new(self.pool.clone(), out.clone())?;
        let err = PoolIo::new(self.pool.clone(), err.clone())?;
        self.io.insert(id, [out, err]);
        Ok(())
    }

    pub(crate) fn forget(&mut self, id: Id) {
        drop(self.io.remove(id));
    }

    pub(crate) fn submit(&mut self, op: Box<Op>) -> Submitted {
        let io = self
            .io
            .get_mut(op.mine.id)
            .expect("its pipes were attached");
        io[op.mine.stream.index()].submit(op)
    }

    pub(crate) fn wake_in(&self, delay: Duration) {
        self.timer.set(delay);
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) {
        self.inbox.collect(&mut self.announced, timeout);
        inbox::inject_shuffle(&mut self.announced);
    }

    pub(crate) fn next(&mut self) -> Option<DriverEvent> {
        self.announced.pop_front()
    }

    /// Keeps what reads in flight need for ever, because they would not end.
    pub(crate) fn leak(&mut self) {
        self.io.drain().for_each(std::mem::forget);
    }
}

/// A pipe whose finished reads the pool announces.
#[derive(Debug)]
struct PoolIo {
    io: PTP_IO,
    _pipe: Arc<Pipe>,
    _pool: Arc<ThreadPool>,
}

impl PoolIo {
    fn new(pool: Arc<ThreadPool>, pipe: Arc<Pipe>) -> io::Result<PoolIo> {
        let environment = pool.environment();
        // SAFETY: the pipe is open as long as the object, which keeps it; it is overlapped and
        // belongs to no port. The pool lives as long as well, and the environment is only read
        // during the call. The callback takes no context.
        let io =
            unsafe { CreateThreadpoolIo(pipe.raw(), Some(on_finished), null_mut(), &environment) };
        if io == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(PoolIo {
            io,
            _pipe: pipe,
            _pool: pool,
        })
    }

    /// The pool is told of every read before it is submitted, and told to forget those that will
    /// not be completed by it; MSDN "CancelThreadpoolIo": otherwise it counts them for ever.
    fn submit(&self, op: Box<Op>) -> Submitted {
        // SAFETY: the object is alive as long as `self`.
        unsafe { StartThreadpoolIo(self.io) };
        let submitted = op::submit(op, read_file);
        if !matches!(submitted, Submitted::InFlight(_)) {
            // SAFETY: as above; no packet will come for the start that it takes back.
            unsafe { CancelThreadpoolIo(self.io) };
        }
        submitted
    }
}

impl Drop for PoolIo {
    /// Its reads have been announced, that is, their callbacks have run but for their last
    /// instruction, which is waited for.
    fn drop(&mut self) {
        // SAFETY: the object is alive, and this is not one of its callbacks.
        unsafe { WaitForThreadpoolIoCallbacks(self.io, 0) };
        // SAFETY: as above, and it is not used again.
        unsafe { CloseThreadpoolIo(self.io) };
    }
}

unsafe extern "system" fn on_finished(
    _: PTP_CALLBACK_INSTANCE,
    _context: *mut c_void,
    overlapped: *mut c_void,
    code: u32,
    bytes: usize,
    _: PTP_IO,
) {
    // SAFETY: the pool calls this once for each read that was submitted to a pipe of a `PoolIo` and
    // is finished, and `PoolIo::submit` is the only place that submits any.
    let op = unsafe { op::reclaim(overlapped.cast::<OVERLAPPED>()) };
    let inbox = op
        .mine
        .inbox()
        .expect("a read for the pool knows its inbox");
    inbox.put(DriverEvent::Read(Finished { op, bytes, code }));
}

/// A timer of the pool that wakes a shard, so that it tries again what was refused.
#[derive(Debug)]
struct PoolTimer {
    timer: PTP_TIMER,
    /// What the callback is given; freed when no callback can come any more.
    inbox: *const Inbox,
    _pool: Arc<ThreadPool>,
}

impl PoolTimer {
    fn new(pool: Arc<ThreadPool>, inbox: Arc<Inbox>) -> io::Result<PoolTimer> {
        let environment = pool.environment();
        let inbox = Arc::into_raw(inbox);
        let context = inbox.cast_mut().cast::<c_void>();
        // SAFETY: the callback takes the context for an inbox, which it is; `drop` frees it after
        // the last callback. The pool lives as long as the timer, which keeps it.
        let timer = unsafe { CreateThreadpoolTimer(Some(on_time), context, &environment) };
        let this = PoolTimer {
            timer,
            inbox,
            _pool: pool,
        };
        if timer == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(this)
    }

    /// Wakes the shard after this time, in place of what was set before.
    fn set(&self, delay: Duration) {
        let units_of_100ns = i64::try_from(delay.as_nanos().div_ceil(100)).unwrap_or(i64::MAX);
        let due = (-units_of_100ns) as u64; // Negative: counted from now.
        let due = FILETIME {
            dwLowDateTime: due as u32,
            dwHighDateTime: (due >> 32) as u32,
        };
        // SAFETY: the timer is alive as long as `self`, and the time is read during the call.
        unsafe { SetThreadpoolTimer(self.timer, &due, 0, 0) };
    }
}

impl Drop for PoolTimer {
    fn drop(&mut self) {
        if self.timer != 0 {
            // 1. Nothing new. SAFETY: the timer is alive; no time stands for none.
            unsafe { SetThreadpoolTimer(self.timer, null(), 0, 0) };
            // 2. Nothing under way. SAFETY: as above, and this is not its callback.
            unsafe { WaitForThreadpoolTimerCallbacks(self.timer, 1) };
            // 3. SAFETY: as above, and it is not used again.
            unsafe { CloseThreadpoolTimer(self.timer) };
        }
        // SAFETY: `new` made the pointer, and no callback has it any more.
        drop(unsafe { Arc::from_raw(self.inbox) });
    }
}

unsafe extern "system" fn on_time(_: PTP_CALLBACK_INSTANCE, context: *mut c_void, _: PTP_TIMER) {
    // SAFETY: `PoolTimer` gives its inbox as the context, and keeps it until the last callback.
    let inbox = unsafe { &*context.cast::<Inbox>() };
    inbox.wake();
}
