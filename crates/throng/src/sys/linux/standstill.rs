//! Suspended trees: what a process has started is stopped after its group and continued before it,
//! wherever it has gone.
//!
//! These processes are found as for the end of a tree (`tree.rs`): as family, by the mark, in the
//! control group. Only running processes are stopped, and exactly those are continued; a process
//! that another has stopped, or that has stopped itself, stays stopped.

use std::collections::{HashMap, HashSet};

use rustix::process::{Pid, Signal};

use super::group::Group;
use super::procfs::{Name, Stat};
use super::tree::{Census, Root};
use crate::slots::Id;

/// A tree that grows while it is stopped is looked at so often, if it goes on growing.
const LOOKS_MAX: usize = 8;

/// A tree that is to be suspended.
#[derive(Debug)]
pub(super) struct Still {
    pub(super) id: Id,
    pub(super) root: Root,
    pub(super) leaf: Option<Group>,
}

/// Stops these trees, whose groups have been stopped; returns what was stopped of each. One look at
/// all processes of the machine serves them all.
pub(super) fn stop(census: &mut Census, trees: &[Still]) -> Vec<(Id, HashSet<Name>)> {
    let mut stopped: Vec<_> = trees.iter().map(|tree| (tree.id, HashSet::new())).collect();
    let mut marks = HashMap::new();
    for (index, tree) in trees.iter().enumerate() {
        let names = &mut stopped[index].1;
        if let Some(pid) = tree.root.pid {
            stop_family(census, pid, &tree.root, names);
        }
        for stat in tree
            .leaf
            .as_ref()
            .map_or_else(Vec::new, |leaf| census.members(leaf))
        {
            stop_one(census, stat, &tree.root, names);
        }
        marks.extend(tree.root.number.map(|number| (number, index)));
    }
    let first = trees.iter().map(|tree| tree.root.started).min();
    for _ in 0..LOOKS_MAX {
        let mut grew = false;
        for (index, stat) in census.marked(&marks, first.unwrap_or(0)) {
            let (root, names) = (&trees[index].root, &mut stopped[index].1);
            if stop_one(census, stat, root, names) {
                grew = true;
                if let Some(pid) = Pid::from_raw(stat.name.pid as i32) {
                    stop_family(census, pid, root, names);
                }
            }
        }
        if !grew {
            break;
        }
    }
    stopped
}

/// Stops the descendants of a process, generation after generation.
fn stop_family(census: &mut Census, top: Pid, root: &Root, stopped: &mut HashSet<Name>) {
    for _ in 0..LOOKS_MAX {
        let mut grew = false;
        for stat in census.family(top) {
            grew |= stop_one(census, stat, root, stopped);
        }
        if !grew {
            break;
        }
    }
}

/// Stops a running process outside of the group. Returns whether it did.
fn stop_one(census: &mut Census, stat: Stat, root: &Root, stopped: &mut HashSet<Name>) -> bool {
    let is_root = root
        .pid
        .is_some_and(|pid| super::tree::raw(pid) == stat.name.pid);
    let stands = is_root || root.is_in_group(&stat) || stat.is_stopped || stat.is_over;
    if stands || stopped.contains(&stat.name) || !census.send_to(stat.name, Signal::STOP) {
        return false;
    }
    stopped.insert(stat.name)
}
