//! The mechanism of an engine, chosen at run time: one enum, one file for each variant.
//!
//! All but `threads` read with the same [`Op`]s; they differ in how a finished one is announced.

mod apc;
mod events;
mod exits;
mod inbox;
mod op;
mod pool;
mod port;
mod retries;
mod threads;
mod wait_group;
mod waker;

use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::Arc;
use std::time::Duration;

use self::apc::Apc;
use self::events::Events;
use self::exits::ExitWait;
use self::op::CompletionTarget;
use self::pool::Pooled;
use self::port::Port;
use self::threads::Threads;
use self::waker::Announce;
use crate::model::mechanism::Mechanism;
use crate::model::stream::Stream;
use crate::slots::{Id, Table};
use crate::sys::windows::host::SystemContext;
use crate::sys::windows::pipe::Pipe;

pub(super) use self::inbox::DriverEvent;
pub(super) use self::op::{Finished, Op, Submitted, read};
pub(super) use self::retries::{ReadBackoff, Retries};
pub(crate) use self::waker::Waker;

#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) reads: Reads,
    /// The pool's waits for exits; `events` has its own.
    exits: Table<ExitWait>,
    host: Arc<SystemContext>,
}

#[derive(Debug)]
pub(crate) enum Reads {
    Port(Port),
    Pool(Pooled),
    Events(Events),
    Apc(Apc),
    Threads(Threads),
}

impl Driver {
    pub(crate) fn new(mechanism: Mechanism, host: Arc<SystemContext>) -> io::Result<Driver> {
        let reads = match mechanism {
            Mechanism::CompletionPort => Reads::Port(Port::new()?),
            Mechanism::ThreadPool => Reads::Pool(Pooled::new(host.pool().clone())?),
            Mechanism::Events => Reads::Events(Events::new()),
            Mechanism::Apc => Reads::Apc(Apc::new()?),
            Mechanism::Threads => Reads::Threads(Threads::new()),
            Mechanism::Epoll | Mechanism::IoUring => {
                return Err(io::ErrorKind::Unsupported.into());
            }
        };
        Ok(Driver {
            reads,
            exits: Table::new(),
            host,
        })
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::new(self.announce())
    }

    fn announce(&self) -> Announce {
        match &self.reads {
            Reads::Port(port) => Announce::Port(port.packets().clone()),
            Reads::Pool(pool) => Announce::Inbox(pool.inbox().clone()),
            Reads::Events(events) => Announce::Inbox(events.inbox().clone()),
            Reads::Apc(apc) => Announce::Inbox(apc.inbox().clone()),
            Reads::Threads(threads) => Announce::Inbox(threads.inbox().clone()),
        }
    }

    /// Whether reads are overlapped ones of ours.
    pub(crate) fn is_overlapped(&self) -> bool {
        !matches!(self.reads, Reads::Threads(_))
    }

    /// Whether reads that finish at once can be taken at once.
    pub(crate) fn skips_packets(&self) -> bool {
        match self.reads {
            Reads::Port(_) | Reads::Pool(_) => self.host.skips_packets(),
            Reads::Events(_) | Reads::Apc(_) | Reads::Threads(_) => false,
        }
    }

    /// Makes all that is needed to read a process's pipes and to event its end, before there is a
    /// process: afterwards nothing may be refused.
    pub(crate) fn attach(&mut self, id: Id, pipes: &[Arc<Pipe>; 2]) -> io::Result<()> {
        if !matches!(self.reads, Reads::Events(_)) {
            let wait = ExitWait::new(self.host.pool().clone(), id, self.announce())?;
            self.exits.insert(id, wait);
        }
        let attached = match &mut self.reads {
            Reads::Port(port) => pipes.iter().try_for_each(|pipe| port.attach(pipe)),
            Reads::Pool(pool) => pool.attach(id, pipes),
            Reads::Events(events) => events.attach(id, pipes),
            Reads::Apc(_) => Ok(()),
            Reads::Threads(threads) => threads.attach(id, pipes),
        };
        attached.inspect_err(|_| drop(self.exits.remove(id)))
    }

    /// Begins to wait for the end of this process.
    pub(crate) fn watch(&mut self, id: Id, process: Arc<OwnedHandle>) {
        if let Reads::Events(events) = &mut self.reads {
            events.watch(id, process);
        } else if let Some(wait) = self.exits.get_mut(id) {
            wait.begin(process);
        }
    }

    /// How a read of this stream will be announced.
    pub(crate) fn target(&mut self, id: Id, stream: Stream) -> CompletionTarget {
        match &mut self.reads {
            Reads::Port(_) | Reads::Threads(_) => CompletionTarget::Port,
            Reads::Pool(pool) => pool.target(),
            Reads::Events(events) => events.target(id, stream),
            Reads::Apc(apc) => apc.target(),
        }
    }

    pub(crate) fn submit(&mut self, op: Box<Op>) -> Submitted {
        match &mut self.reads {
            Reads::Port(port) => port.submit(op),
            Reads::Pool(pool) => pool.submit(op),
            Reads::Events(events) => events.submit(op),
            Reads::Apc(apc) => apc.submit(op),
            Reads::Threads(_) => unreachable!("threads read without operations"),
        }
    }

    /// Wakes the shard after this time, if the mechanism has a clock of its own; otherwise the
    /// next wait has to be that short.
    pub(crate) fn wake_in(&mut self, delay: Duration) -> bool {
        if let Reads::Pool(pool) = &self.reads {
            pool.wake_in(delay);
            return true;
        }
        false
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match &mut self.reads {
            Reads::Port(port) => return port.wait(timeout),
            Reads::Pool(pool) => pool.wait(timeout),
            Reads::Events(events) => events.wait(timeout),
            Reads::Apc(apc) => apc.wait(timeout),
            Reads::Threads(threads) => threads.wait(timeout),
        }
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Option<DriverEvent> {
        match &mut self.reads {
            Reads::Port(port) => port.next(),
            Reads::Pool(pool) => pool.next(),
            Reads::Events(events) => events.next(),
            Reads::Apc(apc) => apc.next(),
            Reads::Threads(threads) => threads.next(),
        }
    }

    /// Whether what threads have read is kept. Other reads are the engine's.
    pub(crate) fn set_paused(&mut self, is_paused: bool) {
        if let Reads::Threads(threads) = &mut self.reads {
            threads.set_paused(is_paused);
        }
    }

    /// Has a blocked read end; its end is announced.
    pub(crate) fn release(&mut self, id: Id, stream: Stream, pipe: &Pipe) {
        match &mut self.reads {
            Reads::Threads(threads) => threads.release(id, stream),
            _ => pipe.cancel_reads(),
        }
    }

    /// Nothing more is asked about this process, which has no read in flight.
    pub(crate) fn forget(&mut self, id: Id) {
        drop(self.exits.remove(id));
        match &mut self.reads {
            Reads::Port(_) | Reads::Apc(_) => {}
            Reads::Pool(pool) => pool.forget(id),
            Reads::Events(events) => events.forget(id),
            Reads::Threads(threads) => threads.forget(id),
        }
    }

    /// Keeps for ever what reads that will not end may still use.
    pub(crate) fn leak(&mut self) {
        if let Reads::Pool(pool) = &mut self.reads {
            pool.leak();
        }
    }
}
