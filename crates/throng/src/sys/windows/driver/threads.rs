//! Mechanism `threads`: two blocking threads for each process, the baseline that the others are
//! measured against.
//!
//! Each waits in a synchronous read. The system does everything on such a handle one after the
//! other, so no other code may touch it meanwhile: a thread that is to stop has its read cancelled
//! (`CancelSynchronousIo`), which finds nothing to cancel while it is between two reads; so that is
//! repeated until the thread has seen it.

use std::collections::VecDeque;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_OPERATION_ABORTED;
use windows_sys::Win32::Storage::FileSystem::ReadFile;
use windows_sys::Win32::System::IO::CancelSynchronousIo;

use super::inbox::{DriverEvent, Inbox};
use super::retries::ReadBackoff;
use crate::model::stream::Stream;
use crate::slots::{Id, Table};
use crate::sys::api::End;
use crate::sys::base::windows::codes::{ReadFate, read_fate};
use crate::sys::unread::Unread;
use crate::sys::windows::pipe::{Pipe, from_code, last_code};
use std::time::Instant;

const STACK_SIZE: usize = 64 * 1024;
const READ_SIZE: usize = 64 * 1024;

/// How much may wait in the inbox before readers do.
const INBOX_BYTES: usize = 16 * READ_SIZE;

/// How often a read that could not be cancelled is cancelled again.
const CANCEL_AGAIN: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Threads {
    inbox: Arc<Inbox>,
    allowance: Arc<Allowance>,
    readers: Table<[Reader; 2]>,
    /// Readers that were asked to stop and have not reported that they have.
    stopping: Vec<(Id, Stream)>,
    announced: VecDeque<DriverEvent>,
    unread: Unread<DriverEvent>,
}

#[derive(Debug)]
struct Reader {
    is_stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Capacity in the inbox.
#[derive(Debug, Default)]
struct Allowance {
    bytes: AtomicUsize,
    lock: Mutex<()>,
    freed: Condvar,
}

impl Threads {
    pub(crate) fn new() -> Threads {
        Threads {
            inbox: Arc::new(Inbox::new()),
            allowance: Arc::default(),
            readers: Table::new(),
            stopping: Vec::new(),
            announced: VecDeque::new(),
            unread: Unread::new(),
        }
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Begins to read, before there is a process: the threads are what may be refused.
    pub(crate) fn attach(&mut self, id: Id, pipes: &[Arc<Pipe>; 2]) -> io::Result<()> {
        let out = self.start_reader(id, Stream::Stdout, &pipes[0])?;
        // If this is refused, the first reader ends when the other end of its pipe is closed here:
        // no process has it.
        let err = self.start_reader(id, Stream::Stderr, &pipes[1])?;
        self.readers.insert(id, [out, err]);
        Ok(())
    }

    fn start_reader(&self, id: Id, stream: Stream, pipe: &Arc<Pipe>) -> io::Result<Reader> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let reading = Reading {
            id,
            stream,
            pipe: pipe.clone(),
            is_stopping: is_stopping.clone(),
            inbox: self.inbox.clone(),
            allowance: self.allowance.clone(),
        };
        let thread = thread::Builder::new()
            .name("throng-reader".into())
            .stack_size(STACK_SIZE)
            .spawn(move || reading.run())?;
        Ok(Reader {
            is_stopping,
            thread,
        })
    }

    pub(crate) fn release(&mut self, id: Id, stream: Stream) {
        if let Some(readers) = self.readers.get_mut(id) {
            let reader = &readers[stream.index()];
            reader.is_stopping.store(true, Ordering::SeqCst);
            reader.cancel();
            self.stopping.push((id, stream));
            self.allowance.look_again();
        }
        self.unread.release((id, stream), &mut self.announced);
    }

    /// Whether announced of bytes are kept.
    pub(crate) fn set_paused(&mut self, is_paused: bool) {
        self.unread.set_paused(is_paused, &mut self.announced);
    }

    /// The stream of an event that is not given out now: bytes, or what comes after those.
    fn unread_stream(&mut self, event: &DriverEvent) -> Option<(Id, Stream)> {
        let (id, stream) = event.stream()?;
        let reader = self.readers.get_mut(id).map(|both| &both[stream.index()]);
        let is_stopping = reader.is_some_and(|it| it.is_stopping.load(Ordering::SeqCst));
        let has_bytes = matches!(event, DriverEvent::Bytes(..));
        let is_unread = !is_stopping && self.unread.is_for_later((id, stream), has_bytes);
        is_unread.then_some((id, stream))
    }

    pub(crate) fn forget(&mut self, id: Id) {
        // Both have announced their end, which is the last thing they do; or there is no process,
        // and no process has the other ends of their pipes.
        for reader in self.readers.remove(id).into_iter().flatten() {
            let _ = reader.thread.join();
        }
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) {
        if !self.inbox.take(&mut self.announced) && self.announced.is_empty() {
            let timeout = if self.cancel_again() {
                Some(timeout.map_or(CANCEL_AGAIN, |timeout| timeout.min(CANCEL_AGAIN)))
            } else {
                timeout
            };
            self.inbox.wait(timeout);
            self.inbox.take(&mut self.announced);
        }
    }

