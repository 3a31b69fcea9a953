//! Kills what is left of trees, also what keeps starting others while it is looked for.
//!
//! A process that forks, leaves its parent and goes on in the child is never there when it is
//! looked at; but its successor is among the processes that were started since, and is caught when
//! it is looked at soon enough.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::cookie::JobId;
use super::procfs::{NewPids, ProcessKey};
use super::reader::Look;
use crate::model::verdict::Holder;
use crate::sync::lock;

/// How long a process that goes on by starting another and ending is chased, after a look at all
/// processes.
pub(super) const CHASE: Duration = Duration::from_millis(100);

/// How many times in a row the newest processes are looked at and none is found, if some of them
/// are gone by then: they may have left a successor.
const CHASED_IN_VAIN: u32 = 8;

/// The trees, each with its number.
#[derive(Debug, Default)]
pub(super) struct Targets {
    pub(super) jobs: HashMap<JobId, usize>,
    pub(super) groups: HashMap<u32, usize>,
    /// The processes at the tops of trees are not killed here: others wait for them.
    pub(super) roots: HashSet<u32>,
    /// The processes that were killed before.
    pub(super) known: HashSet<ProcessKey>,
    /// No process of a tree is older.
    pub(super) since: u64,
}

/// A process that was killed, or that cannot be.
#[derive(Debug)]
pub(super) struct Killed {
    pub(super) tree: usize,
    pub(super) key: ProcessKey,
    /// If it was not known before.
    pub(super) described: Option<Holder>,
}

/// Kills all processes of these trees, and notes each at once: the look may hang. Returns whether
/// that is all there are: if not, there was no time to look further, or there were no descriptors.
pub(super) fn chase(
    look: &mut Look,
    targets: &Targets,
    killed: &Mutex<Vec<Killed>>,
    at_most: Duration,
) -> bool {
    let mut new_pids = NewPids::from_now_on(look.procfs());
    let mut pids = look.procfs().pids();
    let mut begun = None;
    let mut vain = 0;
    loop {
        let mut found = false;
        for pid in &pids {
            if let Some(one) = kill(look, *pid, targets) {
                found = true;
                lock(killed).extend(one);
            }
        }
        vain = if found { 0 } else { vain + 1 };
        if vain > 1 && (vain > CHASED_IN_VAIN || !is_any_gone(look, &pids)) {
            return !look.procfs().was_starved();
        }
        // A look at all processes may take longer than the chase on a busy machine.
        let begun = *begun.get_or_insert_with(Instant::now);
        if begun.elapsed() >= at_most || !look.is_wanted() {
            return false;
        }
        pids = new_pids.ids(look.procfs()).collect();
    }
}

/// Kills a process if it belongs to one of the trees. `None` if it does not; nothing in it if it is
/// gone.
fn kill(look: &mut Look, pid: u32, targets: &Targets) -> Option<Option<Killed>> {
    let stat = look.not_older(pid, targets.since)?;
    let tree = match targets.groups.get(&stat.group) {
        Some(tree) => look.procfs().is_process(pid).then_some(tree),
        None if targets.jobs.is_empty() => None,
        None => targets.jobs.get(&look.job(stat.key)?),
    };
    let tree = *tree?;
    if targets.roots.contains(&pid) {
        return None;
    }
    // It is described before it is gone: its successor may look different.
    let is_new = !targets.known.contains(&stat.key);
    let described = is_new.then(|| look.describe(stat.key));
    let is_there = look.is_wanted()
        && (look.procfs().send_to(stat.key, Signal::KILL) || look.procfs().is_live(stat.key));
    Some(is_there.then_some(Killed {
        tree,
        key: stat.key,
        described,
    }))
}

/// Whether one of these has ended.
fn is_any_gone(look: &mut Look, pids: &[u32]) -> bool {
    let mut stats = pids.iter().map(|pid| look.procfs().stat(*pid));
    stats.any(|stat| stat.is_none_or(|stat| stat.is_over))
}

#[cfg(test)]
mod tests {
    use super::super::census::Census;
    use super::super::cookie::RunId;
    use super::*;

    #[test]
    fn a_chase_without_time_is_not_certain_that_nothing_is_left() {
        let mut census = Census::new(RunId::random().unwrap()).unwrap();
        let mut is_certain = |at_most| {
            census.look(move |look| {
                let (targets, killed) = (Targets::default(), Mutex::default());
                chase(look, &targets, &killed, at_most)
            })
        };
        assert!(!is_certain(Duration::ZERO));
        assert!(is_certain(Duration::MAX));
    }
}
