//! One shard's mechanism and the processes that it announces: what all mechanisms of Linux have
//! in common. Each adds how it learns that a pipe can be, or has been, read.

mod starts;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::child::{Child, Ended, Straggler};
use super::driver::Driver;
use super::driver::event::DriverEvent;
use super::exits::Exits;
use super::host::SystemContext;
use super::pipe::all_writers_gone;
use super::signals;
use super::start::failure::cannot_capture;
use super::start::launch::Launcher;
use super::tree::{Answer, TreeKiller};
use super::wait::OwnMaxRss;
use super::waker::Waker;
use crate::job::command::Command;
use crate::model::kill::Signal;
use crate::model::mechanism::Mechanism;
use crate::model::stream::Stream;
use crate::slots::{Id, Table};
use crate::sys::api::{Event, Exit, StartError, Started, WhenDone, at_most};
use crate::sys::faults::{self, Point};

/// How often processes are looked at that do not exit, or whose streams others have.
const LOOK_LATER: Duration = Duration::from_millis(100);

/// How often we look for stopped processes, if they are to be reported; less often if that would
/// take more than a twentieth of the time.
const STOPS_EVERY: Duration = Duration::from_millis(200);
const STOPS_PACE: u32 = 20;

/// How long it may take until the processes that we have stopped run again.
const CONTINUED_BY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Engine {
    launcher: Launcher,
    children: Table<Child>,
    exits: Exits,
    /// Processes to ask, this turn, whether they have exited.
    to_ask: Vec<Id>,
    own_max_rss: OwnMaxRss,
    killer: TreeKiller,
    /// Answers of the searcher that have not been announced.
    answers: Vec<Answer>,
    /// Processes whose programs are not loaded yet. Some may be gone.
    starting: Vec<Id>,
    /// Processes that are finished with and have not exited.
    stragglers: Vec<Straggler>,
    /// To be announced: processes whose slow programs were loaded, and those that were stopped,
    /// with the signal.
    loaded: Vec<Id>,
    not_started: Vec<(Id, StartError)>,
    stopped: Vec<(Id, i32)>,
    /// When to look for stopped processes, if that is wanted.
    stops_at: Option<Instant>,
    /// Whether all processes are suspended, so that stops are not reported.
    suspended_since: Option<Instant>,
    is_paused: bool,
    /// Processes that have ended while we are paused, and whose streams others have.
    ended_while_paused: Vec<Id>,
    waker: Waker,
    driver: Driver,
}

/// Whether this machine offers the mechanism, or why not.
pub(crate) fn probe(mechanism: Mechanism) -> Result<(), String> {
    match mechanism {
        Mechanism::IoUring => super::driver::uring::probe(),
        Mechanism::Epoll | Mechanism::Threads => Ok(()),
        Mechanism::CompletionPort | Mechanism::ThreadPool | Mechanism::Events | Mechanism::Apc => {
            Err("it is a mechanism of Windows".into())
        }
    }
}

impl Engine {
    /// Made by the thread that will use it, whose signals it blocks for good.
    pub(crate) fn new(mechanism: Mechanism, host: Arc<SystemContext>) -> io::Result<Engine> {
        signals::block_all();
        let waker = Waker::new()?;
        Ok(Engine {
            killer: host.trees.killer(waker.clone()),
            stops_at: host.watches_stops.then(Instant::now),
            launcher: Launcher::new(host)?,
            children: Table::new(),
            exits: Exits::default(),
            to_ask: Vec::new(),
            own_max_rss: OwnMaxRss::default(),
            answers: Vec::new(),
            starting: Vec::new(),
            stragglers: Vec::new(),
            loaded: Vec::new(),
            not_started: Vec::new(),
            stopped: Vec::new(),
            suspended_since: None,
            is_paused: false,
            ended_while_paused: Vec::new(),
            driver: Driver::new(mechanism, waker.clone())?,
            waker,
        })
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Starts a process and begins to capture both of its streams. If its program is not loaded at
    /// once, the result is announced later.
    pub(crate) fn start(&mut self, id: Id, command: &Command) -> Result<Started, StartError> {
        let pipes = Launcher::open_pipes(command)?;
        // Before the process exists: if this is refused, it can be tried again.
        let attached = faults::fail(Point::Attach)
            .map_err(io::Error::from)
            .and_then(|()| self.driver.attach(id, &pipes.ours));
        if let Err(error) = attached {
            // One of the two may be attached.
            self.driver.detach(id, &pipes.ours);
            return Err(cannot_capture(command, error));
        }
        let started = self.launcher.start(command, pipes.theirs);
        let begun = started.inspect_err(|_| self.driver.detach(id, &pipes.ours))?;
        let now = Instant::now();
        let child = Child::new(begun, command, now, pipes.ours);
        let started = Started {
            pid: child.raw_pid(),
            is_loaded: child.start.is_none(),
            is_contained: child.cgroup.is_some() || !self.launcher.needs_cgroups(),
        };
        if !started.is_loaded {
            self.starting.push(id);
        }
        self.children.insert(id, child);
        self.exits.started(id, now);
        self.killer.keep_spares();
        Ok(started)
    }

    /// Waits until something happens, the waker is called, or the time has passed.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = self.ask_lingering(timeout);
        let timeout = self.watch_grown(timeout);
        let timeout = self.ask_unwatched(timeout);
        let timeout = self.look_at_starts(timeout);
        let timeout = self.look_at_stops(timeout);
        let timeout = self.look_at_stragglers(timeout);
        let timeout = self.look_at_ended_while_paused(timeout);
        let timeout = sooner(timeout, self.killer.due());
        self.driver.wait(timeout)?;
        self.answers = self.killer.take_answers();
        Ok(())
    }

