//! Trees that stand still: whoever a process has started is stopped after its group and continued
//! before it, wherever he has gone.
//!
//! Who that is is found as for the end of a tree (`tree.rs`): as family, by the mark, in the
//! control group. Only who runs is stopped, and just those are continued; who was stopped by
//! somebody else, or by himself, stays so.

use std::collections::{HashMap, HashSet};

use rustix::process::{Pid, Signal};

use super::child::Child;
use super::procfs::{Name, Stat};
use super::tree::Census;
use crate::slots::{Id, Table};

/// A tree that grows while it is stopped is looked at so often, if it goes on growing.
const LOOKS_MAX: usize = 8;

/// Stops the trees of these processes, whose groups have been stopped. One look at all processes of
/// the machine serves them all.
pub(super) fn stop(census: &mut Census, children: &mut Table<Child>, ids: &[Id]) {
    let mut marks = HashMap::new();
    for (index, id) in ids.iter().enumerate() {
        let Some(child) = children.get_mut(*id) else {
            continue;
        };
        let (root, group) = (child.root(), group_of(child));
        stop_family(census, root.pid, group, &mut child.stopped);
        let leaf = child.leaf.as_ref().map(|leaf| leaf.group());
        for stat in leaf.map_or_else(Vec::new, |leaf| census.members(&leaf)) {
            stop_one(census, stat, group, &mut child.stopped);
        }
        marks.extend(root.number.map(|number| (number, index)));
    }
    for _ in 0..LOOKS_MAX {
        let mut grew = false;
        for (index, stat) in census.marked(&marks) {
            let Some(child) = children.get_mut(ids[index]) else {
                continue;
            };
            let group = group_of(child);
            if stop_one(census, stat, group, &mut child.stopped) {
                grew = true;
                if let Some(pid) = Pid::from_raw(stat.name.pid as i32) {
                    stop_family(census, pid, group, &mut child.stopped);
                }
            }
        }
        if !grew {
            break;
        }
    }
}

/// Has those go on that were stopped.
pub(super) fn go_on(census: &mut Census, stopped: &mut HashSet<Name>) {
    for name in stopped.drain() {
        census.send_to(name, Signal::CONT);
    }
}

fn group_of(child: &Child) -> u32 {
    child.pid.as_raw_nonzero().get() as u32
}

/// Stops the descendants of a process, generation after generation.
fn stop_family(census: &mut Census, top: Pid, group: u32, stopped: &mut HashSet<Name>) {
    for _ in 0..LOOKS_MAX {
        let mut grew = false;
        for stat in census.family(top) {
            grew |= stop_one(census, stat, group, stopped);
        }
        if !grew {
            break;
        }
    }
}

/// Stops who runs outside of the group. Says whether he was one.
fn stop_one(census: &mut Census, stat: Stat, group: u32, stopped: &mut HashSet<Name>) -> bool {
    let stands = stat.group == group || stat.is_stopped || stat.is_over;
    if stands || stopped.contains(&stat.name) || !census.send_to(stat.name, Signal::STOP) {
        return false;
    }
    stopped.insert(stat.name)
}
