//! The thread that looks at other processes for all shards of a `Throng`: which of them have a
//! cookie, are in a group, or hold a pipe.
//!
//! Such a look is expensive where there are many processes. No shard waits for it: it asks, goes
//! on, and is woken for the answer; a question that is not answered in time is given up by the
//! shard (`killer.rs`).

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::census::{Census, Root, raw};
use super::cgroup::Cgroup;
use super::chase::{CHASE, Targets, chase};
use super::cookie::{JobId, RunId};
use super::holders::{HeldPipe, Holders};
use super::procfs::{ProcessKey, Stat};
use super::suspend;
use crate::model::verdict::Holder;
use crate::slots::Id;
use crate::sync::lock;
use crate::sys::api::WhenDone;
use crate::sys::linux::signals;
use crate::sys::linux::waker::Waker;

/// At most a fifth of the time is spent on looking.
const PACE: u32 = 4;

/// A killed process ends within this time, or will not end at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// When to try again to have descriptors for a time when there are no others.
const SPARES_AGAIN: Duration = Duration::from_millis(20);

/// Killed processes take a moment to end; looking again before that is of no use.
const MOMENT: Duration = Duration::from_millis(1);

/// What a shard asks for.
#[derive(Debug)]
pub(super) enum Task {
    /// Send this to the processes of a tree that have its cookie or are in its control group, but
    /// for those that were seen before.
    Signal {
        root: Root,
        signal: Signal,
        seen: HashSet<ProcessKey>,
    },
    /// Kill what is left of a tree, and name what does not end.
    Clear(PendingKill),
    /// Find the processes that hold these pipes.
    NameHolders(Id, [Option<HeldPipe>; 2], Client),
    /// Stop these trees, whose groups are stopped already, and call this.
    Suspend(Vec<(Id, Root)>, Client, Done),
    /// Continue the processes that were stopped.
    Resume(Vec<Id>, Client),
    /// Take descriptors while there are some, for looks at a time when there are none.
    KeepSpares,
}

/// Called when something is done, or dropped.
pub(super) struct Done(pub(super) Option<WhenDone>);

/// A tree that is to end, and what is known of it.
#[derive(Debug)]
pub(super) struct PendingKill {
    pub(super) id: Id,
    pub(super) root: Root,
    /// The processes that have been killed and may not be gone yet.
    pub(super) killed: HashSet<ProcessKey>,
    pub(super) client: Client,
    pub(super) since: Option<Instant>,
    /// The processes that the last look has found and that had not been killed before.
    pub(super) latest: Vec<Holder>,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Holders(Id, [Vec<Holder>; 2]),
    /// Nothing is left of a tree except these.
    Cleared(Id, Vec<Holder>),
    Resumed(Vec<Id>),
}

/// A shard that gets answers.
#[derive(Clone, Debug)]
pub(super) struct Client {
    answers: Arc<Mutex<Vec<Answer>>>,
    waker: Waker,
}

/// The way to the thread, which ends by itself when this is dropped.
#[derive(Debug)]
pub(super) struct Searcher {
    tasks: Sender<Task>,
    lacks_spares: Arc<AtomicBool>,
}

impl Client {
    pub(super) fn new(waker: Waker) -> Client {
        Client {
            answers: Arc::default(),
            waker,
        }
    }

