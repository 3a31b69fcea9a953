//! One shard's mechanism and the processes that it announces: what all mechanisms of Windows have
//! in common. Decides what the outcome of a read asks for; the table is `codes.rs`.
//!
//! Invariant: each stream that has not ended has one operation, and it is in flight, or waits to be
//! tried again, or is in our hands. The end of a stream is announced when its operation is gone, so
//! a process whose streams have ended has nothing in the kernel.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::child::{Child, StreamState};
use super::driver::{
    self, Driver, DriverEvent, Finished, Op, ReadBackoff, Retries, Submitted, Waker,
};
use super::host::SystemContext;
use super::pipe::{Pipe, from_code};
use super::start::{Launcher, cannot_capture};
use crate::job::command::Command;
use crate::model::kill::Signal;
use crate::model::mechanism::Mechanism;
use crate::model::stream::Stream;
use crate::model::verdict::Holder;
use crate::slots::{Id, Table};
use crate::sys::api::{End, Event, Exit, StartError, Started, WhenDone, at_most};
use crate::sys::base::windows::codes::{ReadFate, read_fate};
use crate::sys::faults::{Fault, Point, delay, inject, shuffle};

/// How long an engine that goes away before its processes waits for its reads.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// A killed process ends within this time, or will not end at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// Killed processes take a moment to end.
const MOMENT: Duration = Duration::from_millis(2);

/// How long to wait before looking again whether others have left a process's job.
const LOOK_LATER: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Engine {
    launcher: Launcher,
    host: Arc<SystemContext>,
    children: Table<Child>,
    driver: Driver,
    /// Reads that were finished, or refused, at once.
    ready: VecDeque<Finished>,
    /// How many of those are still to be looked at in this turn.
    ready_now: usize,
    retries: Retries,
    is_paused: bool,
    /// Processes that have ended while we are paused, with others in their jobs.
    ended_while_paused: Vec<Id>,
    /// Finished reads with bytes that are announced when reading is resumed.
    unread: Vec<Finished>,
    /// The read whose bytes were announced last.
    announced: Option<Box<Op>>,
    /// The bytes that a thread has read.
    bytes: Vec<u8>,
    in_flight: usize,
    /// Processes whose holders are to be named, in the next turn.
    to_name: Vec<Id>,
    /// Trees that were killed, and since when we have been looking whether they are gone.
    clearing: Vec<(Id, Instant)>,
    cleared: Vec<(Id, Vec<Holder>)>,
}

/// What came of an event.
enum Step {
    Output(Id, Stream),
    Bytes(Id, Stream),
    End(Id, Stream, End),
    Nothing,
}

impl Engine {
    /// Made by the thread that will use it.
    pub(crate) fn new(mechanism: Mechanism, host: Arc<SystemContext>) -> io::Result<Engine> {
        Ok(Engine {
            launcher: Launcher::new(host.clone()),
            children: Table::new(),
            driver: Driver::new(mechanism, host.clone())?,
            host,
            ready: VecDeque::new(),
            ready_now: 0,
            retries: Retries::default(),
            is_paused: false,
            ended_while_paused: Vec::new(),
            unread: Vec::new(),
            announced: None,
            bytes: Vec::new(),
            in_flight: 0,
            to_name: Vec::new(),
            clearing: Vec::new(),
            cleared: Vec::new(),
        })
    }

    pub(crate) fn waker(&self) -> Waker {
        self.driver.waker()
    }

    /// Starts a process and begins to capture both of its streams.
    pub(crate) fn start(&mut self, id: Id, command: &Command) -> Result<Started, StartError> {
        let is_overlapped = self.driver.is_overlapped();
        let pair = || {
            let made = self.host.pair(is_overlapped);
            made.map_err(|error| cannot_capture(command, "create a pipe", error))
        };
        let (mut out, mut err) = (pair()?, pair()?);
        if self.driver.skips_packets() {
            out.ours.skip_packets();
            err.ours.skip_packets();
        }
        let ours = [Arc::new(out.ours), Arc::new(err.ours)];
        let theirs = [out.theirs, err.theirs];
        // Before the process exists: if this is refused, it can be tried again.
        let attached = self.driver.attach(id, &ours);
        attached.map_err(|error| cannot_capture(command, "watch its output", error))?;
        let launched = self.launcher.start(command, theirs);
        let launched = launched.inspect_err(|_| self.driver.forget(id))?;
        let started = Started {
            pid: launched.pid,
            is_loaded: true,
            is_contained: launched.job.is_some(),
        };
        let child = Child::new(launched, ours.clone());
        self.driver.watch(id, child.process.clone());
        self.children.insert(id, child);
        self.host.started();
        if is_overlapped {
            for (stream, pipe) in Stream::ALL.into_iter().zip(ours) {
                let target = self.driver.target(id, stream);
                self.submit(driver::read(id, stream, pipe, target));
            }
        }
        Ok(started)
    }

