//! Two blocking threads for each process: the baseline that the others are measured against.
//!
//! Each reads one pipe and puts what it has read into the shard's inbox. A thread can be asked to
//! stop, through an eventfd that it waits on beside its pipe: a blocked read alone could not be
//! ended. The shard itself sleeps until there is mail or a watched process ends.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;

use super::epoll::Epoll;
use super::reader::{READ_SIZE, Read, Reader};
use crate::model::stream::Stream;
use crate::slots::{Id, Table};
use crate::sys::api::End;
use crate::sys::base::linux::above_stdio;
use crate::sys::linux::child::Child;
use crate::sys::linux::driver::event::DriverEvent;
use crate::sys::linux::pipe::Pipe;
use crate::sys::linux::pipe::{bytes_waiting, unblock};
use crate::sys::linux::waker::Waker;
use crate::sys::unread::Unread;

/// A reader needs little: its buffer is on the heap.
const STACK_SIZE: usize = 64 * 1024;

/// How much mail may wait before readers do.
const INBOX_BYTES: usize = 16 * READ_SIZE;

#[derive(Debug)]
pub(crate) struct Threads {
    /// Waits for the waker and for watched processes, as the shard's only sleep.
    exits: Epoll,
    inbox: Arc<Inbox>,
    readers: Table<[Thread; 2]>,
    mail: VecDeque<Mail>,
    unread: Unread<Mail>,
    output: Vec<u8>,
}

#[derive(Debug)]
struct Thread {
    stop: Arc<OwnedFd>,
    /// What it still announces is bounded then, and does not wait for room.
    is_stopping: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

#[derive(Debug)]
struct Inbox {
    mail: Mutex<VecDeque<Mail>>,
    bytes: AtomicUsize,
    emptied: Condvar,
    waker: Waker,
}

#[derive(Debug)]
struct Mail {
    id: Id,
    stream: Stream,
    message: Message,
}

#[derive(Debug)]
enum Message {
    Bytes(Vec<u8>),
    End(End),
}

impl Threads {
    pub(crate) fn new(waker: Waker) -> io::Result<Threads> {
        let inbox = Inbox {
            mail: Mutex::default(),
            bytes: AtomicUsize::new(0),
            emptied: Condvar::new(),
            waker: waker.clone(),
        };
        Ok(Threads {
            exits: Epoll::new(waker)?,
            inbox: Arc::new(inbox),
            readers: Table::new(),
            mail: VecDeque::new(),
            unread: Unread::new(),
            output: Vec::new(),
        })
    }

    pub(crate) fn attach(&mut self, id: Id, pipes: &[Pipe; 2]) -> io::Result<()> {
        pipes.iter().try_for_each(|pipe| unblock(pipe))?;
        let out = self.start_reader(id, &pipes[0], Stream::Stdout)?;
        let err = match self.start_reader(id, &pipes[1], Stream::Stderr) {
            Ok(err) => err,
            Err(error) => {
                out.stop();
                return Err(error);
            }
        };
        self.readers.insert(id, [out, err]);
        Ok(())
    }

    fn start_reader(&self, id: Id, pipe: &Pipe, stream: Stream) -> io::Result<Thread> {
        let stop = Arc::new(above_stdio(eventfd(0, EventfdFlags::CLOEXEC)?));
        let is_stopping = Arc::new(AtomicBool::new(false));
        let reading = Reading {
            id,
            stream,
            pipe: pipe.clone(),
            stop: stop.clone(),
            is_stopping: is_stopping.clone(),
            inbox: self.inbox.clone(),
        };
        let handle = thread::Builder::new()
            .name("throng-reader".into())
            .stack_size(STACK_SIZE)
            .spawn(move || reading.run())?;
        Ok(Thread {
            stop,
            is_stopping,
            handle,
        })
    }

