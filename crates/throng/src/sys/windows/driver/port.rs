//! Mechanism `completion-port`: every finished read is a packet in a queue, which the shard empties
//! sixty-four at a time. Exits and wake-ups are packets that we post ourselves.

use std::collections::VecDeque;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, RtlNtStatusToDosError, WAIT_TIMEOUT};
use windows_sys::Win32::Storage::FileSystem::ReadFile;
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY,
    PostQueuedCompletionStatus,
};

use super::inbox::{self, DriverEvent};
use super::op::{self, Finished, Op, RawRead, Submitted};
use crate::slots::Id;
use crate::sys::windows::pipe::{Pipe, last_code, own};
use crate::sys::windows::wide::timeout_ms;

/// Packets taken by one call.
const BATCH: usize = 64;

/// The key of our pipes: what comes with it is a read of ours. Not a small number, so that a packet
/// that other code posts by mistake is not taken for one.
const KEY_READ: usize = 0x7468_726f_6e67_0001;
const KEY_WAKE: usize = 0x7468_726f_6e67_0002;
const KEY_EXIT: usize = 0x7468_726f_6e67_0003;

/// An exit packet carries its id where others have an address.
const _: () = assert!(
    size_of::<usize>() == size_of::<u64>(),
    "throng needs 64 bits"
);

/// The queue.
#[derive(Debug)]
pub(crate) struct Packets {
    port: OwnedHandle,
    /// A wake-up is in the queue; one is enough.
    is_woken: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Port {
    packets: Arc<Packets>,
    announced: VecDeque<DriverEvent>,
}

impl Packets {
    fn new() -> io::Result<Packets> {
        // SAFETY: with no file and no port it makes a new one; there is nothing else to hold.
        let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 1) };
        Ok(Packets {
            port: own(port)?,
            is_woken: AtomicBool::new(false),
        })
    }

    pub(crate) fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::SeqCst) {
            self.post(KEY_WAKE, 0);
        }
    }

    pub(crate) fn exited(&self, id: Id) {
        self.post(KEY_EXIT, id.to_token(0) as usize);
    }

    fn post(&self, key: usize, value: usize) {
        let port = self.port.as_raw_handle();
        // SAFETY: the port is open as long as `self` is. The value in the place of an address is
        // handed back as it is, and is not followed.
        while unsafe { PostQueuedCompletionStatus(port, 0, key, value as *const _) } == 0 {
            // The system has no memory for a packet just now, and one must not be lost.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Port {
    pub(crate) fn new() -> io::Result<Port> {
        Ok(Port {
            packets: Arc::new(Packets::new()?),
            announced: VecDeque::new(),
        })
    }

    pub(crate) fn packets(&self) -> &Arc<Packets> {
        &self.packets
    }

    /// Has the reads of a pipe announced here.
    pub(crate) fn attach(&self, pipe: &Pipe) -> io::Result<()> {
        let port = self.packets.port.as_raw_handle();
        // SAFETY: both handles are open as long as they are borrowed; the pipe is overlapped, ours
        // alone, and belongs to no other port.
        if unsafe { CreateIoCompletionPort(pipe.raw(), port, KEY_READ, 0) }.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    pub(crate) fn submit(&self, op: Box<Op>) -> Submitted {
        op::submit(op, read_file)
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut entries = [OVERLAPPED_ENTRY::default(); BATCH];
        let mut count = 0;
        let port = self.packets.port.as_raw_handle();
        // SAFETY: the port is open as long as `self` is; the list has the length that is passed,
        // and it and the count are variables of this frame.
        let ok = unsafe {
            GetQueuedCompletionStatusEx(
                port,
                entries.as_mut_ptr(),
                BATCH as u32,
                &mut count,
                timeout_ms(timeout),
                0,
            )
        };
        if ok == 0 {
            return match last_code() {
                WAIT_TIMEOUT => Ok(()),
                code => Err(crate::sys::windows::pipe::from_code(code)),
            };
        }
        for entry in &entries[..count as usize] {
            match entry.lpCompletionKey {
                KEY_READ => {
                    // SAFETY: a packet with this key comes only from a pipe that was attached, all
                    // reads of such a pipe are submitted by `op::submit`, and each read has one
                    // packet.
                    let op = unsafe { op::reclaim(entry.lpOverlapped) };
                    // SAFETY: it translates a number and touches nothing.
                    let code = unsafe { RtlNtStatusToDosError(entry.Internal as i32) };
                    let bytes = entry.dwNumberOfBytesTransferred as usize;
                    self.announced
                        .push_back(DriverEvent::Read(Finished { op, bytes, code }));
                }
                KEY_EXIT => {
                    let (id, _) = Id::from_token(entry.lpOverlapped as u64);
                    self.announced.push_back(DriverEvent::Exited(id));
                }
                KEY_WAKE => self.packets.is_woken.store(false, Ordering::SeqCst),
                _ => {} // That of other code, by mistake.
            }
        }
        inbox::inject_shuffle(&mut self.announced);
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Option<DriverEvent> {
        self.announced.pop_front()
    }

    /// Posts what only a mistake elsewhere would.
    #[cfg(test)]
    pub(crate) fn post_foreign_packet(&self) {
        self.packets.post(77, 0x1234_5678);
    }
}

/// Reads with no place for the number of bytes, as MSDN "ReadFile" demands for overlapped handles.
pub(crate) fn read_file(read: RawRead) -> Result<(), u32> {
    // SAFETY: handle, buffer and OVERLAPPED belong to one `Op` that `op::submit` has just given
    // away; they stay until the read is announced or refused.
    let ok = unsafe {
        ReadFile(
            read.handle,
            read.buffer,
            read.len,
            null_mut(),
            read.overlapped,
        )
    };
    if ok == 0 { Err(last_code()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
