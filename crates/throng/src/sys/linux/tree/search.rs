//! The thread that looks at other processes for all shards of a `Throng`: which of them have a
//! mark, are in a group, or hold a pipe.
//!
//! Such a look is expensive where there are many processes, and may never return: reading the
//! environment or the command line of a process waits for a lock that this process may hold for
//! ever (its `mmap_lock`, in /proc/PID/environ and cmdline). No shard waits for that. It asks, goes
//! on, and is woken for the answer; a question that is not answered in time is given up by the
//! shard.
//!
//! When a look at one process takes too long, its thread is given up as lost; another thread takes
//! its place and leaves this process alone.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::census::{Census, Root, Watcher, raw};
use super::chase::Newcomers;
use super::group::Group;
use super::holders::{Holders, Question};
use super::procfs::{Name, Stat};
use super::standstill::{self, AllStopped, Still, Stopped};
use super::tag::{Number, RunId};
use crate::model::verdict::Holder;
use crate::slots::Id;
use crate::sync::lock;
use crate::sys::api::WhenDone;
use crate::sys::linux::waker::Waker;

/// At most a fifth of the time is spent on looking.
const PACE: u32 = 4;

/// A killed process ends within this time, or will not end at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long one look chases a process that goes on by starting another and ending.
const CHASE: Duration = Duration::from_millis(100);

/// So many times in a row the newest processes are looked at in vain, if some of them have gone by
/// then: they may have left a successor.
const CHASED_IN_VAIN: u32 = 8;

/// When to try again to have descriptors for a time when there are no others.
const SPARES_AGAIN: Duration = Duration::from_millis(20);

/// Killed processes take a moment to end; looking again before that is of no use.
const MOMENT: Duration = Duration::from_millis(1);

/// A look at one process that takes longer than this will not end.
const STUCK_AFTER: Duration = Duration::from_millis(800);

/// How many threads may be lost; after that nothing is read any more that may take long.
const LOST_MAX: usize = 4;

/// What a shard wants to know, or wants done.
#[derive(Debug)]
pub(crate) enum Task {
    /// Send this to the processes of a tree that have its mark or are in its control group.
    Signal {
        root: Root,
        leaf: Option<Group>,
        signal: Signal,
        seen: HashSet<Name>,
    },
    /// Kill what is left of a tree, and name what does not end.
    Clear(Tree),
    /// Find out which processes hold these pipes.
    Name(Id, [Option<Question>; 2], Client),
    /// Stop these trees, whose groups are stopped already, and call this.
    Stop(Vec<Still>, Client, Done),
    /// Continue the processes that were stopped.
    Continue(Vec<Id>, Client),
}

/// Called when something is done, or dropped.
pub(crate) struct Done(pub(crate) Option<WhenDone>);

/// A tree that is to end, and what is known of it.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) id: Id,
    pub(crate) root: Root,
    pub(crate) leaf: Option<Group>,
    /// The processes that have been killed and may not be gone yet.
    pub(crate) killed: HashSet<Name>,
    pub(crate) client: Client,
    pub(crate) since: Option<Instant>,
    /// The processes that the last look has found and that had not been killed before.
    pub(crate) latest: Vec<Holder>,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Holders(Id, [Vec<Holder>; 2]),
    /// Nothing is left of a tree except these.
    Cleared(Id, Vec<Holder>),
    Continued(Vec<Id>),
}

/// A shard that gets answers.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    answers: Arc<Mutex<Vec<Answer>>>,
    waker: Waker,
}

/// The thread, or the one that has taken its place.
#[derive(Debug)]
pub(crate) struct Searcher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    run: RunId,
    /// What was stopped of which tree. A thread that takes another's place continues it.
    stopped: AllStopped,
    state: Mutex<State>,
    changed: Condvar,
    /// Whether the thread has given up descriptors that it keeps for looks.
    lacks_spares: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    tasks: Vec<Task>,
    /// Which thread does the work: the earlier ones are lost.
    generation: usize,
    is_closed: bool,
    /// Whether there may be descriptors for the thread to keep.
    has_descriptors: bool,
    /// Whether the thread that should do the work could not be started.
    has_no_thread: bool,
    /// The process that the thread is looking at, and since when.
    looking_at: Option<(Name, Instant)>,
    /// The processes at which threads were lost.
    avoided: HashSet<Name>,
}

