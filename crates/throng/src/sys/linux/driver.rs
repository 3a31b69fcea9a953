//! The mechanism of an engine, chosen at run time: one enum, one file for each variant.

mod epoll;
pub(super) mod event;
mod reader;
mod threads;
pub(super) mod uring;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use self::epoll::Epoll;
use self::threads::Threads;
use self::uring::Uring;
use super::child::Child;
use super::waker::Waker;
use crate::model::mechanism::Mechanism;
use crate::model::stream::Stream;
use crate::slots::{Id, Table};
use crate::sys::linux::driver::event::DriverEvent;
use crate::sys::linux::pipe::Pipe;

#[derive(Debug)]
pub(super) enum Driver {
    Epoll(Epoll),
    Uring(Box<Uring>),
    Threads(Threads),
}

impl Driver {
    pub(super) fn new(mechanism: Mechanism, waker: Waker) -> io::Result<Driver> {
        Ok(match mechanism {
            Mechanism::Epoll => Driver::Epoll(Epoll::new(waker)?),
            Mechanism::IoUring => Driver::Uring(Box::new(Uring::new(waker)?)),
            Mechanism::Threads => Driver::Threads(Threads::new(waker)?),
            Mechanism::CompletionPort
            | Mechanism::ThreadPool
            | Mechanism::Events
            | Mechanism::Apc => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    /// Begins to read a process's pipes, before there is a process.
    pub(super) fn attach(&mut self, id: Id, pipes: &[Pipe; 2]) -> io::Result<()> {
        match self {
            Driver::Epoll(driver) => driver.attach(id, pipes),
            Driver::Uring(driver) => driver.attach(id, pipes),
            Driver::Threads(driver) => driver.attach(id, pipes),
        }
    }

    /// The process of these pipes could not be started.
    pub(super) fn detach(&mut self, id: Id, pipes: &[Pipe; 2]) {
        match self {
            Driver::Epoll(driver) => driver.detach(pipes),
            Driver::Uring(driver) => driver.detach(),
            Driver::Threads(driver) => driver.forget(id),
        }
    }

    /// Begins to watch for the end of a process.
    pub(super) fn watch(&mut self, id: Id, pidfd: &OwnedFd) -> io::Result<()> {
        match self {
            Driver::Epoll(driver) => driver.watch(id, pidfd),
            Driver::Uring(driver) => driver.watch(id, pidfd),
            Driver::Threads(driver) => driver.watch(id, pidfd),
        }
    }

    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Driver::Epoll(driver) => driver.wait(timeout),
            Driver::Uring(driver) => driver.wait(timeout),
            Driver::Threads(driver) => driver.wait(timeout),
        }
    }

    pub(super) fn next(&mut self, children: &mut Table<Child>) -> Option<DriverEvent> {
        match self {
            Driver::Epoll(driver) => driver.next(children),
            Driver::Uring(driver) => driver.next(children),
            Driver::Threads(driver) => driver.next(children),
        }
    }

    /// The bytes of the last event of output.
    pub(super) fn output(&self) -> &[u8] {
        match self {
            Driver::Epoll(driver) => driver.output(),
            Driver::Uring(driver) => driver.output(),
            Driver::Threads(driver) => driver.output(),
        }
    }

    /// Whether what pipes hold is left unread. Ends of empty pipes are still announced,
    /// unless the ring has no buffer for them.
    pub(super) fn set_paused(&mut self, is_paused: bool, children: &mut Table<Child>) {
        match self {
            Driver::Epoll(driver) => driver.set_paused(is_paused, children),
            Driver::Uring(driver) => driver.set_paused(is_paused),
            Driver::Threads(driver) => driver.set_paused(is_paused),
        }
    }

    /// Lets go of an attached pipe, after what is in it now; its end is announced.
    pub(super) fn release(&mut self, id: Id, stream: Stream, pipe: &Pipe) {
        match self {
            Driver::Epoll(driver) => driver.release(id, stream, pipe),
            Driver::Uring(driver) => driver.release(id, stream),
            Driver::Threads(driver) => driver.release(id, stream),
        }
    }

    /// Nothing more is asked about this process.
    pub(super) fn forget(&mut self, id: Id) {
        match self {
            Driver::Epoll(_) | Driver::Uring(_) => {}
            Driver::Threads(driver) => driver.forget(id),
        }
    }
}
