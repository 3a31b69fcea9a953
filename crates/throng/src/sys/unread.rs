//! What threads have read and the shard does not take for now: kept in its order, until reading is
//! resumed or its stream is stopped. For the mechanism `threads` of both systems.

use std::collections::{HashSet, VecDeque};

use crate::model::stream::Stream;
use crate::slots::Id;

/// Messages `M` of threads that each read one stream.
#[derive(Debug)]
pub(super) struct Unread<M> {
    is_paused: bool,
    kept: VecDeque<((Id, Stream), M)>,
    /// Whose messages those are.
    streams: HashSet<(Id, Stream)>,
}

impl<M> Unread<M> {
    pub(super) fn new() -> Unread<M> {
        Unread {
            is_paused: false,
            kept: VecDeque::new(),
            streams: HashSet::new(),
        }
    }

    /// Whether a message is to be kept: one with bytes, or what comes after such.
    pub(super) fn is_for_later(&self, of: (Id, Stream), has_bytes: bool) -> bool {
        self.is_paused && (has_bytes || self.streams.contains(&of))
    }

    pub(super) fn keep(&mut self, of: (Id, Stream), message: M) {
        self.streams.insert(of);
        self.kept.push_back((of, message));
    }

    /// Keeps messages from now on, or puts those that were kept before these, which came later.
    pub(super) fn set_paused(&mut self, is_paused: bool, messages: &mut VecDeque<M>) {
        self.is_paused = is_paused;
        if !is_paused {
            self.streams.clear();
            let kept = self.kept.drain(..).rev();
            kept.for_each(|(_, message)| messages.push_front(message));
        }
    }

    /// Puts what was kept of this stream before these messages.
    pub(super) fn release(&mut self, stream: (Id, Stream), messages: &mut VecDeque<M>) {
        if !self.streams.remove(&stream) {
            return;
        }
        let kept = std::mem::take(&mut self.kept).into_iter();
        let (its, rest): (VecDeque<_>, _) = kept.partition(|(of, _)| *of == stream);
        self.kept = rest;
        let its = its.into_iter().rev();
        its.for_each(|(_, message)| messages.push_front(message));
    }
}
