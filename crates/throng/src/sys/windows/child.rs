//! A started process as the system sees it: its handle, its job, our ends of its pipes.
//!
//! Invariant: while the handle is open no other process has its id, so an order to end never
//! goes astray.

use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::Arc;

use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::Threading::{TerminateProcess, WaitForSingleObject};

use super::pipe::Pipe;
use super::start::Launched;
use super::tree::{self, ENDED_BY_US, Job};
use crate::model::kill::Signal;
use crate::model::stream::Stream;
use crate::model::verdict::Holder;
use crate::sys::api::Exit;

#[derive(Debug)]
pub(super) struct Child {
    pub(super) process: Arc<OwnedHandle>,
    pid: u32,
    /// None where the system forbids it.
    job: Option<Job>,
    streams: [StreamState; 2],
    pub(super) has_exited: bool,
    /// It shares our console and leads a group there, so it can be asked to end.
    can_be_asked: bool,
    /// Whether it, and all that it has started, has been signalled to end.
    is_ending: bool,
    pub(super) read_retries: u32,
}

/// Our side of a stream.
#[derive(Clone, Debug)]
pub(super) enum StreamState {
    /// It is read until its end.
    Reading(Arc<Pipe>),
    /// It was released: this many bytes are still read; `None` while it is not known yet how
    /// many there are.
    Released {
        pipe: Arc<Pipe>,
        left: Option<u64>,
    },
    Ended,
}

impl Child {
    pub(super) fn new(launched: Launched, pipes: [Arc<Pipe>; 2]) -> Child {
        Child {
            process: Arc::new(launched.process),
            pid: launched.pid,
            job: launched.job,
            streams: pipes.map(StreamState::Reading),
            has_exited: false,
            can_be_asked: launched.can_be_asked,
            is_ending: false,
            read_retries: 0,
        }
    }

    pub(super) fn stream_state(&mut self, stream: Stream) -> &mut StreamState {
        &mut self.streams[stream.index()]
    }

    pub(super) fn pipes(&self) -> impl Iterator<Item = &Arc<Pipe>> {
        self.streams
            .iter()
            .filter_map(|stream_state| match stream_state {
                StreamState::Reading(pipe) | StreamState::Released { pipe, .. } => Some(pipe),
                StreamState::Ended => None,
            })
    }

    /// Whether anything is left in its job when the process has ended; unknown without a job.
    pub(super) fn has_left_behind(&self) -> bool {
        let pids = self.job.as_ref().and_then(|job| job.pids().ok());
        pids.is_some_and(|pids| pids.iter().any(|pid| *pid != self.pid))
    }

    /// It was killed and has not been seen to exit: returns how it has ended, if it has. Its exit
    /// is not announced.
    pub(super) fn give_up(&mut self) -> Option<Exit> {
        // SAFETY: the handle is open as long as `self`, and a look without a wait.
        let seen = unsafe { WaitForSingleObject(self.process.as_raw_handle(), 0) };
        if seen == WAIT_OBJECT_0 {
            return self.take_exit();
        }
        self.has_exited = true;
        None
    }

    /// What is left in its job when the process has ended; unknown without a job.
    pub(super) fn left_behind(&self) -> Vec<Holder> {
        let all = self.job.as_ref().map(tree::left_in).unwrap_or_default();
        let others = all.into_iter().filter(|holder| holder.pid != self.pid);
        others.collect()
    }

    /// Returns how the process has ended; once.
    pub(super) fn take_exit(&mut self) -> Option<Exit> {
        if std::mem::replace(&mut self.has_exited, true) {
            return None;
        }
        Some(tree::of_ended(&self.process, self.job.as_ref()))
    }

    /// Asks the process to end where there is a way to ask: a Ctrl-Break, which its group has as
    /// well. Else, and for `KILL`, ends it with all that is in its job.
    pub(super) fn signal(&mut self, signal: Signal) {
        self.is_ending = true;
        if signal == Signal::Kill || !self.ask() {
            self.terminate();
        }
    }

    fn ask(&self) -> bool {
        if !self.can_be_asked || self.has_exited {
            return false;
        }
        // SAFETY: it touches no memory of ours. The id is that of a group on our console, since the
        // process was started as the first of one and its handle keeps the id.
        unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, self.pid) != 0 }
    }

    fn terminate(&self) {
        if let Some(job) = &self.job {
            job.terminate(ENDED_BY_US);
        } else if !self.has_exited {
            // It fails for a process that has just ended by itself, which does no harm.
            // SAFETY: the handle is open as long as `self`.
            unsafe { TerminateProcess(self.process.as_raw_handle(), ENDED_BY_US) };
        }
    }

    /// Gives up a process that has exited, with what it may have left behind; ends one that has
    /// not.
    pub(super) fn reap(mut self) {
        if !self.has_exited {
            self.signal(Signal::Kill);
        }
        if let Some(job) = &self.job
            && !self.is_ending
        {
            job.let_live();
        }
    }
}
