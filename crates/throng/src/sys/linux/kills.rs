//! Ends trees: which signals still have to reach whom, and what is left of processes that are over.
//!
//! What the group has not reached is found by `tree.rs`. Looking at all processes of the machine is
//! dear where there are many, so one look serves all that is to be signalled, and the next one has
//! to wait for [`PACE`] times as long as it took.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::group::Group;
use super::groups::{Groups, Leaf};
use super::procfs::{Name, Procfs};
use super::signals;
use super::tag::RunId;
use super::tree::{Census, Root};
use crate::{Holder, Signal as Wish};

/// At the most a fifth of a shard's time goes into looking.
const PACE: u32 = 4;

/// What has been killed is gone within this time, or does not go at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// What has been killed takes a moment to go; looking again before that is of no use.
const MOMENT: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct Kills {
    /// None where there is no /proc; then the group is all that is reached.
    census: Option<Census>,
    pending: Vec<Pending>,
    not_before: Instant,
    /// Whether each process is to have a control group.
    needs_leaves: bool,
}

/// A process that is over, and what is left of it.
#[derive(Debug)]
pub(super) struct Remnant<'a> {
    pub(super) root: Root,
    pub(super) leaf: Option<&'a Leaf>,
    pub(super) remains: &'a mut Remains,
}

/// A signal that has reached the group and the family, and not yet who is found by his mark.
#[derive(Debug)]
struct Pending {
    root: Root,
    signal: Signal,
    seen: HashSet<Name>,
}

/// What has been killed of a process that is over, and may not be gone yet.
#[derive(Debug, Default)]
pub(super) struct Remains {
    killed: HashSet<Name>,
    since: Option<Instant>,
    /// Whether the last look has found any that had not been killed before.
    grew: bool,
}

impl Kills {
    pub(super) fn new(run: RunId, groups: Option<&Groups>) -> Kills {
        Kills {
            census: Census::new(run).ok(),
            pending: Vec::new(),
            not_before: Instant::now(),
            needs_leaves: groups.is_some_and(|groups| !groups.has_moved()),
        }
    }

    pub(super) fn needs_leaves(&self) -> bool {
        self.needs_leaves
    }

    /// Sends a signal to the family, and to the control group if there is one; who is found by his
    /// mark gets it at the next [`flush`](Kills::flush). To be called before the group is
    /// signalled: who loses his parent by that can no longer be found as his child.
    pub(super) fn signal(
        &mut self,
        root: Root,
        leaf: Option<&Leaf>,
        wish: Wish,
        remains: &mut Remains,
    ) {
        let Some(census) = &mut self.census else {
            return;
        };
        let signal = signals::to_system(wish);
        let mut seen = HashSet::new();
        if signal == Signal::KILL {
            census.kill_family(root.pid, &mut seen);
            remains.killed.extend(&seen);
        } else {
            census.signal_family(root.pid, signal, &mut seen);
        }
        if let Some(leaf) = leaf {
            let group = leaf.group();
            if signal == Signal::KILL {
                remains.kill_group(root, &group, census);
            } else {
                census.signal_group(root.pid, &group, signal, &mut seen);
            }
        }
        if root.number.is_some() {
            self.pending.push(Pending { root, signal, seen });
        }
    }

    /// Sends what is pending to who is found by his mark. Says when to come again, if there is more
    /// to do.
    pub(super) fn flush(&mut self) -> Option<Instant> {
        if self.pending.is_empty() {
            return None;
        }
        if Instant::now() < self.not_before {
            return Some(self.not_before);
        }
        let mut pending = std::mem::take(&mut self.pending);
        let numbers = pending.iter().map(|pending| pending.root.number);
        let wanted = numbers
            .enumerate()
            .filter_map(|(i, number)| Some((number?, i)));
        let wanted: HashMap<_, _> = wanted.collect();
        self.look(|census| {
            for (index, stat) in census.marked(&wanted) {
                let Pending { root, signal, seen } = &mut pending[index];
                let in_group = stat.group == root.pid.as_raw_nonzero().get() as u32;
                if !in_group && seen.insert(stat.name) {
                    census.send_to_marked(stat.name, *signal);
                }
            }
        });
        None
    }

    /// Kills what is left of processes that are over. `Some` for those of which nothing is left, or
    /// nothing that goes: who that is. The others have to be asked about again, at the time that is
    /// given with them.
    pub(super) fn clear(
        &mut self,
        remnants: &mut [Remnant<'_>],
    ) -> (Vec<Option<Vec<Holder>>>, Instant) {
        let now = Instant::now();
        if self.census.is_none() {
            return (remnants.iter().map(|_| Some(Vec::new())).collect(), now);
        }
        if now < self.not_before {
            return (remnants.iter().map(|_| None).collect(), self.not_before);
        }
        let numbers: HashMap<_, _> = remnants
            .iter()
            .enumerate()
            .filter_map(|(i, remnant)| Some((remnant.root.number?, i)))
            .collect();
        let is_over = |root: &Root| root.number.is_some_and(|n| numbers.contains_key(&n));
        self.pending.retain(|pending| !is_over(&pending.root));
        let mut cleared = Vec::new();
        self.look(|census| {
            for (index, stat) in census.marked(&numbers) {
                if census.send_to_marked(stat.name, Signal::KILL) || census.is_live(stat.name) {
                    let remains = &mut *remnants[index].remains;
                    remains.grew |= remains.killed.insert(stat.name);
                }
            }
            for Remnant {
                root,
                leaf,
                remains,
            } in &mut *remnants
            {
                if let Some(leaf) = leaf {
                    remains.kill_group(*root, &leaf.group(), census);
                }
                cleared.push(remains.cleared(now, census));
            }
        });
        (cleared, self.not_before.max(now + MOMENT))
    }

    /// Who finds trees, where there is /proc.
    pub(super) fn census(&mut self) -> Option<&mut Census> {
        self.census.as_mut()
    }

    /// /proc, where there is one.
    pub(super) fn procfs(&mut self) -> Option<&mut Procfs> {
        self.census.as_mut().map(Census::procfs)
    }

    fn look(&mut self, work: impl FnOnce(&mut Census)) {
        let Some(census) = &mut self.census else {
            return;
        };
        let begun = Instant::now();
        work(census);
        self.not_before = Instant::now() + begun.elapsed() * PACE;
    }
}

impl Remains {
    /// Kills all in the control group of a process.
    fn kill_group(&mut self, root: Root, group: &Group, census: &mut Census) {
        let is_other = |name: &Name| name.pid != root.pid.as_raw_nonzero().get() as u32;
        let members = census.kill_group(group).into_iter();
        for name in members.map(|stat| stat.name).filter(is_other) {
            self.grew |= self.killed.insert(name);
        }
    }

    /// Who has not gone, once that is certain.
    fn cleared(&mut self, now: Instant, census: &mut Census) -> Option<Vec<Holder>> {
        self.killed.retain(|name| census.is_live(*name));
        let since = *self.since.get_or_insert(now);
        let grew = std::mem::take(&mut self.grew);
        if (grew || !self.killed.is_empty()) && now - since < PATIENCE {
            return None;
        }
        let describe = |name: &Name| census.procfs().describe(*name);
        let mut survivors: Vec<Holder> = self.killed.iter().map(describe).collect();
        survivors.sort_by_key(|survivor| survivor.pid);
        Some(survivors)
    }
}
