//! Mechanism `apc`: `ReadFileEx` names a function, and the kernel has it called on the thread that
//! issued the read, while that thread waits alertably.
//!
//! So a read belongs to its shard's thread, which is the only one to submit any, and which does not
//! end before they have. The function puts the read into the shard's inbox and does nothing else: a
//! user's callback that waits alertably itself may have it called, and nothing comes of that.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::os::windows::io::BorrowedHandle;
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Storage::FileSystem::ReadFileEx;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::Threading::{GetCurrentThread, SleepEx};

use super::inbox::{self, DriverEvent, Inbox};
use super::op::{self, CompletionTarget, Finished, Op, RawRead, Submitted};
use crate::sys::windows::pipe::last_code;
use crate::sys::windows::wide::timeout_ms;

#[derive(Debug)]
pub(crate) struct Apc {
    inbox: Arc<Inbox>,
    announced: VecDeque<DriverEvent>,
    /// It stays on the thread that made it.
    _not_send: PhantomData<*const ()>,
}

impl Apc {
    /// For the thread that calls this.
    pub(crate) fn new() -> io::Result<Apc> {
        // SAFETY: it takes nothing, and its result stands for the current thread.
        let thread = unsafe { GetCurrentThread() };
        // SAFETY: the pseudo handle is good for as long as the thread runs, so for this call.
        let thread = unsafe { BorrowedHandle::borrow_raw(thread) };
        // What other threads can use is a duplicate.
        let thread = thread.try_clone_to_owned()?;
        Ok(Apc {
            inbox: Arc::new(Inbox::of_alertable(thread)),
            announced: VecDeque::new(),
            _not_send: PhantomData,
        })
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    pub(crate) fn target(&self) -> CompletionTarget {
        CompletionTarget::Inbox(self.inbox.clone())
    }

    pub(crate) fn submit(&self, op: Box<Op>) -> Submitted {
        op::submit(op, read_file_ex)
    }

    /// An APC that came before the sleep ends it at once, and one that wakes for nothing costs a
    /// turn.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) {
        let is_ready = self.inbox.take(&mut self.announced);
        let timeout = if is_ready {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        // SAFETY: what may be called meanwhile are `on_finished`, of this mechanism's own reads,
        // and APCs of others, which are their concern.
        unsafe { SleepEx(timeout_ms(timeout), 1) };
        self.inbox.take(&mut self.announced);
        inbox::inject_shuffle(&mut self.announced);
    }

    pub(crate) fn next(&mut self) -> Option<DriverEvent> {
        self.announced.pop_front()
    }
}

fn read_file_ex(read: RawRead) -> Result<(), u32> {
    // SAFETY: handle, buffer and OVERLAPPED belong to one `Op` that `op::submit` has just given
    // away; they stay until the read is announced or refused. The handle belongs to no port.
    let ok = unsafe {
        ReadFileEx(
            read.handle,
            read.buffer,
            read.len,
            read.overlapped,
            Some(on_finished),
        )
    };
    if ok == 0 { Err(last_code()) } else { Ok(()) }
}

unsafe extern "system" fn on_finished(code: u32, bytes: u32, overlapped: *mut OVERLAPPED) {
    // SAFETY: the system calls this once for each read that `read_file_ex` has submitted and that
    // is finished, and `op::submit` is the only caller of that.
    let op = unsafe { op::reclaim(overlapped) };
    let inbox = op
        .mine
        .inbox()
        .expect("a read of this mechanism knows its inbox");
    inbox.push(DriverEvent::Read(Finished {
        op,
        bytes: bytes as usize,
        code,
    }));
}