    /// The next thing that happened, none when a new wait is due. Ids are of live processes only.
    pub(crate) fn next(&mut self) -> Option<(Id, Event<'_>)> {
        if let Some((id, event)) = self.next_answer() {
            return Some((id, event));
        }
        loop {
            match self.driver.next(&mut self.children) {
                Some(DriverEvent::Output(id, stream)) => {
                    return Some((id, Event::Output(stream, self.driver.output())));
                }
                Some(DriverEvent::End(id, stream, end)) => {
                    let Some(child) = self.children.get_mut(id) else {
                        continue;
                    };
                    child.close(stream);
                    if child.is_running() && !child.has_open_pipe() {
                        self.to_ask.push(id);
                    }
                    return Some((id, Event::End(stream, end)));
                }
                Some(DriverEvent::Exited(id)) => self.to_ask.push(id),
                None => {
                    let id = self.to_ask.pop()?;
                    match self.poll_exit(id) {
                        Some(Ended::Exited(exit)) => {
                            if self.is_paused {
                                self.read_rest(id);
                            }
                            return Some((id, Event::Exited(exit)));
                        }
                        Some(Ended::NotStarted(error)) => {
                            return Some((id, Event::NotStarted(error)));
                        }
                        None => {}
                    }
                }
            }
        }
    }

    fn next_answer(&mut self) -> Option<(Id, Event<'static>)> {
        while let Some(answer) = self.answers.pop() {
            match answer {
                Answer::Holders(id, holders) if self.children.get_mut(id).is_some() => {
                    return Some((id, Event::HoldersNamed(holders)));
                }
                Answer::Cleared(id, survivors) if self.children.get_mut(id).is_some() => {
                    return Some((id, Event::Cleared(survivors)));
                }
                Answer::Resumed(ids) => self.continue_groups(&ids),
                Answer::Holders(..) | Answer::Cleared(..) => {}
            }
        }
        if let Some((id, error)) = self.not_started.pop() {
            return Some((id, Event::NotStarted(error)));
        }
        if let Some(id) = self.loaded.pop() {
            return Some((id, Event::Loaded));
        }
        let (id, signal) = self.stopped.pop()?;
        Some((id, Event::Stopped(signal)))
    }

    fn poll_exit(&mut self, id: Id) -> Option<Ended> {
        let child = self.children.get_mut(id)?;
        let launcher = &mut self.launcher;
        let ended = child.poll_exit(&mut self.own_max_rss, |child| {
            starts::finish(launcher, child)
        });
        if ended.is_none() && child.is_unwatched() && !child.has_open_pipe() && !child.is_asked {
            self.exits.linger(id);
        }
        ended
    }

    /// Has the processes found that hold the streams of this one; they are announced later.
    pub(crate) fn name_holders(&mut self, id: Id) {
        if let Some(child) = self.children.get_mut(id) {
            self.killer.name_holders(id, child.held_pipes());
        }
    }

