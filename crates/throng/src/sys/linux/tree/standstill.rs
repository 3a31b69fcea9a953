//! Suspended trees: what a process has started is stopped after its group and continued before it,
//! wherever it has gone.
//!
//! These processes are found as for the end of a tree (`tree.rs`): as family, by the mark, in the
//! control group. Only running processes are stopped, and exactly those are continued; a process
//! that another has stopped, or that has stopped itself, stays stopped.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;

use super::census::{Census, Root};
use super::group::Group;
use super::procfs::{Name, Stat};
use crate::slots::Id;
use crate::sync::lock;

/// A tree that grows while it is stopped is looked at so often, if it goes on growing.
const LOOKS_MAX: usize = 8;

/// One look at a family takes no longer than this.
const LOOK_TIME: Duration = Duration::from_secs(1);

/// A tree that is to be suspended.
#[derive(Debug)]
pub(crate) struct Still {
    pub(crate) id: Id,
    pub(crate) root: Root,
    pub(crate) leaf: Option<Group>,
}

/// What was stopped of which tree of which client.
pub(crate) type AllStopped = Mutex<HashMap<(usize, Id), HashSet<Name>>>;

/// The record of what is stopped for one client.
#[derive(Debug)]
pub(crate) struct Stopped<'a> {
    all: &'a AllStopped,
    client: usize,
}

impl<'a> Stopped<'a> {
    pub(crate) fn new(all: &'a AllStopped, client: usize) -> Stopped<'a> {
        Stopped { all, client }
    }

    /// Records that a process of this tree is about to be stopped; `false` if it was before.
    pub(crate) fn insert(&self, tree: Id, name: Name) -> bool {
        let mut all = lock(self.all);
        all.entry((self.client, tree)).or_default().insert(name)
    }

    pub(crate) fn remove(&self, tree: Id, name: Name) {
        if let Some(names) = lock(self.all).get_mut(&(self.client, tree)) {
            names.remove(&name);
        }
    }
}

/// Stops these trees, whose groups have been stopped, and records what was stopped of each. One
/// look at all processes of the machine serves them all.
pub(crate) fn stop(census: &mut Census, trees: &[Still], stopped: &Stopped<'_>) {
    let mut marks = HashMap::new();
    for (index, tree) in trees.iter().enumerate() {
        if let Some(name) = tree.root.name() {
            tree.stop_family(census, name, stopped);
        }
        let members = tree.leaf.as_ref().map(|leaf| census.members(leaf));
        for stat in members.unwrap_or_default() {
            tree.stop_one(census, stat, stopped);
        }
        marks.extend(tree.root.number.map(|number| (number, index)));
    }
    let first = trees.iter().map(|tree| tree.root.started).min();
    for _ in 0..LOOKS_MAX {
        let mut grew = false;
        for (index, stat) in census.marked(&marks, first.unwrap_or(0)) {
            if trees[index].stop_one(census, stat, stopped) {
                grew = true;
                trees[index].stop_family(census, stat.name, stopped);
            }
        }
        if !grew {
            break;
        }
    }
}

impl Still {
    /// Stops the descendants of a process, generation after generation.
    fn stop_family(&self, census: &mut Census, top: Name, stopped: &Stopped<'_>) {
        for _ in 0..LOOKS_MAX {
            let mut grew = false;
            for stat in census.family(top, LOOK_TIME) {
                grew |= self.stop_one(census, stat, stopped);
            }
            if !grew {
                break;
            }
        }
    }

    /// Stops a running process outside of the group. Returns whether it did.
    fn stop_one(&self, census: &mut Census, stat: Stat, stopped: &Stopped<'_>) -> bool {
        let is_root = self.root.name() == Some(stat.name);
        let stands = is_root || self.root.is_in_group(&stat) || stat.is_stopped || stat.is_over;
        // It is recorded first: whatever becomes of this thread, it is continued later.
        if stands || !stopped.insert(self.id, stat.name) {
            return false;
        }
        let is_stopped = census.send_to(stat.name, Signal::STOP);
        if !is_stopped {
            stopped.remove(self.id, stat.name);
        }
        is_stopped
    }
}
