//! A read of a pipe as the kernel takes it: an `OVERLAPPED` and a buffer, in a block that is lent
//! to it, see `sys/lend.rs`.

use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::Arc;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_MORE_DATA, HANDLE};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::inbox::Inbox;
use super::retries::ReadBackoff;
use crate::model::stream::Stream;
use crate::slots::Id;
use crate::sys::faults::{self, Point};
use crate::sys::lend::{Answer, Block, Control, Lent, lend, take_back};
use crate::sys::windows::pipe::Pipe;

/// A read that is not in flight.
pub(crate) type Op = Block<OVERLAPPED, Read>;

// SAFETY: the pointers in it are for the kernel, which follows them between `submit` and `reclaim`.
unsafe impl Control for OVERLAPPED {}

/// Which stream is read, and how.
pub(crate) struct Read {
    pub(crate) id: Id,
    pub(crate) stream: Stream,
    /// Keeps the handle open as long as the kernel reads from it.
    pipe: Arc<Pipe>,
    pub(crate) tries: ReadBackoff,
    /// How it is announced, for mechanisms that need to be told.
    target: CompletionTarget,
}

/// What announces that a read is finished.
pub(crate) enum CompletionTarget {
    /// The port that the handle belongs to.
    Port,
    /// A callback, which puts it here.
    Inbox(Arc<Inbox>),
    /// This event.
    Event(Arc<OwnedHandle>),
}

/// What became of a read that was to be submitted.
pub(crate) enum Submitted {
    /// The kernel has it, and its end will be announced.
    InFlight(Pending),
    /// It is finished, and nothing will be announced: only where that was arranged.
    Done(Finished),
    /// It was refused, and nothing will be announced.
    Failed(Finished),
}

/// A finished read.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(in crate::sys::windows) op: Box<Op>,
    /// Bytes that were read, even where there is a code as well.
    pub(crate) bytes: usize,
    /// 0, or why it failed.
    pub(crate) code: u32,
}

impl Finished {
    /// As if it had been read that there is nothing.
    pub(in crate::sys::windows) fn nothing_left(op: Box<Op>) -> Finished {
        Finished {
            op,
            bytes: 0,
            code: 0,
        }
    }
}

/// The address of a read in flight, for a mechanism that gets no address.
#[derive(Debug)]
pub(crate) struct Pending(*mut OVERLAPPED);

/// What `ReadFile` and `ReadFileEx` take. The pointers are good until the read is finished.
pub(crate) struct RawRead {
    pub(crate) handle: HANDLE,
    pub(crate) buffer: *mut u8,
    pub(crate) len: u32,
    pub(crate) overlapped: *mut OVERLAPPED,
}

/// A read of this stream, to be submitted.
pub(crate) fn read(id: Id, stream: Stream, pipe: Arc<Pipe>, target: CompletionTarget) -> Box<Op> {
    Block::new(Read {
        id,
        stream,
        pipe,
        tries: ReadBackoff::default(),
        target,
    })
}

impl Read {
    /// The inbox that it is announced to.
    pub(crate) fn inbox(&self) -> Option<Arc<Inbox>> {
        match &self.target {
            CompletionTarget::Inbox(inbox) => Some(inbox.clone()),
            CompletionTarget::Port | CompletionTarget::Event(_) => None,
        }
    }
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Op")
            .field("id", &self.mine.id)
            .field("stream", &self.mine.stream)
            .finish_non_exhaustive()
    }
}

/// Gives a read to the kernel by this call, which answers as `ReadFile` does: success, or the
/// error code.
pub(crate) fn submit(mut op: Box<Op>, read: impl FnOnce(RawRead) -> Result<(), u32>) -> Submitted {
    if let Some(code) = faults::code(Point::Read) {
        return Submitted::Failed(Finished { op, bytes: 0, code });
    }
    *op.control_mut() = OVERLAPPED::default();
    if let CompletionTarget::Event(event) = &op.mine.target {
        op.control_mut().hEvent = event.as_raw_handle();
    }
    let handle = op.mine.pipe.raw();
    let skips_packet = op.mine.pipe.skips_packets();
    let lent = lend(op, |raw| {
        let result = read(RawRead {
            handle,
            buffer: raw.buffer,
            len: u32::try_from(raw.len).unwrap_or(u32::MAX),
            overlapped: raw.control,
        });
        match result {
            Ok(()) if skips_packet => Answer::Done,
            // ERROR_MORE_DATA is a warning: the system announces such a read like a success.
            Ok(()) | Err(ERROR_IO_PENDING | ERROR_MORE_DATA) => Answer::Accepted,
            Err(code) => Answer::Refused(code),
        }
    });
    match lent {
        Lent::Away(overlapped) => Submitted::InFlight(Pending(overlapped)),
        Lent::Done(op) => {
            let bytes = op.control().InternalHigh;
            Submitted::Done(Finished { op, bytes, code: 0 })
        }
        Lent::Refused(op, code) => Submitted::Failed(Finished { op, bytes: 0, code }),
    }
}

/// Takes a read back from the kernel.
///
/// # Safety
///
/// The pointer is one that [`submit`] gave to the kernel, the kernel has announced that this read
/// is finished, and it has not been reclaimed since.
pub(crate) unsafe fn reclaim(overlapped: *mut OVERLAPPED) -> Box<Op> {
    // SAFETY: `submit` lends nothing but blocks of this type; the rest is the caller's promise.
    unsafe { take_back(overlapped) }
}

impl Pending {
    pub(crate) fn address(&self) -> *mut OVERLAPPED {
        self.0
    }

    /// The same address, for a table of what is in flight.
    pub(crate) fn copy(&self) -> Pending {
        Pending(self.0)
    }
}