    /// Whether streams are left unread. Then processes wait when their pipes are full. All else is
    /// announced, and so is what is in the pipe of a stream that we [leave](Engine::release), or of
    /// a process that has ended.
    pub(crate) fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        self.driver.set_paused(is_paused, &mut self.children);
        self.ended_while_paused.clear();
        if is_paused {
            let ended = |(id, child): (Id, &mut Child)| (!child.is_running()).then_some(id);
            let ended: Vec<_> = self.children.iter_mut().filter_map(ended).collect();
            ended.into_iter().for_each(|id| self.read_rest(id));
        }
    }

    /// Releases a stream: it is read up to what is in its pipe now. Its end is announced as any
    /// other.
    pub(crate) fn release(&mut self, id: Id, stream: Stream) {
        let child = self.children.get_mut(id);
        if let Some(pipe) = child.and_then(|child| child.release(stream)) {
            self.driver.release(id, stream, &pipe);
        }
    }

    /// The streams of a process that has ended have no writers, unless other processes have them:
    /// what is in their pipes is read though we are paused. Others may end as well, some only a
    /// moment later, so these are looked at again.
    fn read_rest(&mut self, id: Id) {
        let mut is_held = false;
        for stream in Stream::ALL {
            let child = self.children.get_mut(id);
            match child.and_then(|child| child.pipe(stream)) {
                Some(pipe) if all_writers_gone(pipe) => self.release(id, stream),
                Some(_) => is_held = true,
                None => {}
            }
        }
        if is_held {
            self.ended_while_paused.push(id);
        }
    }

    /// Sends a signal to a process and its whole tree: to its group and its family now, to
    /// descendants that have left both a little later.
    pub(crate) fn signal(&mut self, id: Id, signal: Signal) {
        // A program that has just been loaded can be asked to end.
        self.settle(id);
        // From here on another process may get its id: a descriptor identifies it, if there is one.
        self.watch(id);
        if let Some(child) = self.children.get_mut(id) {
            signal_tree(&mut self.killer, child, signal);
        }
    }

    /// Stops processes and their trees, and calls this when they are stopped.
    pub(crate) fn suspend(&mut self, ids: &[Id], done: WhenDone) {
        self.suspended_since.get_or_insert_with(Instant::now);
        let mut trees = Vec::new();
        for id in ids {
            if let Some(child) = self.children.get_mut(*id) {
                child.set_stopped(true);
                trees.push((*id, child.root()));
            }
        }
        self.killer.suspend(trees, done);
    }

    /// Continues them: descendants first, so that no parent finds its children stopped.
    pub(crate) fn resume(&mut self, ids: &[Id]) {
        let pause = self.suspended_since.take().map(|since| since.elapsed());
        for id in &self.starting {
            if let Some(child) = self.children.get_mut(*id)
                && let Some(start) = &mut child.start
            {
                start.loading.begun += pause.unwrap_or_default();
            }
        }
        // Stops made by us are not reported.
        self.put_stops_off(CONTINUED_BY);
        self.killer.resume(ids);
    }

    fn put_stops_off(&mut self, by: Duration) {
        if let Some(at) = &mut self.stops_at {
            *at = Instant::now() + by;
        }
    }

    fn continue_groups(&mut self, ids: &[Id]) {
        for id in ids {
            if let Some(child) = self.children.get_mut(*id)
                && self.suspended_since.is_none()
            {
                child.set_stopped(false);
            }
        }
        self.put_stops_off(STOPS_EVERY);
    }

    /// A process that was killed has not been seen to exit: it is looked at once more, and its
    /// exit, if there is one, returned. Else it is no longer waited for, and reaped if it exits
    /// later. In neither case is its exit announced.
    pub(crate) fn give_up(&mut self, id: Id) -> Option<Exit> {
        let child = self.children.get_mut(id)?;
        let launcher = &mut self.launcher;
        child.give_up(&mut self.own_max_rss, |child| {
            starts::finish(launcher, child)
        })
    }

    /// Kills everything left of an ended process's tree; `Event::Cleared` names what survives.
    pub(crate) fn clear(&mut self, id: Id) {
        if let Some(child) = self.children.get_mut(id) {
            self.killer.clear(id, child.root(), child.killed.clone());
        }
    }

    /// Releases everything kept for a process that has exited and whose streams have ended. Returns
    /// how often a read had to be tried again: never, on Linux.
    pub(crate) fn forget(&mut self, id: Id) -> u32 {
        self.driver.forget(id);
        if let Some(child) = self.children.remove(id) {
            if self.suspended_since.is_some() {
                // It has ended during a suspension. Nothing else continues what it leaves behind.
                self.killer.resume(&[id]);
            }
            self.stragglers.extend(child.reap());
        }
        0
    }

    /// Asks processes that closed their pipes in an earlier turn whether they have exited by now.
    /// Before the shard goes to sleep, those that have not get a pidfd.
    fn ask_lingering(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        if !self.exits.has_lingering() {
            return timeout;
        }
        let busy = timeout == Some(Duration::ZERO);
        if !busy {
            // A process closes its pipes a few microseconds before it has exited; let it.
            thread::yield_now();
        }
        for id in self.exits.take_lingering() {
            let Some(child) = self.children.get_mut(id) else {
                continue;
            };
            if busy || (faults::fail(Point::Look).is_ok() && child.has_exited()) {
                self.to_ask.push(id);
            } else {
                self.watch(id);
            }
        }
        if self.to_ask.is_empty() {
            timeout
        } else {
            Some(Duration::ZERO)
        }
    }

    /// Watches the exit of processes that have come of age, and shortens the wait so that the
    /// next one is not missed.
    fn watch_grown(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let children = &mut self.children;
        let is_young = |id| {
            children
                .get_mut(id)
                .is_some_and(|child| child.is_unwatched())
        };
        let Some(due) = self.exits.next_due(is_young) else {
            return timeout;
        };
        let now = Instant::now();
        if due > now {
            return at_most(timeout, due - now);
        }
        while let Some(id) = self.exits.next_grown(now) {
            self.watch(id);
        }
        // Another may be due soon; one short turn finds out.
        at_most(timeout, Duration::from_millis(1))
    }

    fn watch(&mut self, id: Id) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if !child.is_unwatched() {
            return;
        }
        let watched = faults::fail(Point::Watch).map_err(io::Error::from);
        let watched = watched.and_then(|()| child.watch());
        let watched = watched.and_then(|pidfd| self.driver.watch(id, pidfd));
        if watched.is_err() {
            // Now or ever, for whatever reason: its exit is polled for, at once and from time to
            // time.
            child.unwatch();
            self.to_ask.push(id);
            if !std::mem::replace(&mut child.is_asked, true) {
                self.exits.ask(id, Instant::now());
            }
        }
    }

    /// Polls the processes that cannot be watched for their exits, and tries to watch them again.
    fn ask_unwatched(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let now = Instant::now();
        if self.exits.ask_at().is_some_and(|at| at <= now) {
            let mut still = Vec::new();
            for id in self.exits.take_asked() {
                let Some(child) = self.children.get_mut(id).filter(|child| child.is_running())
                else {
                    continue;
                };
                if child.has_exited() {
                    self.to_ask.push(id);
                }
                still.push(id);
            }
            self.exits.ask_again(still, now.elapsed(), Instant::now());
        }
        if !self.to_ask.is_empty() {
            return Some(Duration::ZERO);
        }
        sooner(timeout, self.exits.ask_at())
    }

    fn look_at_stragglers(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let failed = self.launcher.exiting.drain(..);
        self.stragglers
            .extend(failed.map(|(pid, cgroup)| Straggler::new(pid, cgroup)));
        self.stragglers.retain(|straggler| !straggler.is_gone());
        if self.stragglers.is_empty() {
            return timeout;
        }
        at_most(timeout, LOOK_LATER)
    }

    fn look_at_ended_while_paused(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        for id in std::mem::take(&mut self.ended_while_paused) {
            self.read_rest(id);
        }
        if self.ended_while_paused.is_empty() {
            return timeout;
        }
        at_most(timeout, LOOK_LATER)
    }

    /// Looks for stopped processes, if they are to be reported.
    fn look_at_stops(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let Some(at) = self.stops_at else {
            return timeout;
        };
        let now = Instant::now();
        if at <= now && self.suspended_since.is_none() {
            for (id, child) in self.children.iter_mut() {
                if let Some(signal) = child.poll_stop() {
                    self.stopped.push((id, signal));
                }
            }
            let pause = STOPS_EVERY.max(now.elapsed() * STOPS_PACE);
            self.stops_at = Some(Instant::now() + pause);
        }
        if !self.stopped.is_empty() {
            return Some(Duration::ZERO);
        }
        let has_any = self.children.iter_mut().next().is_some();
        match !has_any || self.suspended_since.is_some() {
            true => timeout,
            false => sooner(timeout, self.stops_at),
        }
    }
}

