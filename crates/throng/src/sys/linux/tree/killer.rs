//! Kills and signals trees, for a shard: the family of a process at once. What is found by its
//! cookie or in its control group, or is left of the tree later, is left to the searching thread
//! (`searcher.rs`). Nothing here waits for that thread; a question that it does not answer in time
//! is answered here, with nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::census::{Census, Root, raw};
use super::cookie::RunId;
use super::holders::HeldPipe;
use super::procfs::ProcessKey;
use super::searcher::{Answer, Client, Done, PendingKill, Searcher, Task};
use crate::slots::Id;
use crate::sys::api::WhenDone;
use crate::sys::linux::waker::Waker;

#[derive(Debug)]
pub(crate) struct TreeKiller {
    /// For families: looks that take no time. `None` if there is no /proc; then only the group is
    /// reached at once.
    census: Option<Census>,
    run: RunId,
    searcher: Arc<Searcher>,
    client: Client,
    /// Questions that have not been answered.
    open: HashSet<(Kind, Id)>,
    /// When to stop waiting for an answer, of each kind the oldest first. Some have arrived by now.
    deadlines: [VecDeque<(Instant, Id)>; 3],
}

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Holders,
    Cleared,
    Resumed,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Holders, Kind::Cleared, Kind::Resumed];

    /// An answer that takes longer than this is not waited for. The search itself gives up killed
    /// processes after a second, and a process that cannot be read a little earlier.
    fn patience(self) -> Duration {
        match self {
            Kind::Holders => Duration::from_secs(2),
            Kind::Cleared => Duration::from_secs(5),
            Kind::Resumed => Duration::from_secs(1),
        }
    }
}

impl TreeKiller {
    pub(super) fn new(run: RunId, searcher: Arc<Searcher>, waker: Waker) -> TreeKiller {
        TreeKiller {
            census: Census::new(run.clone()).ok(),
            run,
            searcher,
            client: Client::new(waker),
            open: HashSet::new(),
            deadlines: Default::default(),
        }
    }

    /// Prepares for looks at a time when there are no descriptors.
    pub(crate) fn keep_spares(&mut self) {
        if let Some(census) = &mut self.census {
            census.procfs().keep_spares();
        }
        self.searcher.keep_spares();
    }

    /// Opens /proc if that has not been possible before: there may have been no descriptor left.
    fn census(&mut self) -> Option<&mut Census> {
        if self.census.is_none() {
            self.census = Census::new(self.run.clone()).ok();
        }
        self.census.as_mut()
    }

    /// Signals the family of a process and returns those signalled; those killed are added to
    /// `killed`. To be called before the group is signalled: a process that loses its parent then
    /// can no longer be found as a child. After that comes
    /// [`signal_rest`](TreeKiller::signal_rest).
    pub(crate) fn signal_family(
        &mut self,
        root: Root,
        signal: Signal,
        killed: &mut HashSet<ProcessKey>,
    ) -> HashSet<ProcessKey> {
        let mut seen = HashSet::new();
        let root = self.with_start(root);
        let Some(census) = self.census() else {
            return seen;
        };
        match root.key() {
            Some(key) if signal == Signal::KILL => {
                census.procfs().kill_family(key, &mut seen);
                killed.extend(&seen);
            }
            _ => census.procfs().signal_family(&root, signal, &mut seen),
        }
        seen
    }

    /// Sends a signal to those that the group did not have when it was signalled, and that had not
    /// been [signalled](TreeKiller::signal_family) before it: in the family now, those that are
    /// found by their cookie or in the control group a little later.
    pub(crate) fn signal_rest(
        &mut self,
        root: Root,
        signal: Signal,
        mut seen: HashSet<ProcessKey>,
    ) {
        let root = self.with_start(root);
        if let Some(census) = self.census()
            && signal != Signal::KILL
        {
            // Some may have left the group between the first look and its signal.
            census.procfs().signal_family(&root, signal, &mut seen);
        }
        if root.job.is_some() || root.cgroup.is_some() {
            self.searcher.ask(Task::Signal { root, signal, seen });
        }
    }

