//! Completion: the kernel reads, and reports what it has read.
//!
//! Invariant: what has been pushed is owned by the kernel until its completion, whatever happens
//! in between. Nothing in flight points to memory of a process's: buffers are the ring's, see
//! `uring/buffers.rs`. `in_flight` counts, and the ring is not dropped before it is zero.

mod buffers;

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use self::buffers::{Buffers, GROUP};
use super::reader::{READ_SIZE, Read, Reader};
use crate::model::stream::Stream;
use crate::slots::{Id, Table};
use crate::sys::api::End;
use crate::sys::faults::{self, Fault, Point};
use crate::sys::linux::child::Child;
use crate::sys::linux::driver::event::{
    DriverEvent, TAG_CANCEL, TAG_EXIT, TAG_STDERR, TAG_STDOUT, TAG_WAKE, tag,
};
use crate::sys::linux::pipe::Pipe;
use crate::sys::linux::pipe::{bytes_waiting, unblock};
use crate::sys::linux::waker::Waker;

const QUEUE: u32 = 256;

/// How many times in a row the kernel may refuse to take what was pushed, for lack of memory or
/// because too much is finished. After the first it is given some time.
const REFUSALS_MAX: u32 = 200;
const REFUSAL_PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct Uring {
    ring: ManuallyDrop<IoUring>,
    buffers: ManuallyDrop<Buffers>,
    in_flight: usize,
    waker: Waker,
    ready: VecDeque<Ready>,
    is_paused: bool,
    /// Finished reads that are announced when reading is resumed. They keep their buffers, so what
    /// is read meanwhile is bounded by those.
    unread: Vec<Ready>,
    /// Released streams whose read in flight was asked to end.
    stopping: Vec<(Id, Stream)>,
    output: Output,
    reader: Reader,
}

#[derive(Clone, Copy, Debug)]
enum Ready {
    Completed {
        token: u64,
        result: i32,
        buffer: Option<u16>,
    },
    Drain {
        id: Id,
        stream: Stream,
        left: u64,
    },
}

/// Where the bytes of the last event are.
#[derive(Clone, Copy, Debug)]
enum Output {
    None,
    Buffer { id: u16, len: usize },
    Reader,
}

/// Whether this machine lets us, or why not.
pub(crate) fn probe() -> Result<(), String> {
    let ring = match build() {
        Ok(ring) => ring,
        Err(error) => return Err(explain(&error)),
    };
    let buffers = Buffers::new(&ring.submitter());
    // The ring is dropped first: it refers to the buffers.
    drop(ring);
    match buffers {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("buffer rings need Linux 5.19 ({error})")),
    }
}

fn build() -> io::Result<IoUring> {
    let best = IoUring::builder()
        .setup_clamp()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .build(QUEUE);
    // Both flags are newer than what we need (6.0 and 6.1), and only make it cheaper.
    best.or_else(|_| IoUring::builder().setup_clamp().build(QUEUE))
}

fn explain(error: &io::Error) -> String {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    match (error.raw_os_error(), disabled.as_deref().map(str::trim)) {
        (Some(libc::ENOSYS), _) => {
            "the kernel has no io_uring (Linux 5.1), or a sandbox hides it".into()
        }
        (Some(libc::EPERM), Ok("1" | "2")) => {
            "io_uring is disabled by the setting kernel.io_uring_disabled".into()
        }
        (Some(libc::EPERM), _) => {
            "a sandbox forbids io_uring (seccomp, as containers have it)".into()
        }
        _ => format!("io_uring cannot be set up: {error}"),
    }
}