/// Sends a signal to the family of a process, to its group, and to the rest of its tree.
fn signal_tree(killer: &mut TreeKiller, child: &mut Child, signal: Signal) {
    let number = signals::to_system(signal);
    let seen = killer.signal_family(child.root(), number, &mut child.killed);
    child.signal(signal);
    killer.signal_rest(child.root(), number, seen);
}

fn sooner(timeout: Option<Duration>, at: Option<Instant>) -> Option<Duration> {
    let Some(at) = at else { return timeout };
    let until = at.saturating_duration_since(Instant::now());
    at_most(timeout, until)
}

impl Drop for Engine {
    /// A shard ends when none of its processes is left, so there is something to do here only when
    /// it panics. Nothing looks later whether their trees are gone.
    fn drop(&mut self) {
        let mut left = HashSet::new();
        for (id, child) in self.children.iter_mut() {
            signal_tree(&mut self.killer, child, Signal::Kill);
            self.killer.clear(id, child.root(), child.killed.clone());
            left.insert(id);
        }
        while !left.is_empty() {
            for answer in self.killer.take_answers() {
                if let Answer::Cleared(id, _) = answer {
                    left.remove(&id);
                }
            }
            thread::sleep(Duration::from_millis(1));
        }
        for (_, child) in self.children.drain() {
            // What does not end here is no longer looked after.
            drop(child.reap());
        }
    }
}

#[cfg(test)]
mod tests;