    /// Has everything killed that is left of a process which is over, of which these were killed
    /// before; the answer names what does not end.
    pub(crate) fn clear(&mut self, id: Id, root: Root, killed: HashSet<ProcessKey>) {
        self.await_answer(Kind::Cleared, id);
        let tree = PendingKill {
            id,
            root: self.with_start(root),
            killed,
            client: self.client.clone(),
            since: None,
            latest: Vec::new(),
        };
        self.searcher.ask(Task::Clear(tree));
    }

    /// Has the processes found that hold the pipes of this one.
    pub(crate) fn name_holders(&mut self, id: Id, pipes: [Option<HeldPipe>; 2]) {
        self.await_answer(Kind::Holders, id);
        let task = Task::NameHolders(id, pipes, self.client.clone());
        self.searcher.ask(task);
    }

    /// Has these trees stopped, whose groups are stopped already, and calls this when they are.
    pub(crate) fn suspend(&mut self, trees: Vec<(Id, Root)>, done: WhenDone) {
        let trees = trees.into_iter();
        let trees = trees
            .map(|(id, root)| (id, self.with_start(root)))
            .collect();
        let task = Task::Suspend(trees, self.client.clone(), Done(Some(done)));
        self.searcher.ask(task);
    }

    /// Has the stopped processes of these trees continued; the answer confirms it.
    pub(crate) fn resume(&mut self, ids: &[Id]) {
        for id in ids {
            self.await_answer(Kind::Resumed, *id);
        }
        self.searcher
            .ask(Task::Resume(ids.to_vec(), self.client.clone()));
    }

    /// The answers that have arrived, or should have by now.
    pub(crate) fn take_answers(&mut self) -> Vec<Answer> {
        if self.open.is_empty() {
            return Vec::new();
        }
        let mut answers = self.client.take_answers();
        for answer in &answers {
            match answer {
                Answer::Holders(id, _) => drop(self.open.remove(&(Kind::Holders, *id))),
                Answer::Cleared(id, _) => drop(self.open.remove(&(Kind::Cleared, *id))),
                Answer::Resumed(ids) => {
                    for id in ids {
                        self.open.remove(&(Kind::Resumed, *id));
                    }
                }
            }
        }
        self.expire(&mut answers);
        answers
    }

    /// Answers what has not been answered in time.
    fn expire(&mut self, answers: &mut Vec<Answer>) {
        let now = Instant::now();
        for kind in Kind::ALL {
            let deadlines = &mut self.deadlines[kind as usize];
            while let Some((at, id)) = deadlines.front().copied() {
                let is_open = self.open.contains(&(kind, id));
                if is_open && at > now {
                    break;
                }
                deadlines.pop_front();
                if !is_open {
                    continue;
                }
                self.open.remove(&(kind, id));
                answers.push(match kind {
                    Kind::Holders => Answer::Holders(id, [Vec::new(), Vec::new()]),
                    Kind::Cleared => Answer::Cleared(id, Vec::new()),
                    Kind::Resumed => Answer::Resumed(vec![id]),
                });
            }
        }
    }

    /// When an answer has to arrive, if one is waited for.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.open.is_empty() {
            return None;
        }
        let fronts = self.deadlines.iter().filter_map(VecDeque::front);
        fronts.map(|(at, _)| *at).min()
    }

    fn await_answer(&mut self, kind: Kind, id: Id) {
        self.open.insert((kind, id));
        self.deadlines[kind as usize].push_back((Instant::now() + kind.patience(), id));
    }

    #[cfg(test)]
    pub(crate) fn stat(&mut self, pid: u32) -> Option<super::procfs::Stat> {
        self.census()?.procfs().stat(pid)
    }

    /// The root with the time of its start, as long as it is there.
    fn with_start(&mut self, root: Root) -> Root {
        let stat = root
            .pid
            .and_then(|pid| self.census()?.procfs().stat(raw(pid)));
        Root {
            started: stat.map_or(0, |stat| stat.key.started),
            ..root
        }
    }
}
