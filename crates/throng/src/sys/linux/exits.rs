//! When to look whether a process has exited.
//!
//! A tiny process closes its pipes by exiting, so the end of both announces its exit, and
//! asking for the status then is one system call. Announcing each exit by a descriptor of its own
//! would cost four more. So a descriptor (a pidfd) is opened only for a process that has
//!
//! * lived for [`WATCH_AFTER`]: it may exit while another process holds its pipes, or
//! * closed both pipes and not exited by the time its shard has nothing else to do.
//!
//! The cost: the exit of a short-lived process whose pipes are held is noticed late, by
//! at most [`WATCH_AFTER`].
//!
//! If no descriptor can be opened, now or ever (all are in use, or a sandbox or a kernel does not
//! have the call), a process is polled: every [`ASK_AGAIN`], or less often where there are so many
//! that this would take more than a twentieth of the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::slots::Id;

const WATCH_AFTER: Duration = Duration::from_millis(10);

const ASK_AGAIN: Duration = Duration::from_millis(10);

/// A round of polling takes at most one part in this many of the time.
const PACE: u32 = 20;

#[derive(Debug, Default)]
pub(super) struct Exits {
    /// Processes without a pidfd, the oldest first, and when they are old enough for one. Some
    /// may be gone.
    young: VecDeque<(Instant, Id)>,
    /// Processes that have closed both pipes and not exited, as far as is known.
    lingering: Vec<Id>,
    /// Processes that cannot be watched. Some may be gone.
    asked: Vec<Id>,
    ask_at: Option<Instant>,
}

impl Exits {
    pub(super) fn started(&mut self, id: Id, now: Instant) {
        self.young.push_back((now + WATCH_AFTER, id));
    }

    pub(super) fn linger(&mut self, id: Id) {
        self.lingering.push(id);
    }

    pub(super) fn take_lingering(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.lingering)
    }

    pub(super) fn has_lingering(&self) -> bool {
        !self.lingering.is_empty()
    }

    /// A process cannot be watched, so it is polled from now on.
    pub(super) fn ask(&mut self, id: Id, now: Instant) {
        self.asked.push(id);
        self.ask_at.get_or_insert(now + ASK_AGAIN);
    }

    /// When processes are to be polled next.
    pub(super) fn ask_at(&self) -> Option<Instant> {
        self.ask_at
    }

    /// The processes that are to be polled now. The caller passes back which of them stay polled,
    /// and how long the round has taken.
    pub(super) fn take_asked(&mut self) -> Vec<Id> {
        self.ask_at = None;
        std::mem::take(&mut self.asked)
    }

    /// These stay polled.
    pub(super) fn ask_again(&mut self, ids: Vec<Id>, took: Duration, now: Instant) {
        if !ids.is_empty() {
            self.ask_at = Some(now + ASK_AGAIN.max(took * PACE));
        }
        self.asked.extend(ids);
    }

    /// A process that is old enough to be watched, unless it is gone.
    pub(super) fn next_grown(&mut self, now: Instant) -> Option<Id> {
        let (due, id) = self.young.front()?;
        if *due > now {
            return None;
        }
        let id = *id;
        self.young.pop_front();
        Some(id)
    }

    /// When the next process is old enough. Those that are gone are skipped.
    pub(super) fn next_due(&mut self, mut is_young: impl FnMut(Id) -> bool) -> Option<Instant> {
        while let Some((due, id)) = self.young.front() {
            if is_young(*id) {
                return Some(*due);
            }
            self.young.pop_front();
        }
        None
    }
}