    /// Waits until something happens, the waker is called, or the time has passed.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut timeout = timeout;
        if let Some(due) = self.retries.next_due() {
            let now = Instant::now();
            let left = due.saturating_duration_since(now);
            if left.is_zero() || !self.driver.wake_in(left) {
                timeout = at_most(timeout, left);
            }
        }
        self.look_at_killed();
        if !self.clearing.is_empty() {
            timeout = at_most(timeout, MOMENT);
        }
        for id in std::mem::take(&mut self.ended_while_paused) {
            self.read_rest(id);
        }
        if !self.ended_while_paused.is_empty() {
            timeout = at_most(timeout, LOOK_LATER);
        }
        if !(self.ready.is_empty() && self.to_name.is_empty() && self.cleared.is_empty()) {
            timeout = Some(Duration::ZERO);
        }
        self.driver.wait(timeout)?;
        match inject(Point::Wait) {
            Some(Fault::Shuffle(number)) => shuffle(self.ready.make_contiguous(), number),
            Some(Fault::Delay(us)) => delay(us),
            _ => {}
        }
        for op in self.retries.take_due(Instant::now()) {
            self.rearm(op);
        }
        self.ready_now = self.ready.len();
        Ok(())
    }

    /// The next thing that happened, none when a new wait is due. Ids are of live processes only.
    ///
    /// Of what is ready at once, no more is announced in a turn than there was at its beginning: a
    /// process that never stops writing does not keep the others out.
    pub(crate) fn next(&mut self) -> Option<(Id, Event<'_>)> {
        if let Some(op) = self.announced.take() {
            self.rearm(op);
        }
        if let Some((id, survivors)) = self.cleared.pop() {
            return Some((id, Event::Cleared(survivors)));
        }
        while let Some(id) = self.to_name.pop() {
            if let Some(child) = self.children.get_mut(id) {
                // The same for both streams: it is unknown which of them the processes have.
                let left = child.left_behind();
                return Some((id, Event::HoldersNamed([left.clone(), left])));
            }
        }
        loop {
            let step = match self.driver.next() {
                Some(DriverEvent::Exited(id)) => {
                    match self.children.get_mut(id).and_then(Child::take_exit) {
                        Some(exit) => {
                            if self.is_paused {
                                self.read_rest(id);
                            }
                            return Some((id, Event::Exited(exit)));
                        }
                        None => Step::Nothing,
                    }
                }
                Some(DriverEvent::Read(finished)) => {
                    self.in_flight -= 1;
                    self.finish(finished)
                }
                Some(DriverEvent::Bytes(id, stream, bytes)) => {
                    self.bytes = bytes;
                    Step::Bytes(id, stream)
                }
                Some(DriverEvent::End(id, stream, end)) => Step::End(id, stream, end),
                Some(DriverEvent::Signalled(..)) => Step::Nothing,
                None => {
                    self.ready_now = self.ready_now.checked_sub(1)?;
                    let finished = self.ready.pop_front()?;
                    self.finish(finished)
                }
            };
            match step {
                Step::Nothing => {}
                Step::Output(id, stream) => {
                    let op = self.announced.as_ref().expect("set along with the step");
                    return Some((id, Event::Output(stream, op.output())));
                }
                Step::Bytes(id, stream) => {
                    if self.children.get_mut(id).is_some() {
                        return Some((id, Event::Output(stream, &self.bytes)));
                    }
                }
                Step::End(id, stream, end) => {
                    if let Some(child) = self.children.get_mut(id) {
                        *child.stream_state(stream) = StreamState::Ended;
                        return Some((id, Event::End(stream, end)));
                    }
                }
            }
        }
    }

    /// Has the processes found that may have streams of this one open: all that are left in its
    /// job, for either stream.
    pub(crate) fn name_holders(&mut self, id: Id) {
        self.to_name.push(id);
    }

    /// Whether streams are left unread. Then processes wait when their pipes are full. All else is
    /// announced, and so is what is in the pipe of a stream that we [leave](Engine::release), or of
    /// a process that has ended.
    pub(crate) fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        self.driver.set_paused(is_paused);
        self.ended_while_paused.clear();
        if !is_paused {
            self.ready.extend(self.unread.drain(..));
            return;
        }
        let ended = |(id, child): (Id, &mut Child)| child.has_exited.then_some(id);
        let ended: Vec<_> = self.children.iter_mut().filter_map(ended).collect();
        ended.into_iter().for_each(|id| self.read_rest(id));
    }

    /// The streams of a process that has ended have no writers, unless others are in its
    /// job: what is in their pipes is read though we are paused. Others may end as well, some only
    /// a moment later, so these are looked at again: a console's host is one of them.
    fn read_rest(&mut self, id: Id) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if child.has_left_behind() {
            self.ended_while_paused.push(id);
            return;
        }
        Stream::ALL
            .into_iter()
            .for_each(|stream| self.release(id, stream));
    }

    /// Stops reading a stream, after what is in its pipe now. Its end is announced as any other.
    pub(crate) fn release(&mut self, id: Id, stream: Stream) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let stream_state = child.stream_state(stream);
        let StreamState::Reading(pipe) = stream_state else {
            return;
        };
        let pipe = pipe.clone();
        *stream_state = StreamState::Released {
            pipe: pipe.clone(),
            left: None,
        };
        let is_its = |op: &Op| (op.mine.id, op.mine.stream) == (id, stream);
        let unread = self.unread.iter().position(|read| is_its(&read.op));
        if let Some(op) = self.retries.take(id, stream) {
            self.rearm(op);
        } else if let Some(place) = unread {
            self.ready.push_back(self.unread.swap_remove(place));
        } else {
            // A read in flight ends; its bytes, if it has some by now, are kept.
            self.driver.release(id, stream, &pipe);
        }
    }

    pub(crate) fn signal(&mut self, id: Id, signal: Signal) {
        if let Some(child) = self.children.get_mut(id) {
            child.signal(signal);
        }
    }

    /// Stops nothing: there are only undocumented calls for that, and those for debuggers, which
    /// would stop its threads one by one. What runs goes on.
    pub(crate) fn suspend(&mut self, _: &[Id], done: WhenDone) {
        done();
    }

    /// Does nothing, as nothing was stopped.
    pub(crate) fn resume(&mut self, _: &[Id]) {}

    /// A process that was killed has not been seen to exit: it is looked at once more, and its
    /// exit, if there is one, returned. In neither case is its exit announced.
    pub(crate) fn give_up(&mut self, id: Id) -> Option<Exit> {
        self.children.get_mut(id)?.give_up()
    }

    /// Checks whether everything is gone that was in the job of a process which was ended; what is
    /// not is announced.
    pub(crate) fn clear(&mut self, id: Id) {
        self.clearing.push((id, Instant::now()));
    }

    fn look_at_killed(&mut self) {
        let (children, cleared) = (&mut self.children, &mut self.cleared);
        self.clearing.retain(|(id, since)| {
            let Some(child) = children.get_mut(*id) else {
                return false;
            };
            if !child.has_left_behind() {
                cleared.push((*id, Vec::new()));
            } else if since.elapsed() >= PATIENCE {
                cleared.push((*id, child.left_behind()));
            } else {
                return true;
            }
            false
        });
    }

    /// Ends all there is of a process that has exited and whose streams have ended. Returns how
    /// often a read had to be tried again.
    pub(crate) fn forget(&mut self, id: Id) -> u32 {
        self.driver.forget(id);
        let Some(child) = self.children.remove(id) else {
            return 0;
        };
        self.host.ended();
        let read_retries = child.read_retries;
        child.reap();
        read_retries
    }

    fn submit(&mut self, op: Box<Op>) {
        match self.driver.submit(op) {
            Submitted::InFlight(_) => self.in_flight += 1,
            Submitted::Done(finished) | Submitted::Failed(finished) => {
                self.ready.push_back(finished);
            }
        }
    }

    /// Submits the next read of a stream, if there is to be one.
    fn rearm(&mut self, mut op: Box<Op>) {
        let (id, stream) = (op.mine.id, op.mine.stream);
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        match child.stream_state(stream) {
            StreamState::Ended => {}
            StreamState::Reading(_) => {
                op.limit(u64::MAX);
                self.submit(op);
            }
            StreamState::Released { pipe, left } => match bytes_left(pipe, left) {
                Ok(0) => self.ready.push_back(Finished::nothing_left(op)),
                Ok(count) => {
                    op.limit(count);
                    self.submit(op);
                }
                Err(code) => {
                    self.ready.push_back(Finished { op, bytes: 0, code });
                }
            },
        }
    }

    /// What a finished read asks for.
    fn finish(&mut self, finished: Finished) -> Step {
        let Finished {
            mut op,
            bytes,
            code,
        } = finished;
        let (id, stream) = (op.mine.id, op.mine.stream);
        let Some(child) = self.children.get_mut(id) else {
            return Step::Nothing;
        };
        if self.is_paused
            && bytes > 0
            && matches!(child.stream_state(stream), StreamState::Reading(_))
        {
            self.unread.push(Finished { op, bytes, code });
            return Step::Nothing;
        }
        if bytes > 0 {
            // Bytes are kept even of a read that was cancelled or has a warning; what the code
            // means, if it is more than that, the next read reports again.
            if let StreamState::Released {
                left: Some(left), ..
            } = child.stream_state(stream)
            {
                *left = left.saturating_sub(bytes as u64);
            }
            op.mine.tries = ReadBackoff::default();
            op.keep(bytes);
            self.announced = Some(op);
            return Step::Output(id, stream);
        }
        if code == 0 {
            // Nothing was written, which is not the end, or else everything that was to be read
            // before we leave has been.
            if let StreamState::Released { left: Some(0), .. } = child.stream_state(stream) {
                return Step::End(id, stream, End::Released);
            }
            self.rearm(op);
            return Step::Nothing;
        }
        match read_fate(code) {
            ReadFate::Eof => Step::End(id, stream, End::Eof),
            ReadFate::More => {
                self.rearm(op);
                Step::Nothing
            }
            ReadFate::Aborted
                if matches!(child.stream_state(stream), StreamState::Released { .. }) =>
            {
                self.rearm(op);
                Step::Nothing
            }
            ReadFate::Aborted if !op.mine.tries.rearmed => {
                op.mine.tries.rearmed = true;
                self.rearm(op);
                Step::Nothing
            }
            ReadFate::Exhausted => {
                child.read_retries = child.read_retries.saturating_add(1);
                match self.retries.put(op, Instant::now()) {
                    Ok(_) => Step::Nothing,
                    Err(_) => Step::End(id, stream, End::Failed(from_code(code))),
                }
            }
            ReadFate::Aborted | ReadFate::Fatal => {
                Step::End(id, stream, End::Failed(from_code(code)))
            }
        }
    }
}

