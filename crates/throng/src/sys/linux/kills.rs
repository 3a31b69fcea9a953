//! Ends trees, for a shard: the family and the control group of a process at once. What is found by
//! its mark, or is left of the tree later, is ended by the thread that searches (`search.rs`).
//! Nothing here waits for that thread; a question that it does not answer in time is answered here,
//! with nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::child::Child;
use super::signals;
use super::tree::census::{Census, Root};
use super::tree::groups::{Groups, Leaf};
use super::tree::holders::Question;
use super::tree::procfs::Name;
use super::tree::search::{Answer, Client, Done, Searcher, Task, Tree};
use super::tree::standstill::Still;
use super::tree::tag::RunId;
use super::waker::Waker;
use crate::model::kill::Signal as Wish;
use crate::model::stream::Stream;
use crate::slots::{Id, Table};
use crate::sys::api::WhenDone;

/// How many times a question that is not answered is asked.
const TRIES: usize = 2;

#[derive(Debug)]
pub(super) struct Kills {
    /// For families: looks that take no time. `None` if there is no /proc; then only the group is
    /// reached at once.
    census: Option<Census>,
    run: RunId,
    searcher: Arc<Searcher>,
    client: Client,
    open: HashMap<(Kind, Id), usize>,
    /// When to stop waiting for an answer, of each kind the oldest first. Some have arrived by now.
    deadlines: [VecDeque<(Instant, Id)>; 3],
    /// Whether each process is to have a control group.
    needs_leaves: bool,
}

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Holders,
    Cleared,
    Continued,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Holders, Kind::Cleared, Kind::Continued];

    /// An answer that takes longer than this does not come. The search itself gives up killed
    /// processes after a second.
    fn patience(self) -> Duration {
        match self {
            Kind::Holders | Kind::Continued => Duration::from_secs(1),
            Kind::Cleared => Duration::from_millis(2500),
        }
    }
}

impl Kills {
    pub(super) fn new(
        run: RunId,
        groups: Option<&Groups>,
        searcher: Arc<Searcher>,
        waker: Waker,
    ) -> Kills {
        Kills {
            census: Census::new(run.clone()).ok(),
            run,
            searcher,
            client: Client::new(waker),
            open: HashMap::new(),
            deadlines: Default::default(),
            needs_leaves: groups.is_some_and(|groups| !groups.has_moved()),
        }
    }

    pub(super) fn needs_leaves(&self) -> bool {
        self.needs_leaves
    }

