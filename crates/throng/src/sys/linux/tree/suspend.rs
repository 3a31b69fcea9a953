//! Suspends trees: what a process has started is stopped after its group and continued before it,
//! wherever it has gone.
//!
//! These processes are found as for the end of a tree: as family, by the cookie, in the control
//! group. Only running processes are stopped, and exactly those are continued; a process that
//! another has stopped, or that has stopped itself, stays stopped.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rustix::process::Signal;

use super::census::{Census, Root};
use super::procfs::{ProcessKey, Stat};
use crate::slots::Id;

/// A tree that grows while it is stopped is looked at this many times.
const LOOKS_MAX: usize = 8;

/// One look at a family takes no longer than this.
const LOOK_TIME: Duration = Duration::from_secs(1);

/// Stops these trees, whose groups have been stopped, and adds what was stopped of each. One look
/// at all processes of the machine serves them all.
pub(super) fn stop(
    census: &mut Census,
    trees: &[(Id, Root)],
    stopped: &mut HashMap<Id, HashSet<ProcessKey>>,
) {
    let mut jobs = HashMap::new();
    for (index, (id, root)) in trees.iter().enumerate() {
        let stopped = stopped.entry(*id).or_default();
        if let Some(key) = root.key() {
            stop_family(census, root, key, stopped);
        }
        let members = root.cgroup.as_ref().map(|cgroup| census.members(cgroup));
        for stat in members.unwrap_or_default() {
            stop_one(census, root, stat, stopped);
        }
        jobs.extend(root.job.map(|job| (job, index)));
    }
    let since = trees.iter().map(|(_, root)| root.started).min();
    for _ in 0..LOOKS_MAX {
        let mut grew = false;
        for (index, stat) in census.of_jobs(&jobs, since.unwrap_or(0)) {
            let (id, root) = &trees[index];
            let stopped = stopped.entry(*id).or_default();
            if stop_one(census, root, stat, stopped) {
                grew = true;
                stop_family(census, root, stat.key, stopped);
            }
        }
        if !grew {
            break;
        }
    }
}

/// Stops the descendants of a process, generation after generation.
fn stop_family(
    census: &mut Census,
    root: &Root,
    top: ProcessKey,
    stopped: &mut HashSet<ProcessKey>,
) {
    for _ in 0..LOOKS_MAX {
        let mut grew = false;
        for stat in census.procfs().family(top, LOOK_TIME) {
            grew |= stop_one(census, root, stat, stopped);
        }
        if !grew {
            break;
        }
    }
}

/// Stops a running process outside of the group. Returns whether it did.
fn stop_one(
    census: &mut Census,
    root: &Root,
    stat: Stat,
    stopped: &mut HashSet<ProcessKey>,
) -> bool {
    let is_root = root.key() == Some(stat.key);
    let stands = is_root || root.is_in_group(&stat) || stat.is_stopped || stat.is_over;
    if stands || stopped.contains(&stat.key) || !census.procfs().send_to(stat.key, Signal::STOP) {
        return false;
    }
    stopped.insert(stat.key)
}