impl Uring {
    pub(crate) fn new(waker: Waker) -> io::Result<Uring> {
        let ring = build()?;
        if !ring.params().is_feature_ext_arg() {
            return Err(io::Error::other("waiting with a timeout needs Linux 5.11"));
        }
        let buffers = Buffers::new(&ring.submitter())?;
        let mut uring = Uring {
            ring: ManuallyDrop::new(ring),
            buffers: ManuallyDrop::new(buffers),
            in_flight: 0,
            waker,
            ready: VecDeque::new(),
            is_paused: false,
            unread: Vec::new(),
            stopping: Vec::new(),
            output: Output::None,
            reader: Reader::new(),
        };
        uring.await_wake()?;
        Ok(uring)
    }

    pub(crate) fn attach(&mut self, id: Id, pipes: &[Pipe; 2]) -> io::Result<()> {
        for (stream, pipe) in Stream::ALL.into_iter().zip(pipes) {
            self.read(id, stream, pipe.as_raw_fd())?;
        }
        Ok(())
    }

    /// The process of these pipes was not started. Their reads have only been put down, by number;
    /// the kernel has to see them before the numbers are given to something else.
    pub(crate) fn detach(&mut self) {
        // Only a broken ring refuses it, and then the next wait reports it.
        let _ = self.submit();
    }

    /// Begins to announce the end of a process.
    pub(crate) fn watch(&mut self, id: Id, pidfd: &OwnedFd) -> io::Result<()> {
        let poll = opcode::PollAdd::new(Fd(pidfd.as_raw_fd()), libc::POLLIN as u32).build();
        self.push(poll, id.to_token(TAG_EXIT))
    }

    fn await_wake(&mut self) -> io::Result<()> {
        let fd = Fd(self.waker.fd().as_raw_fd());
        let poll = opcode::PollAdd::new(fd, libc::POLLIN as u32).build();
        self.push(poll, u64::from(TAG_WAKE))
    }