    /// Prepares for looks at a time when there are no descriptors.
    pub(super) fn keep_spares(&mut self) {
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

    /// Sends a signal to the family, and gives those that it was sent to. To be called before the
    /// group is signalled: a process that loses its parent by that can no longer be found as a
    /// child. After that comes [`signal_rest`](Kills::signal_rest).
    pub(super) fn signal(&mut self, child: &mut Child, wish: Wish) -> HashSet<Name> {
        let mut seen = HashSet::new();
        let root = self.root(child);
        let Some(census) = self.census() else {
            return seen;
        };
        let signal = signals::to_system(wish);
        match root.name() {
            Some(name) if signal == Signal::KILL => {
                census.kill_family(name, &mut seen);
                child.killed.extend(&seen);
            }
            _ => census.signal_family(&root, signal, &mut seen),
        }
        seen
    }

    /// Sends a signal to those that the group did not have when it was signalled, and that had not
    /// been [signalled](Kills::signal) before it: in the family now, those that are found by their
    /// mark or in the control group a little later.
    pub(super) fn signal_rest(&mut self, child: &Child, wish: Wish, mut seen: HashSet<Name>) {
        let root = self.root(child);
        let signal = signals::to_system(wish);
        if let Some(census) = self.census()
            && signal != Signal::KILL
        {
            // Some may have left the group between the first look and its signal.
            census.signal_family(&root, signal, &mut seen);
        }
        let leaf = child.leaf.as_ref().map(Leaf::group);
        if root.number.is_some() || leaf.is_some() {
            self.searcher.ask(Task::Signal {
                root,
                leaf,
                signal,
                seen,
            });
        }
    }

    /// Has everything killed that is left of a process which is over; the answer names what does
    /// not end.
    pub(super) fn clear(&mut self, id: Id, child: &mut Child) {
        self.await_answer(Kind::Cleared, id);
        let tree = Tree {
            id,
            root: self.root(child),
            leaf: child.leaf.as_ref().map(Leaf::group),
            killed: child.killed.clone(),
            client: self.client.clone(),
            since: None,
            latest: Vec::new(),
        };
        self.searcher.ask(Task::Clear(tree));
    }

    /// Has the processes found that hold the streams of this one.
    pub(super) fn name_holders(&mut self, id: Id, child: &Child) {
        self.await_answer(Kind::Holders, id);
        // While it still runs, other holders may appear.
        let not_before = child.exited_at.unwrap_or_else(Instant::now);
        let questions = Stream::ALL.map(|stream| {
            let pipe = rustix::fs::fstat(child.pipe(stream)?).ok()?;
            Some(Question {
                inode: pipe.st_ino,
                pid: child.raw_pid(),
                started: child.started,
                not_before,
            })
        });
        let task = Task::Name(id, questions, self.client.clone());
        self.searcher.ask(task);
    }

    /// Has these trees stopped, whose groups are stopped already, and calls this when they are.
    pub(super) fn stop(&mut self, children: &mut Table<Child>, ids: &[Id], done: WhenDone) {
        let mut trees = Vec::new();
        for id in ids {
            if let Some(child) = children.get_mut(*id) {
                trees.push(Still {
                    id: *id,
                    root: self.root(child),
                    leaf: child.leaf.as_ref().map(Leaf::group),
                });
            }
        }
        let task = Task::Stop(trees, self.client.clone(), Done(Some(done)));
        self.searcher.ask(task);
    }

    /// Has the stopped processes of these trees continued; the answer confirms it.
    pub(super) fn go_on(&mut self, ids: &[Id]) {
        for id in ids {
            self.await_answer(Kind::Continued, *id);
        }
        self.searcher
            .ask(Task::Continue(ids.to_vec(), self.client.clone()));
    }

    /// The answers that have arrived, or should have by now.
    pub(super) fn take_answers(&mut self, children: &mut Table<Child>) -> Vec<Answer> {
        if self.open.is_empty() {
            return Vec::new();
        }
        let mut answers = self.client.take_answers();
        for answer in &answers {
            match answer {
                Answer::Holders(id, _) => drop(self.open.remove(&(Kind::Holders, *id))),
                Answer::Cleared(id, _) => drop(self.open.remove(&(Kind::Cleared, *id))),
                Answer::Continued(ids) => {
                    for id in ids {
                        self.open.remove(&(Kind::Continued, *id));
                    }
                }
            }
        }
        self.expire(children, &mut answers);
        answers
    }

    /// Answers what has not been answered in time, or asks again.
    fn expire(&mut self, children: &mut Table<Child>, answers: &mut Vec<Answer>) {
        let now = Instant::now();
        for kind in Kind::ALL {
            while let Some((at, id)) = self.deadlines[kind as usize].front().copied() {
                let tries = self.open.get(&(kind, id)).copied();
                if tries.is_some() && at > now {
                    break;
                }
                self.deadlines[kind as usize].pop_front();
                let Some(tries) = tries else { continue };
                self.searcher.take_over();
                let child = children.get_mut(id).filter(|_| tries < TRIES);
                match (kind, child) {
                    (Kind::Cleared, Some(child)) => {
                        self.clear(id, child);
                        continue;
                    }
                    (Kind::Holders, Some(child)) => {
                        self.name_holders(id, child);
                        continue;
                    }
                    _ => {}
                }
                self.open.remove(&(kind, id));
                answers.push(match kind {
                    Kind::Holders => Answer::Holders(id, [Vec::new(), Vec::new()]),
                    Kind::Cleared => Answer::Cleared(id, Vec::new()),
                    Kind::Continued => Answer::Continued(vec![id]),
                });
            }
        }
    }

    /// When an answer has to arrive, if one is waited for.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.open.is_empty() {
            return None;
        }
        let fronts = self.deadlines.iter().filter_map(VecDeque::front);
        fronts.map(|(at, _)| *at).min()
    }

    fn await_answer(&mut self, kind: Kind, id: Id) {
        *self.open.entry((kind, id)).or_insert(0) += 1;
        self.deadlines[kind as usize].push_back((Instant::now() + kind.patience(), id));
    }

    #[cfg(test)]
    pub(super) fn stat(&mut self, pid: u32) -> Option<super::tree::procfs::Stat> {
        self.census()?.procfs().stat(pid)
    }

    /// The process as the root of a tree.
    fn root(&mut self, child: &Child) -> Root {
        let pid = child.own_pid();
        let census = self.census().filter(|_| pid.is_some());
        let stat = census.and_then(|census| census.procfs().stat(child.raw_pid()));
        Root {
            pid,
            group: child.own_group(),
            number: child.number,
            started: stat.map_or(0, |stat| stat.name.started),
        }
    }
}