impl Client {
    pub(crate) fn new(waker: Waker) -> Client {
        Client {
            answers: Arc::default(),
            waker,
        }
    }

    pub(crate) fn take_answers(&self) -> Vec<Answer> {
        std::mem::take(&mut *lock(&self.answers))
    }

    fn answer(&self, answer: Answer) {
        lock(&self.answers).push(answer);
        self.waker.wake();
    }

    /// Distinguishes this shard from others.
    fn key(&self) -> usize {
        Arc::as_ptr(&self.answers) as usize
    }
}

impl Searcher {
    pub(crate) fn start(run: RunId) -> io::Result<Searcher> {
        let searcher = Searcher {
            shared: Arc::new(Shared {
                run,
                stopped: Mutex::default(),
                state: Mutex::default(),
                changed: Condvar::new(),
                lacks_spares: AtomicBool::new(false),
            }),
        };
        searcher.shared.clone().spawn(0)?;
        Ok(searcher)
    }

    pub(crate) fn ask(&self, task: Task) {
        lock(&self.shared.state).tasks.push(task);
        self.shared.changed.notify_one();
    }

    /// Has descriptors kept again that were given up for looks, while there are some.
    pub(crate) fn keep_spares(&self) {
        if self.shared.lacks_spares.load(Ordering::Relaxed) {
            lock(&self.shared.state).has_descriptors = true;
            self.shared.changed.notify_one();
        }
    }

    /// Something was not answered in time. Another thread takes over if this one is stuck.
    pub(crate) fn take_over(&self) {
        let mut state = lock(&self.shared.state);
        let is_long = |(_, since): &mut (Name, Instant)| since.elapsed() >= STUCK_AFTER;
        if let Some((name, _)) = state.looking_at.take_if(is_long) {
            state.avoided.insert(name);
            state.generation += 1;
            state.has_no_thread = true;
        }
        if !state.has_no_thread {
            return;
        }
        // The next question that is not answered tries again if the system has no thread now.
        let started = self.shared.clone().spawn(state.generation);
        state.has_no_thread = started.is_err();
    }
}