    pub(crate) fn watch(&mut self, id: Id, pidfd: &OwnedFd) -> io::Result<()> {
        self.exits.watch(id, pidfd)
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.fetch() {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        self.exits.wait(timeout)?;
        self.fetch();
        Ok(())
    }

    fn fetch(&mut self) -> bool {
        self.mail.append(&mut self.inbox.lock());
        !self.mail.is_empty()
    }

    pub(crate) fn next(&mut self, children: &mut Table<Child>) -> Option<DriverEvent> {
        if let Some(event) = self.exits.next(children) {
            return Some(event);
        }
        loop {
            let mail = self.mail.pop_front()?;
            if self.is_unread(&mail) {
                self.unread.keep((mail.id, mail.stream), mail);
                continue;
            }
            let Mail {
                id,
                stream,
                message,
            } = mail;
            if let Message::Bytes(bytes) = &message {
                self.inbox.taken(bytes.len());
            }
            if children.get_mut(id).is_none() {
                continue;
            }
            match message {
                Message::Bytes(bytes) => {
                    self.output = bytes;
                    return Some(DriverEvent::Output(id, stream));
                }
                Message::End(end) => return Some(DriverEvent::End(id, stream, end)),
            }
        }
    }

    /// Whether this is not announced now: bytes, or what comes after those.
    fn is_unread(&mut self, mail: &Mail) -> bool {
        let readers = self.readers.get_mut(mail.id);
        let reader = readers.map(|readers| &readers[mail.stream.index()]);
        let has_bytes = matches!(mail.message, Message::Bytes(_));
        reader.is_some_and(|reader| !reader.is_stopping.load(Ordering::Relaxed))
            && self.unread.is_for_later((mail.id, mail.stream), has_bytes)
    }

    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Whether mail is kept that has bytes.
    pub(crate) fn set_paused(&mut self, is_paused: bool) {
        self.unread.set_paused(is_paused, &mut self.mail);
    }

    pub(crate) fn release(&mut self, id: Id, stream: Stream) {
        if let Some(readers) = self.readers.get_mut(id) {
            readers[stream.index()].stop();
            self.inbox.look_again();
        }
        self.unread.release((id, stream), &mut self.mail);
    }

    pub(crate) fn forget(&mut self, id: Id) {
        let readers = self.readers.remove(id);
        // Most have announced their end, which is the last thing they do. If the process was never
        // started, a fork of this program may still have its ends of the pipes.
        for reader in readers.iter().flatten() {
            reader.stop();
        }
        for reader in readers.into_iter().flatten() {
            let _ = reader.handle.join();
        }
    }
}

impl Thread {
    fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
    }
}

impl Inbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Mail>> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room, unless the reader is to stop.
    fn put(&self, mail: Mail, is_stopping: &AtomicBool) {
        let mut queue = self.lock();
        if let Message::Bytes(bytes) = &mail.message {
            while !is_stopping.load(Ordering::Relaxed)
                && self.bytes.load(Ordering::Relaxed) >= INBOX_BYTES
            {
                queue = self
                    .emptied
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            self.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        }
        let was_empty = queue.is_empty();
        queue.push_back(mail);
        drop(queue);
        if was_empty {
            self.waker.wake();
        }
    }

    fn taken(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before >= INBOX_BYTES {
            self.look_again();
        }
    }

    /// Has the readers that wait for room look whether they still have to.
    fn look_again(&self) {
        // Under the lock, so that a reader is either before its look or waiting.
        drop(self.lock());
        self.emptied.notify_all();
    }
}

/// What a reader does, on its thread.
struct Reading {
    id: Id,
    stream: Stream,
    pipe: Pipe,
    stop: Arc<OwnedFd>,
    is_stopping: Arc<AtomicBool>,
    inbox: Arc<Inbox>,
}

impl Reading {
    /// From its process's start until the end of its pipe.
    fn run(self) {
        let mut reader = Reader::new();
        let mut left = None;
        let end = loop {
            let read = match left {
                Some(left) => reader.drain(&self.pipe, left),
                None => match wait_readable(&self.pipe, &self.stop) {
                    Ok(true) => reader.read(&self.pipe, READ_SIZE),
                    Ok(false) => {
                        left = Some(bytes_waiting(&self.pipe));
                        continue;
                    }
                    Err(errno) => break End::Failed(errno.into()),
                },
            };
            match read {
                Read::Bytes(n) => {
                    left = left.map(|left| left - n as u64);
                    self.put(Message::Bytes(reader.output().to_vec()));
                }
                Read::Nothing => {}
                Read::End(end) => break end,
            }
        };
        self.put(Message::End(end));
    }

    fn put(&self, message: Message) {
        let mail = Mail {
            id: self.id,
            stream: self.stream,
            message,
        };
        self.inbox.put(mail, &self.is_stopping);
    }
}

/// Waits until the pipe can be read; `false` when we are to stop.
fn wait_readable(pipe: &OwnedFd, stop: &OwnedFd) -> Result<bool, Errno> {
    let mut fds = [
        PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN),
    ];
    loop {
        match poll(&mut fds, None) {
            Ok(_) if !fds[1].revents().is_empty() => return Ok(false),
            Ok(_) if !fds[0].revents().is_empty() => return Ok(true),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Something is left only when the shard panics. Readers that wait for room get it.
        for (_, readers) in self.readers.drain() {
            for reader in readers {
                reader.stop();
            }
        }
        self.inbox.bytes.store(0, Ordering::Relaxed);
        self.inbox.emptied.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rustix::pipe::pipe;

    use super::*;
    use crate::slots::Slots;

    #[test]
    fn readers_of_pipes_that_do_not_end_are_not_waited_for() {
        let (out, out_writer) = pipe().unwrap();
        let (err, err_writer) = pipe().unwrap();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut threads = Threads::new(Waker::new().unwrap()).unwrap();
            let id = Slots::new().insert(());
            threads.attach(id, &[out, err].map(Arc::new)).unwrap();
            threads.forget(id);
            tell.send(()).unwrap();
        });
        // Another process has them, like a fork of this program.
        assert!(told.recv_timeout(Duration::from_secs(10)).is_ok());
        drop((out_writer, err_writer));
    }
}