    pub(super) fn take_answers(&self) -> Vec<Answer> {
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
    pub(super) fn start(run: RunId) -> io::Result<Searcher> {
        let (tasks, asked) = mpsc::channel();
        let lacks_spares = Arc::new(AtomicBool::new(false));
        let lacks = lacks_spares.clone();
        let thread = thread::Builder::new().name("throng-search".into());
        thread.spawn(move || search(&run, &asked, &lacks))?;
        Ok(Searcher {
            tasks,
            lacks_spares,
        })
    }

    pub(super) fn ask(&self, task: Task) {
        // The thread is there as long as this is.
        let _ = self.tasks.send(task);
    }

    /// Has descriptors kept again that were given up for looks, while there are some.
    pub(super) fn keep_spares(&self) {
        if self.lacks_spares.swap(false, Ordering::Relaxed) {
            self.ask(Task::KeepSpares);
        }
    }
}

/// The work of the thread.
fn search(run: &RunId, asked: &Receiver<Task>, lacks_spares: &AtomicBool) {
    signals::block_all();
    let mut census = loop {
        match Census::new(run.clone()) {
            Ok(census) => break census,
            // There may be no descriptor left, or no /proc at all: the next time, or never.
            Err(_) => match next(asked, None, None) {
                Some(tasks) => tasks.into_iter().for_each(Task::answer_without_proc),
                None => return,
            },
        }
    };
    census.prepare();
    let mut work = Work {
        census,
        holders: Holders::new(),
        trees: Vec::new(),
        stopped: HashMap::new(),
    };
    let mut not_before = Instant::now();
    let mut spares_at = None;
    while let Some(tasks) = next(asked, work.due(not_before), spares_at) {
        let begun = Instant::now();
        work.take(tasks);
        work.clear();
        let has_spares = work.census.prepare();
        lacks_spares.store(!has_spares, Ordering::Relaxed);
        spares_at = (!has_spares).then(|| Instant::now() + SPARES_AGAIN);
        not_before = (Instant::now() + begun.elapsed() * PACE).max(begun + MOMENT);
    }
}

/// Waits for tasks, or until one of these times; `None` when all shards are gone and nothing is
/// left to do. The second time is nothing to stay for.
fn next(
    asked: &Receiver<Task>,
    until: Option<Instant>,
    or_until: Option<Instant>,
) -> Option<Vec<Task>> {
    let at = [until, or_until].into_iter().flatten().min();
    let left = |at: Instant| at.saturating_duration_since(Instant::now());
    let first = match at {
        Some(at) => asked.recv_timeout(left(at)),
        None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    match first {
        Ok(first) => Some([first].into_iter().chain(asked.try_iter()).collect()),
        Err(RecvTimeoutError::Timeout) => Some(Vec::new()),
        // The process that asked is gone, but what was to be ended still is.
        Err(RecvTimeoutError::Disconnected) => {
            thread::sleep(left(until?));
            Some(Vec::new())
        }
    }
}

impl Task {
    /// Without /proc only the processes in the group are found.
    fn answer_without_proc(self) {
        match self {
            Task::Clear(tree) => {
                tree.client.answer(Answer::Cleared(tree.id, Vec::new()));
            }
            Task::NameHolders(id, _, client) => {
                client.answer(Answer::Holders(id, [Vec::new(), Vec::new()]));
            }
            Task::Resume(ids, client) => client.answer(Answer::Resumed(ids)),
            Task::Signal { .. } | Task::Suspend(..) | Task::KeepSpares => {}
        }
    }
}

struct Work {
    census: Census,
    holders: Holders,
    /// Those that are being ended.
    trees: Vec<PendingKill>,
    /// What was stopped of which tree of which client.
    stopped: HashMap<usize, HashMap<Id, HashSet<ProcessKey>>>,
}

impl Work {
    /// When there is something to do without a task.
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
                    signal,
                    mut seen,
                } => {
                    self.signal_cgroup(&root, signal, &mut seen);
                    signals.push((root, signal, seen));
                }
                Task::Clear(tree) => {
                    let is_same = |other: &PendingKill| {
                        other.id == tree.id && other.client.key() == tree.client.key()
                    };
                    if !self.trees.iter().any(is_same) {
                        self.trees.push(tree);
                    }
                }
                Task::NameHolders(id, pipes, client) => unnamed.push((id, pipes, client)),
                Task::Suspend(trees, client, done) => {
                    let stopped = self.stopped.entry(client.key()).or_default();
                    suspend::stop(&mut self.census, &trees, stopped);
                    drop(done);
                }
                Task::Resume(ids, client) => {
                    let stopped = self.stopped.entry(client.key()).or_default();
                    let stopped = ids.iter().filter_map(|id| stopped.remove(id));
                    for key in stopped.flatten() {
                        self.census.procfs().send_to(key, Signal::CONT);
                    }
                    client.answer(Answer::Resumed(ids));
                }
                Task::KeepSpares => {}
            }
        }
        self.signal(signals);
        self.name_holders(unnamed);
    }

    /// Finds the holders of all these pipes at once.
    fn name_holders(&mut self, unnamed: Vec<(Id, [Option<HeldPipe>; 2], Client)>) {
        let pipes = unnamed.iter().flat_map(|(_, pipes, _)| pipes);
        let all: Vec<HeldPipe> = pipes.flatten().copied().collect();
        let mut found = self.holders.find(&mut self.census, &all).into_iter();
        for (id, pipes, client) in unnamed {
            let holders = pipes.map(|pipe| {
                let answer = pipe.and_then(|_| found.next());
                answer.unwrap_or_default()
            });
            client.answer(Answer::Holders(id, holders));
        }
    }

    fn signal_cgroup(&mut self, root: &Root, signal: Signal, seen: &mut HashSet<ProcessKey>) {
        match (&root.cgroup, signal) {
            (None, _) => {}
            (Some(cgroup), Signal::KILL) => drop(self.census.kill_cgroup(cgroup)),
            (Some(cgroup), _) => self.census.signal_cgroup(root, cgroup, signal, seen),
        }
    }

    /// Sends signals to processes that are found by their cookies, for all trees in one look.
    fn signal(&mut self, mut signals: Vec<(Root, Signal, HashSet<ProcessKey>)>) {
        let jobs = signals.iter().enumerate();
        let jobs: HashMap<JobId, usize> = jobs
            .filter_map(|(i, (root, ..))| Some((root.job?, i)))
            .collect();
        let since = signals.iter().map(|(root, ..)| root.started).min();
        for (index, stat) in self.census.of_jobs(&jobs, since.unwrap_or(0)) {
            // Of several signals to one tree the last counts.
            let (root, signal, seen) = &mut signals[index];
            if !root.is_in_group(&stat) && seen.insert(stat.key) {
                self.census.procfs().send_to(stat.key, *signal);
            }
        }
    }

    /// Kills what is left of trees that are over, and answers for trees that are gone.
    fn clear(&mut self) {
        if self.trees.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut targets = Targets {
            since: self
                .trees
                .iter()
                .map(|tree| tree.root.started)
                .min()
                .unwrap_or(0),
            ..Targets::default()
        };
        for (index, tree) in self.trees.iter_mut().enumerate() {
            tree.latest.clear();
            targets.jobs.extend(tree.root.job.map(|job| (job, index)));
            targets
                .groups
                .extend(tree.root.group.map(|group| (raw(group), index)));
            targets.roots.extend(tree.root.pid.map(raw));
            targets.known.extend(&tree.killed);
        }
        let (targets, killed) = (Arc::new(targets), Arc::new(Mutex::default()));
        let is_all = self.census.look({
            let killed = killed.clone();
            move |look| chase(look, &targets, &killed, CHASE)
        });
        for one in std::mem::take(&mut *lock(&killed)) {
            let tree = &mut self.trees[one.tree];
            tree.killed.insert(one.key);
            tree.latest.extend(one.described);
        }
        for index in 0..self.trees.len() {
            let Some(cgroup) = self.trees[index].root.cgroup.clone() else {
                continue;
            };
            self.kill_cgroup(index, &cgroup);
        }
        let is_all = is_all && !self.census.procfs().was_starved();
        let census = &mut self.census;
        self.trees
            .retain_mut(|tree| match tree.cleared(now, is_all, census) {
                None => true,
                Some(survivors) => {
                    tree.client.answer(Answer::Cleared(tree.id, survivors));
                    false
                }
            });
    }

    /// Kills what is in the control group of the tree with this index.
    fn kill_cgroup(&mut self, index: usize, cgroup: &Cgroup) {
        let mut members = self.census.kill_cgroup(cgroup);
        let tree = &mut self.trees[index];
        members.retain(|stat| tree.root.pid.is_none_or(|pid| raw(pid) != stat.key.pid));
        let keys = members.iter().map(|stat| stat.key);
        let new: Vec<_> = keys.filter(|key| !tree.killed.contains(key)).collect();
        let described = self.census.describe(new.clone()).into_iter();
        let mut described: HashMap<_, _> = new.into_iter().zip(described).collect();
        let procfs = self.census.procfs();
        for Stat { key, .. } in members {
            if procfs.send_to(key, Signal::KILL) || procfs.is_live(key) {
                tree.killed.insert(key);
                tree.latest.extend(described.remove(&key));
            }
        }
    }
}

impl PendingKill {
    /// What has not ended, once that is certain: what still runs, and what keeps appearing.
    fn cleared(&mut self, now: Instant, is_all: bool, census: &mut Census) -> Option<Vec<Holder>> {
        self.killed.retain(|key| census.procfs().is_live(*key));
        let since = *self.since.get_or_insert(now);
        let is_quiet = is_all && self.latest.is_empty() && self.killed.is_empty();
        if !is_quiet && now - since < PATIENCE {
            return None;
        }
        let mut survivors = std::mem::take(&mut self.latest);
        for key in &self.killed {
            if !survivors.iter().any(|other| other.pid == key.pid) {
                survivors.extend(census.describe(vec![*key]));
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