    /// Returns whether there are readers that have not stopped yet.
    fn cancel_again(&mut self) -> bool {
        let readers = &mut self.readers;
        self.stopping.retain(|(id, stream)| {
            let Some(readers) = readers.get_mut(*id) else {
                return false;
            };
            let reader = &readers[stream.index()];
            reader.cancel();
            !reader.thread.is_finished()
        });
        !self.stopping.is_empty()
    }

    pub(crate) fn next(&mut self) -> Option<DriverEvent> {
        let event = loop {
            let event = self.announced.pop_front()?;
            let Some(stream) = self.unread_stream(&event) else {
                break event;
            };
            self.unread.keep(stream, event);
        };
        if let DriverEvent::Bytes(_, _, bytes) = &event {
            self.allowance.give_back(bytes.len());
        }
        Some(event)
    }
}

impl Drop for Threads {
    /// Something is left only when the shard panics. Readers that wait for room get it.
    fn drop(&mut self) {
        for (_, readers) in self.readers.drain() {
            for reader in readers {
                reader.is_stopping.store(true, Ordering::SeqCst);
                reader.cancel();
            }
        }
        self.allowance
            .give_back(self.allowance.bytes.load(Ordering::SeqCst));
    }
}

impl Reader {
    /// Ends the read that the thread is in, if it is in one.
    fn cancel(&self) {
        // SAFETY: the thread's handle is open as long as `self`. The thread waits in nothing but
        // reads of its pipe, so nothing else is hit.
        unsafe { CancelSynchronousIo(self.thread.as_raw_handle()) };
    }
}

impl Allowance {
    /// Waits for room, unless the reader is to stop: what it still announces is bounded then.
    fn take(&self, bytes: usize, is_stopping: &AtomicBool) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_stopping.load(Ordering::SeqCst)
            && self.bytes.load(Ordering::SeqCst) >= INBOX_BYTES
        {
            guard = self
                .freed
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        self.look_again();
    }

    /// Has the readers that wait for room look whether they still have to.
    fn look_again(&self) {
        // Under the lock, so that a reader is either before its look or waiting.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.freed.notify_all();
    }
}

/// What a reader does, on its thread.
struct Reading {
    id: Id,
    stream: Stream,
    pipe: Arc<Pipe>,
    is_stopping: Arc<AtomicBool>,
    inbox: Arc<Inbox>,
    allowance: Arc<Allowance>,
}

impl Reading {
    fn run(self) {
        let mut buffer = vec![0; READ_SIZE].into_boxed_slice();
        let mut tries = ReadBackoff::default();
        let end = loop {
            if self.is_stopping.load(Ordering::SeqCst) {
                break self.drain(&mut buffer);
            }
            match self.read(&mut buffer) {
                Ok(0) => {} // A write of nothing.
                Ok(count) => {
                    tries = ReadBackoff::default();
                    self.put(&buffer[..count]);
                }
                Err(code) => match read_fate(code) {
                    ReadFate::Eof => break End::Eof,
                    ReadFate::More => {}
                    ReadFate::Exhausted => match tries.next_wait(Instant::now(), 0) {
                        Some(wait) => thread::sleep(wait),
                        None => break End::Failed(from_code(code)),
                    },
                    ReadFate::Aborted if self.is_stopping.load(Ordering::SeqCst) => {}
                    ReadFate::Aborted if !tries.rearmed => tries.rearmed = true,
                    ReadFate::Aborted | ReadFate::Fatal => break End::Failed(from_code(code)),
                },
            }
        };
        let end = DriverEvent::End(self.id, self.stream, end);
        self.inbox.put(end);
    }

    /// Reads what is in the pipe now, and no more. Nothing of this waits, but it may be cancelled
    /// all the same: the last request to cancel may have come late.
    fn drain(&self, buffer: &mut [u8]) -> End {
        let mut left = None;
        loop {
            let waiting = match self.pipe.bytes_waiting() {
                Ok(waiting) => u64::from(waiting),
                Err(ERROR_OPERATION_ABORTED) => continue,
                Err(code) => return end_of_drain(code),
            };
            let most = waiting.min(*left.get_or_insert(waiting)) as usize;
            if most == 0 {
                return End::Released;
            }
            let most = most.min(buffer.len());
            match self.read(&mut buffer[..most]) {
                Ok(count) => {
                    left = left.map(|left| left - count as u64);
                    self.put(&buffer[..count]);
                }
                Err(ERROR_OPERATION_ABORTED) => {}
                Err(code) => return end_of_drain(code),
            }
        }
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize, u32> {
        let mut count = 0;
        let len = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        // SAFETY: the handle is open as long as `self`, and synchronous: when the call returns, the
        // system is done with the buffer and the count.
        let ok = unsafe {
            ReadFile(
                self.pipe.raw(),
                buffer.as_mut_ptr(),
                len,
                &mut count,
                null_mut(),
            )
        };
        if ok == 0 {
            Err(last_code())
        } else {
            Ok(count as usize)
        }
    }

    fn put(&self, bytes: &[u8]) {
        self.allowance.take(bytes.len(), &self.is_stopping);
        let event = DriverEvent::Bytes(self.id, self.stream, bytes.to_vec());
        self.inbox.put(event);
    }
}

fn end_of_drain(code: u32) -> End {
    match read_fate(code) {
        ReadFate::Eof => End::Eof,
        _ => End::Failed(from_code(code)),
    }
}