/// How much is still to be read of a pipe that is being left: what was in it when that was first
/// asked, so that a writer which never stops cannot keep us.
fn bytes_left(pipe: &Pipe, left: &mut Option<u64>) -> Result<u64, u32> {
    let waiting = u64::from(pipe.bytes_waiting()?);
    let left = left.get_or_insert(waiting);
    *left = waiting.min(*left);
    Ok(*left)
}

impl Drop for Engine {
    /// A shard ends when none of its processes is left, so there is something to do here only when
    /// it panics: then everything is ended, and the reads in flight are waited for, since the
    /// kernel still writes to their buffers. Those that do not come in time are never freed.
    fn drop(&mut self) {
        for (_, child) in self.children.iter_mut() {
            child.pipes().for_each(|pipe| pipe.cancel_reads());
        }
        for (_, child) in self.children.drain() {
            child.reap();
        }
        let deadline = Instant::now() + LAST_WAIT;
        while self.in_flight > 0 && Instant::now() < deadline {
            if self.driver.wait(Some(Duration::from_millis(10))).is_err() {
                break;
            }
            while let Some(event) = self.driver.next() {
                if let DriverEvent::Read(_) = event {
                    self.in_flight -= 1;
                }
            }
        }
        if self.in_flight > 0 {
            self.driver.leak();
        }
    }
}

#[cfg(test)]
mod tests;
