//! Mechanism `events`: every read has an event object, and threads of their own wait for them:
//! `wait_group.rs`. The shard looks at the reads whose events were set.
//!
//! Threads grow with the processes here, one for twenty-one; that is the system's limit, and the
//! reason why this mechanism is here to be compared and not to be used for thousands.

use std::collections::VecDeque;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_IO_INCOMPLETE;
use windows_sys::Win32::System::IO::GetOverlappedResult;

use super::inbox::{self, DriverEvent, Inbox};
use super::op::{self, CompletionTarget, Finished, Op, Pending, Submitted};
use super::port::read_file;
use super::wait_group::{WaitGroup, auto_reset_event};
use crate::model::stream::Stream;
use crate::slots::{Id, Table};
use crate::sys::windows::pipe::{Pipe, last_code};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Events {
    inbox: Arc<Inbox>,
    groups: Vec<WaitGroup>,
    members: Table<Member>,
    announced: VecDeque<DriverEvent>,
}

/// A process.
#[derive(Debug)]
struct Member {
    /// The place of its group.
    group: usize,
    events: [Arc<OwnedHandle>; 2],
    pipes: [Arc<Pipe>; 2],
    in_flight: [Option<Pending>; 2],
}

impl Events {
    pub(crate) fn new() -> Events {
        Events {
            inbox: Arc::new(Inbox::new()),
            groups: Vec::new(),
            members: Table::new(),
            announced: VecDeque::new(),
        }
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    pub(crate) fn attach(&mut self, id: Id, pipes: &[Arc<Pipe>; 2]) -> io::Result<()> {
        let events = [auto_reset_event()?, auto_reset_event()?].map(Arc::new);
        let group = match self.groups.iter().position(|group| !group.is_full()) {
            Some(group) => group,
            None => {
                self.groups.push(WaitGroup::new(self.inbox.clone())?);
                self.groups.len() - 1
            }
        };
        self.groups[group].add(id, &events);
        self.members.insert(
            id,
            Member {
                group,
                events,
                pipes: pipes.clone(),
                in_flight: [None, None],
            },
        );
        Ok(())
    }

    pub(crate) fn target(&mut self, id: Id, stream: Stream) -> CompletionTarget {
        let member = self.members.get_mut(id).expect("its pipes were attached");
        CompletionTarget::Event(member.events[stream.index()].clone())
    }

    pub(crate) fn watch(&mut self, id: Id, process: Arc<OwnedHandle>) {
        let member = self.members.get_mut(id).expect("its pipes were attached");
        self.groups[member.group].watch(id, process);
    }

    pub(crate) fn forget(&mut self, id: Id) {
        if let Some(member) = self.members.remove(id) {
            self.groups[member.group].remove(id);
        }
    }

    /// A read that succeeds at once sets its event as well, so nothing is done about it here.
    pub(crate) fn submit(&mut self, op: Box<Op>) -> Submitted {
        let (id, stream) = (op.mine.id, op.mine.stream);
        let submitted = op::submit(op, read_file);
        if let Submitted::InFlight(pending) = &submitted
            && let Some(member) = self.members.get_mut(id)
        {
            member.in_flight[stream.index()] = Some(pending.copy());
        }
        submitted
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) {
        self.inbox.collect(&mut self.announced, timeout);
        inbox::inject_shuffle(&mut self.announced);
    }

    pub(crate) fn next(&mut self) -> Option<DriverEvent> {
        loop {
            match self.announced.pop_front()? {
                DriverEvent::Signalled(id, stream) => {
                    if let Some(finished) = self.look_at(id, stream) {
                        return Some(DriverEvent::Read(finished));
                    }
                }
                event => return Some(event),
            }
        }
    }

    /// The read of this stream, if it is finished. An event may be set for nothing, or for a read
    /// that has been looked at before.
    fn look_at(&mut self, id: Id, stream: Stream) -> Option<Finished> {
        let member = self.members.get_mut(id)?;
        let place = &mut member.in_flight[stream.index()];
        let pending = place.as_ref()?;
        let pipe = &member.pipes[stream.index()];
        let mut bytes = 0;
        // SAFETY: the handle is open, the read was submitted on it and has not been reclaimed:
        // that is what `in_flight` shows.
        let ok = unsafe { GetOverlappedResult(pipe.raw(), pending.address(), &mut bytes, 0) };
        let code = if ok == 0 { last_code() } else { 0 };
        if code == ERROR_IO_INCOMPLETE {
            return None;
        }
        let pending = place.take()?;
        // SAFETY: the system reports that it is finished, and it leaves `in_flight` here, once.
        let op = unsafe { op::reclaim(pending.address()) };
        Some(Finished {
            op,
            bytes: bytes as usize,
            code,
        })
    }

    /// Announces what a thread announces when an event is set.
    #[cfg(test)]
    pub(crate) fn signal_for_nothing(&self, id: Id, stream: Stream) {
        self.inbox.put(DriverEvent::Signalled(id, stream));
    }

    #[cfg(test)]
    pub(crate) fn group_count(&self) -> usize {
        self.groups.len()
    }
}
