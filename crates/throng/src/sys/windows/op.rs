//! A read in flight, and who owns it: us before it is submitted and after it is reclaimed, the
//! kernel in between.
//!
//! Everything that the kernel may touch is in one heap block: the `OVERLAPPED`, the buffer, and
//! the pipe that keeps the handle open. [`submit`] gives the block away and [`reclaim`] takes it
//! back; they are the only two places that do, so while the kernel has it nothing else can reach
//! it, let alone free it.

use std::mem::offset_of;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::Arc;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_MORE_DATA, HANDLE};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::faults::{self, Point};
use super::inbox::Inbox;
use super::pipe::Pipe;
use super::retries::ReadTries;
use crate::Stream;
use crate::slots::Id;

/// A quiet process holds two of these; little programs say less than this.
const FIRST_BUFFER: usize = 4 * 1024;

/// For a stream that has filled its buffer once: as much as its pipe holds.
const FULL_BUFFER: usize = 64 * 1024;

/// A read: of which stream, into what.
#[repr(C)]
pub(super) struct Op {
    overlapped: OVERLAPPED,
    pub(super) id: Id,
    pub(super) stream: Stream,
    pipe: Arc<Pipe>,
    buffer: Box<[u8]>,
    /// The most that the next read may take.
    at_most: usize,
    /// How much of the buffer was read.
    filled: usize,
    pub(super) tries: ReadTries,
    /// How it is announced, for mechanisms that need to be told.
    via: Via,
}

/// The kernel hands back the address of the `OVERLAPPED`; it must be that of the whole.
const _: () = assert!(offset_of!(Op, overlapped) == 0);

/// What announces that a read is finished.
pub(super) enum Via {
    /// The port that the handle belongs to.
    Port,
    /// A callback, which puts it here.
    Inbox(Arc<Inbox>),
    /// This event.
    Event(Arc<OwnedHandle>),
}

/// What became of a read that was to be submitted.
pub(super) enum Submitted {
    /// The kernel has it, and its end will be announced.
    InFlight(Pending),
    /// It is finished, and nothing will be announced: only where that was arranged.
    Done(Finished),
    /// It was refused, and nothing will be announced.
    Failed(Finished),
}

/// A finished read.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) op: Box<Op>,
    /// Bytes that were read, even where there is a code as well.
    pub(super) bytes: usize,
    /// 0, or why it failed.
    pub(super) code: u32,
}

impl Finished {
    /// As if it had been read that there is nothing.
    pub(super) fn nothing_left(op: Box<Op>) -> Finished {
        Finished {
            op,
            bytes: 0,
            code: 0,
        }
    }
}

/// The address of a read in flight, for a mechanism that is told no address.
#[derive(Debug)]
pub(super) struct Pending(*mut OVERLAPPED);

/// What `ReadFile` and `ReadFileEx` want to know. The pointers are good until the read is finished.
pub(super) struct RawRead {
    pub(super) handle: HANDLE,
    pub(super) buffer: *mut u8,
    pub(super) len: u32,
    pub(super) overlapped: *mut OVERLAPPED,
}

// SAFETY: what keeps it from being `Send` by itself are the pointers in `OVERLAPPED`. Only the
// kernel follows them, only between `submit` and `reclaim`, and it does so from any thread.
unsafe impl Send for Op {}

impl Op {
    pub(super) fn new(id: Id, stream: Stream, pipe: Arc<Pipe>, via: Via) -> Box<Op> {
        Box::new(Op {
            overlapped: OVERLAPPED::default(),
            id,
            stream,
            pipe,
            buffer: vec![0; FIRST_BUFFER].into_boxed_slice(),
            at_most: FIRST_BUFFER,
            filled: 0,
            tries: ReadTries::default(),
            via,
        })
    }

    /// What was read last.
    pub(super) fn output(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// The inbox that it is announced to.
    pub(super) fn inbox(&self) -> Option<Arc<Inbox>> {
        match &self.via {
            Via::Inbox(inbox) => Some(inbox.clone()),
            Via::Port | Via::Event(_) => None,
        }
    }

    /// Keeps this many bytes of what was read as the output, and makes room for more next time if
    /// that was all there was room for.
    pub(super) fn keep(&mut self, bytes: usize) {
        self.filled = bytes.min(self.buffer.len());
    }

    /// Lets the next read take this much, and gives it the room if the last one lacked it.
    pub(super) fn limit(&mut self, at_most: u64) {
        if self.filled == self.buffer.len() && self.buffer.len() < FULL_BUFFER {
            self.buffer = vec![0; FULL_BUFFER].into_boxed_slice();
        }
        self.filled = 0;
        self.at_most = usize::try_from(at_most)
            .map_or(self.buffer.len(), |most| most.clamp(1, self.buffer.len()));
    }
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Op")
            .field("id", &self.id)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// Gives a read to the kernel by this call, which answers as `ReadFile` does: success, or the
/// error code.
pub(super) fn submit(mut op: Box<Op>, read: impl FnOnce(RawRead) -> Result<(), u32>) -> Submitted {
    if let Some(code) = faults::take(Point::Read) {
        return Submitted::Failed(Finished { op, bytes: 0, code });
    }
    op.overlapped = OVERLAPPED::default();
    if let Via::Event(event) = &op.via {
        op.overlapped.hEvent = event.as_raw_handle();
    }
    let handle = op.pipe.raw();
    let skips_packet = op.pipe.skips_packets();
    let len = u32::try_from(op.at_most).unwrap_or(u32::MAX);

    let owned_by_kernel: *mut Op = Box::into_raw(op);
    // SAFETY: the pointer comes from a box a line above, and nobody else has it yet. The buffer is
    // a heap block of its own: its address stays when this borrow ends.
    let buffer = unsafe { (*owned_by_kernel).buffer.as_mut_ptr() };
    let overlapped: *mut OVERLAPPED = owned_by_kernel.cast();
    let result = read(RawRead {
        handle,
        buffer,
        len,
        overlapped,
    });
    match result {
        Ok(()) if skips_packet => {
            // SAFETY: it was submitted here, it has succeeded, and success is not announced.
            let op = unsafe { reclaim(overlapped) };
            let bytes = op.overlapped.InternalHigh;
            Submitted::Done(Finished { op, bytes, code: 0 })
        }
        // ERROR_MORE_DATA is a warning: the system announces such a read like a success.
        Ok(()) | Err(ERROR_IO_PENDING | ERROR_MORE_DATA) => {
            Submitted::InFlight(Pending(overlapped))
        }
        Err(code) => {
            // SAFETY: it was submitted here, and of a read that is refused nothing is announced.
            let op = unsafe { reclaim(overlapped) };
            Submitted::Failed(Finished { op, bytes: 0, code })
        }
    }
}

/// Takes a read back from the kernel.
///
/// # Safety
///
/// The pointer is one that [`submit`] gave to the kernel, the kernel has announced that this read
/// is finished, and it has not been reclaimed since.
pub(super) unsafe fn reclaim(overlapped: *mut OVERLAPPED) -> Box<Op> {
    // SAFETY: `submit` made the pointer from a `Box<Op>` whose first field this is, so it is good
    // for the whole `Op`; by the caller's promise nobody else has it any more.
    unsafe { Box::from_raw(overlapped.cast::<Op>()) }
}

impl Pending {
    pub(super) fn address(&self) -> *mut OVERLAPPED {
        self.0
    }

    /// The same address, for a table of what is in flight.
    pub(super) fn copy(&self) -> Pending {
        Pending(self.0)
    }
}