    fn read(&mut self, id: Id, stream: Stream, fd: RawFd) -> io::Result<()> {
        let at_most = match faults::inject(Point::Read) {
            Some(Fault::Short(most)) => most.min(READ_SIZE),
            _ => READ_SIZE,
        };
        let read = opcode::Read::new(Fd(fd), std::ptr::null_mut(), at_most as u32)
            .buf_group(GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.push(read, id.to_token(tag(stream)))
    }

    fn push(&mut self, entry: squeue::Entry, token: u64) -> io::Result<()> {
        let entry = entry.user_data(token);
        loop {
            // SAFETY: the entry refers to a descriptor by number, which is open now and which the
            // kernel holds on to once it has seen it, and to no memory but the registered buffers.
            let pushed = unsafe { self.ring.submission().push(&entry) };
            if pushed.is_ok() {
                self.in_flight += 1;
                return Ok(());
            }
            self.submit()?;
        }
    }

    fn submit(&mut self) -> io::Result<()> {
        self.submit_by(|ring| ring.submit())
    }

    /// Has the kernel take what was pushed, by this call. A lack of memory is an error when it does
    /// not pass; what was pushed remains for the next call.
    fn submit_by(
        &mut self,
        mut submit: impl FnMut(&IoUring) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut refusals = 0;
        while !self.ring.submission().is_empty() {
            match submit(&self.ring) {
                Ok(_) => refusals = 0,
                Err(error) if is_passing(&error) && refusals < REFUSALS_MAX => {
                    if refusals > 0 {
                        thread::sleep(REFUSAL_PAUSE);
                    }
                    refusals += 1;
                    self.collect();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.ready.is_empty() {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        let injected = faults::inject(Point::Wait);
        match injected {
            Some(Fault::Code(_)) => return Ok(()),
            Some(Fault::Delay(us)) => faults::delay(us),
            _ => {}
        }
        let timespec = timeout.map(Timespec::from);
        let result = match &timespec {
            None => self.ring.submit_and_wait(1),
            Some(timespec) => self
                .ring
                .submitter()
                .submit_with_args(1, &SubmitArgs::new().timespec(timespec)),
        };
        match result {
            Err(error) if !is_passing(&error) => return Err(error),
            _ => self.collect(),
        }
        if let Some(Fault::Shuffle(number)) = injected {
            // Of each stream there is one at a time, so this is an order that could have been.
            faults::shuffle(self.ready.make_contiguous(), number);
        }
        Ok(())
    }

    fn collect(&mut self) {
        for entry in self.ring.completion() {
            if !cqueue::more(entry.flags()) {
                self.in_flight -= 1;
            }
            self.ready.push_back(Ready::Completed {
                token: entry.user_data(),
                result: entry.result(),
                buffer: cqueue::buffer_select(entry.flags()),
            });
        }
    }

    pub(crate) fn next(&mut self, children: &mut Table<Child>) -> Option<DriverEvent> {
        self.take_back_output();
        loop {
            match self.ready.pop_front()? {
                Ready::Drain { id, stream, left } => {
                    let Some(pipe) = children.get_mut(id).and_then(|child| child.pipe(stream))
                    else {
                        continue;
                    };
                    match self.reader.drain(pipe, left) {
                        Read::Bytes(n) => {
                            let left = left - n as u64;
                            self.ready.push_front(Ready::Drain { id, stream, left });
                            self.output = Output::Reader;
                            return Some(DriverEvent::Output(id, stream));
                        }
                        Read::Nothing => self.ready.push_back(Ready::Drain { id, stream, left }),
                        Read::End(end) => return Some(DriverEvent::End(id, stream, end)),
                    }
                }
                Ready::Completed {
                    token,
                    result,
                    buffer,
                } => {
                    let (id, tag) = Id::from_token(token);
                    let event = match tag {
                        TAG_STDOUT => self.read_done(id, Stream::Stdout, result, buffer, children),
                        TAG_STDERR => self.read_done(id, Stream::Stderr, result, buffer, children),
                        TAG_EXIT => Some(DriverEvent::Exited(id)),
                        TAG_WAKE => {
                            self.waker.clear();
                            // Only a broken ring refuses it, and then the next wait reports it.
                            let _ = self.await_wake();
                            None
                        }
                        _ => None, // TAG_CANCEL: the read that was meant completes by itself.
                    };
                    if event.is_some() {
                        return event;
                    }
                }
            }
        }
    }

    fn read_done(
        &mut self,
        id: Id,
        stream: Stream,
        result: i32,
        buffer: Option<u16>,
        children: &mut Table<Child>,
    ) -> Option<DriverEvent> {
        let pipe = children.get_mut(id).and_then(|child| child.pipe(stream));
        let (Some(pipe), true) = (pipe, result != 0) else {
            self.put_back(buffer);
            self.stopping.retain(|stop| *stop != (id, stream));
            return pipe.map(|_| DriverEvent::End(id, stream, End::Eof));
        };
        let stopping = self.stopping.iter().position(|stop| *stop == (id, stream));
        if self.is_paused && stopping.is_none() {
            self.unread.push(Ready::Completed {
                token: id.to_token(tag(stream)),
                result,
                buffer,
            });
            return None;
        }
        if result < 0 {
            self.put_back(buffer);
        }
        if let Some(position) = stopping {
            // The read that was in flight is over, so nothing else reads what is left.
            self.stopping.swap_remove(position);
            // It blocks until now, as the ring requires; another process may take what is there.
            // The call fails for no open descriptor.
            let _ = unblock(pipe);
            self.ready.push_back(Ready::Drain {
                id,
                stream,
                left: bytes_waiting(pipe),
            });
        } else if let Some(error) = self.read_on(id, stream, pipe.as_raw_fd(), result) {
            return Some(DriverEvent::End(id, stream, End::Failed(error)));
        }
        let len = usize::try_from(result).ok()?;
        self.output = buffer.map_or(Output::None, |id| Output::Buffer { id, len });
        Some(DriverEvent::Output(id, stream))
    }

    /// Asks for the next read after one that gave bytes, or failed for a reason that passes.
    fn read_on(&mut self, id: Id, stream: Stream, fd: RawFd, result: i32) -> Option<io::Error> {
        let passing = [
            -libc::ENOBUFS,
            -libc::EINTR,
            -libc::EAGAIN,
            -libc::ECANCELED,
        ];
        if result < 0 && !passing.contains(&result) {
            return Some(io::Error::from_raw_os_error(-result));
        }
        self.read(id, stream, fd).err()
    }

    pub(crate) fn output(&self) -> &[u8] {
        match self.output {
            Output::None => &[],
            Output::Buffer { id, len } => self.buffers.bytes(id, len),
            Output::Reader => self.reader.output(),
        }
    }

    fn take_back_output(&mut self) {
        if let Output::Buffer { id, .. } = std::mem::replace(&mut self.output, Output::None) {
            self.buffers.put_back(id);
        }
    }

    fn put_back(&mut self, buffer: Option<u16>) {
        if let Some(id) = buffer {
            self.buffers.put_back(id);
        }
    }

    /// Whether what has been read is kept, and nothing more is read.
    pub(crate) fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        if !is_paused {
            self.ready.extend(self.unread.drain(..));
        }
    }

    pub(crate) fn release(&mut self, id: Id, stream: Stream) {
        self.stopping.push((id, stream));
        let this = id.to_token(tag(stream));
        let finished =
            |ready: &mut Ready| matches!(ready, Ready::Completed { token, .. } if *token == this);
        self.ready.extend(self.unread.extract_if(.., finished));
        let cancel = opcode::AsyncCancel::new(this).build();
        // Only a broken ring refuses it, and then the next wait reports it.
        let _ = self.push(cancel, id.to_token(TAG_CANCEL));
    }

    /// Asks everything in flight to end and waits until it has.
    fn quiesce(&mut self) -> bool {
        const PATIENCE: Duration = Duration::from_secs(5);
        let deadline = Instant::now() + PATIENCE;
        while self.in_flight > 0 && Instant::now() < deadline {
            let all = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
            if self.push(all, u64::from(TAG_CANCEL)).is_err()
                || self.wait(Some(Duration::from_millis(10))).is_err()
            {
                return false;
            }
            self.ready.clear();
        }
        self.in_flight == 0
    }
}

fn is_passing(error: &io::Error) -> bool {
    let passing = [libc::ETIME, libc::EINTR, libc::EBUSY, libc::EAGAIN];
    error
        .raw_os_error()
        .is_some_and(|code| passing.contains(&code))
}

impl Drop for Uring {
    fn drop(&mut self) {
        if !self.quiesce() {
            // The kernel may still write to the buffers. Losing them is the lesser evil.
            return;
        }
        // SAFETY: dropped here and nowhere else, before the buffers whose addresses it has.
        unsafe { ManuallyDrop::drop(&mut self.ring) };
        // SAFETY: dropped here and nowhere else; nothing is in flight and the ring is closed.
        unsafe { ManuallyDrop::drop(&mut self.buffers) };
    }
}

impl std::fmt::Debug for Uring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uring")
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_accepts_nothing_is_an_error_only_after_a_long_time() {
        if probe().is_err() {
            return;
        }
        let mut uring = Uring::new(Waker::new().unwrap()).unwrap();
        for code in [libc::EAGAIN, libc::EBUSY] {
            uring.await_wake().unwrap();
            let mut calls = 0;
            let refused = uring.submit_by(|_| {
                calls += 1;
                assert!(calls <= 10 * REFUSALS_MAX, "it goes on for ever");
                Err(io::Error::from_raw_os_error(code))
            });
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(code));
            // What was pushed is still there, and is taken when the failure has passed.
            let mut calls = 0;
            let taken = uring.submit_by(|ring| {
                calls += 1;
                match calls {
                    1..=5 => Err(io::Error::from_raw_os_error(code)),
                    _ => ring.submit(),
                }
            });
            taken.unwrap();
            assert_eq!(calls, 6);
            assert!(uring.ring.submission().is_empty());
        }
    }
}