impl Drop for Searcher {
    /// The thread ends by itself, stuck or not.
    fn drop(&mut self) {
        lock(&self.shared.state).is_closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn spawn(self: Arc<Shared>, generation: usize) -> io::Result<()> {
        let thread = thread::Builder::new().name("throng-search".into());
        thread.spawn(move || self.work(generation))?;
        Ok(())
    }

    fn work(self: Arc<Shared>, generation: usize) {
        crate::sys::linux::signals::block_all();
        loop {
            let shared = self.clone();
            let watcher = Watcher(Box::new(move |looked_at| {
                shared.watch(generation, looked_at)
            }));
            match Census::with_watcher(self.run.clone(), watcher) {
                Ok(census) => return self.work_with(census, generation),
                // There may be no descriptor left, or no /proc at all: the next time, or never.
                Err(_) if self.answer_without_proc(generation) => {}
                Err(_) => return,
            }
        }
    }

    fn work_with(self: Arc<Shared>, census: Census, generation: usize) {
        let mut work = Work {
            shared: self.clone(),
            generation,
            census,
            holders: Holders::new(),
            trees: Vec::new(),
        };
        let mut not_before = Instant::now();
        let mut spares_at = None;
        while let Some(tasks) = self.next(generation, work.due(not_before), spares_at) {
            let begun = Instant::now();
            work.take(tasks);
            work.clear();
            let has_spares = work.census.procfs().keep_spares();
            self.lacks_spares.store(!has_spares, Ordering::Relaxed);
            spares_at = (!has_spares).then(|| Instant::now() + SPARES_AGAIN);
            not_before = (Instant::now() + begun.elapsed() * PACE).max(begun + MOMENT);
        }
    }

    /// Waits for tasks, or until one of these times; `None` when this thread is no longer wanted.
    /// The second is nothing to stay for.
    fn next(
        &self,
        generation: usize,
        until: Option<Instant>,
        or_until: Option<Instant>,
    ) -> Option<Vec<Task>> {
        let mut state = lock(&self.state);
        let at = [until, or_until].into_iter().flatten().min();
        loop {
            if state.generation != generation {
                return None;
            }
            let now = Instant::now();
            if !state.tasks.is_empty() {
                return Some(std::mem::take(&mut state.tasks));
            }
            // The process that asked is gone, but what was to be ended still is.
            if state.is_closed && until.is_none() {
                return None;
            }
            let has_descriptors = std::mem::take(&mut state.has_descriptors);
            if has_descriptors || at.is_some_and(|at| at <= now) {
                return Some(Vec::new());
            }
            state = self.wait(state, at.map(|at| at - now));
        }
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        at_most: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        use std::sync::PoisonError;
        match at_most {
            None => {
                let waited = self.changed.wait(state);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
            Some(at_most) => {
                let waited = self.changed.wait_timeout(state, at_most);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Answers what is asked next. Without /proc only the processes in the group are found.
    /// `false` when this thread is no longer wanted.
    fn answer_without_proc(&self, generation: usize) -> bool {
        let Some(tasks) = self.next(generation, None, None) else {
            return false;
        };
        for task in tasks {
            match task {
                Task::Clear(tree) => {
                    tree.client.answer(Answer::Cleared(tree.id, Vec::new()));
                }
                Task::Name(id, _, client) => {
                    client.answer(Answer::Holders(id, [Vec::new(), Vec::new()]));
                }
                Task::Continue(ids, client) => client.answer(Answer::Continued(ids)),
                Task::Signal { .. } | Task::Stop(..) => {}
            }
        }
        true
    }

    /// Records what a thread is about to look at, which may take long, or that it has looked.
    /// `false` for a process that has to be left alone.
    fn watch(&self, generation: usize, looked_at: Option<Name>) -> bool {
        let mut state = lock(&self.state);
        let is_avoided = looked_at.is_some_and(|name| state.avoided.contains(&name));
        if generation >= LOST_MAX || is_avoided {
            return false;
        }
        if state.generation == generation {
            state.looking_at = looked_at.map(|name| (name, Instant::now()));
        }
        true
    }

    /// Whether the thread of this generation does the work, and has not been given up.
    fn is_current(&self, generation: usize) -> bool {
        lock(&self.state).generation == generation
    }
}

struct Work {
    shared: Arc<Shared>,
    generation: usize,
    census: Census,
    holders: Holders,
    /// Those that are being ended.
    trees: Vec<Tree>,
}

impl Work {
    /// When there is something to do without being told.
    fn due(&self, not_before: Instant) -> Option<Instant> {
        (!self.trees.is_empty()).then_some(not_before)
    }

    fn take(&mut self, tasks: Vec<Task>) {
        let mut signals = Vec::new();
        let mut unnamed = Vec::new();
        for task in tasks {
            match task {
                Task::Signal {
                    root,
                    leaf,
                    signal,
                    mut seen,
                } => {
                    if let Some(leaf) = leaf {
                        self.signal_leaf(&root, &leaf, signal, &mut seen);
                    }
                    signals.push((root, signal, seen));
                }
                Task::Clear(tree) => {
                    let is_same = |other: &Tree| {
                        other.id == tree.id && other.client.key() == tree.client.key()
                    };
                    if !self.trees.iter().any(is_same) {
                        self.trees.push(tree);
                    }
                }
                Task::Name(id, questions, client) => unnamed.push((id, questions, client)),
                Task::Stop(trees, client, done) => {
                    let stopped = Stopped::new(&self.shared.stopped, client.key());
                    standstill::stop(&mut self.census, &trees, &stopped);
                    drop(done);
                }
                Task::Continue(ids, client) => {
                    for id in &ids {
                        let stopped = lock(&self.shared.stopped).remove(&(client.key(), *id));
                        for name in stopped.into_iter().flatten() {
                            self.census.send_to(name, Signal::CONT);
                        }
                    }
                    client.answer(Answer::Continued(ids));
                }
            }
        }
        self.signal(signals);
        self.name_holders(unnamed);
    }

    /// Finds the holders of all these pipes at once.
    fn name_holders(&mut self, unnamed: Vec<(Id, [Option<Question>; 2], Client)>) {
        let pipes = unnamed.iter().flat_map(|(_, questions, _)| questions);
        let questions: Vec<Question> = pipes.flatten().copied().collect();
        let mut found = self.holders.find(&mut self.census, &questions).into_iter();
        for (id, questions, client) in unnamed {
            let holders = questions.map(|question| {
                let answer = question.and_then(|_| found.next());
                answer.unwrap_or_default()
            });
            client.answer(Answer::Holders(id, holders));
        }
    }

    fn signal_leaf(&mut self, root: &Root, leaf: &Group, signal: Signal, seen: &mut HashSet<Name>) {
        match signal {
            Signal::KILL => drop(self.census.kill_group(leaf)),
            _ => self.census.signal_group(root, leaf, signal, seen),
        }
    }

    /// Sends signals to processes that are found by their mark, for all trees in one look.
    fn signal(&mut self, mut signals: Vec<(Root, Signal, HashSet<Name>)>) {
        let numbers = signals.iter().enumerate();
        let numbers: HashMap<Number, usize> = numbers
            .filter_map(|(i, (root, ..))| Some((root.number?, i)))
            .collect();
        let first = signals.iter().map(|(root, ..)| root.started).min();
        for (index, stat) in self.census.marked(&numbers, first.unwrap_or(0)) {
            // Of several signals to one tree the last counts.
            let (root, signal, seen) = &mut signals[index];
            if !root.is_in_group(&stat) && seen.insert(stat.name) {
                self.census.send_to(stat.name, *signal);
            }
        }
    }

    /// Kills what is left of trees that are over, and answers for trees that are gone.
    fn clear(&mut self) {
        if self.trees.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut numbers = HashMap::new();
        let mut groups = HashMap::new();
        for (index, tree) in self.trees.iter_mut().enumerate() {
            tree.latest.clear();
            numbers.extend(tree.root.number.map(|number| (number, index)));
            groups.extend(tree.root.group.map(|group| (raw(group), index)));
        }
        let first = self.trees.iter().map(|tree| tree.root.started).min();
        let first = first.unwrap_or(0);
        let mut newcomers = Newcomers::from_now_on(self.census.procfs());
        let mut ids = self.census.procfs().pids();
        let mut vain = 0;
        // A process that has started another before it was killed, and that other one, are chased.
        // So are the successors of processes that were gone before they were looked at.
        loop {
            let found = self.census.of_trees(&ids, &numbers, &groups, first);
            if !self.shared.is_current(self.generation) {
                // Another thread has taken over. What these ids stand for may have changed.
                return self.trees.clear();
            }
            vain = if found.is_empty() { vain + 1 } else { 0 };
            for (index, stat) in found {
                self.kill_one(index, stat);
            }
            let is_over = vain > 1 && (vain > CHASED_IN_VAIN || !self.census.is_any_gone(&ids));
            if is_over || now.elapsed() >= CHASE {
                break;
            }
            ids = newcomers.ids(self.census.procfs()).collect();
        }
        for index in 0..self.trees.len() {
            let Some(group) = self.trees[index].leaf.clone() else {
                continue;
            };
            for stat in self.census.kill_group(&group) {
                self.kill_one(index, stat);
            }
        }
        let is_starved = self.census.procfs().was_starved();
        let census = &mut self.census;
        self.trees
            .retain_mut(|tree| match tree.cleared(now, is_starved, census) {
                None => true,
                Some(survivors) => {
                    tree.client.answer(Answer::Cleared(tree.id, survivors));
                    false
                }
            });
    }

    fn kill_one(&mut self, index: usize, stat: Stat) {
        let tree = &mut self.trees[index];
        if tree.root.pid.is_some_and(|pid| raw(pid) == stat.name.pid) {
            return;
        }
        // A new process is described before it is gone: its successor may look different.
        let is_new = !tree.killed.contains(&stat.name);
        let description = is_new.then(|| self.census.describe(stat.name));
        if self.census.send_to(stat.name, Signal::KILL) || self.census.is_live(stat.name) {
            tree.killed.insert(stat.name);
            tree.latest.extend(description);
        }
    }
}

impl Tree {
    /// What has not ended, once that is certain: what still runs, and what keeps appearing.
    fn cleared(
        &mut self,
        now: Instant,
        is_starved: bool,
        census: &mut Census,
    ) -> Option<Vec<Holder>> {
        self.killed.retain(|name| census.is_live(*name));
        let since = *self.since.get_or_insert(now);
        let is_quiet = !is_starved && self.latest.is_empty() && self.killed.is_empty();
        if !is_quiet && now - since < PATIENCE {
            return None;
        }
        let mut survivors = std::mem::take(&mut self.latest);
        for name in &self.killed {
            if !survivors.iter().any(|other| other.pid == name.pid) {
                survivors.push(census.describe(*name));
            }
        }
        survivors.sort_by_key(|survivor| survivor.pid);
        Some(survivors)
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done();
        }
    }
}

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Done(..)")
    }
}

#[cfg(test)]
mod tests;
