//! All that a process has started, directly or not, wherever it has gone; and signals to it.
//!
//! A signal to a group is one call, and reaches what is in the group. What has left it (a session
//! of its own, a double fork) is found in two ways, and both need only what the kernel keeps
//! anyway:
//!
//! 1. from parent to child, down from the process, as long as it has not exited: what is found
//!    that way is family, whatever its environment. It costs a few looks for each member.
//! 2. by the mark in the environment (`tag.rs`), among the processes that were started later: a
//!    process that has lost its parent still has its mark. A separate thread takes such a look
//!    (`search.rs`).
//!
//! A signal goes to a process that has been looked at again after it was pinned by a pidfd, so it
//! never goes to another that has got its id.
//!
//! Neither finds a process that has both cleared its environment and lost its parent. If the
//! program adopts orphans (`orphans.rs`) it is found in the end; and with control groups
//! (`groups.rs`) none is missed.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::group::Group;
use super::procfs::{Name, Procfs, Stat};
use super::tag::{Number, RunId};
use crate::model::verdict::Holder;

/// A family that grows while it is looked at is stopped, one generation after the other, and looked
/// at again, for no longer than this. It grows for longer only if it starts processes faster than
/// we can look.
const FAMILY_TIME: Duration = Duration::from_millis(50);

/// One look at a family that is to be signalled, or killed, takes no longer than this, which is
/// enough for a few thousand members. The others are found by their mark.
const LOOK_TIME: Duration = Duration::from_millis(200);

/// A process that we have started, as far as it concerns its tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    /// Its id, as long as it has not been waited for.
    pub(crate) pid: Option<Pid>,
    /// The id of its group, likewise, if it has one of its own.
    pub(crate) group: Option<Pid>,
    /// None where it was started without an environment of ours.
    pub(crate) number: Option<Number>,
    /// When it was started, as [`Name::started`]: nothing of its tree is older.
    pub(crate) started: u64,
}

impl Root {
    pub(crate) fn is_in_group(&self, stat: &Stat) -> bool {
        self.group.is_some_and(|group| raw(group) == stat.group)
    }

    /// The process itself, as long as it has not been waited for.
    pub(crate) fn name(&self) -> Option<Name> {
        let started = self.started;
        self.pid.map(|pid| Name {
            pid: raw(pid),
            started,
        })
    }
}

pub(crate) fn raw(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get() as u32
}

/// Told of each look at a process that may take long before it begins, and of nobody when it has
/// ended. Returns `false` for a process that has to be left alone.
pub(crate) struct Watcher(pub(crate) Box<dyn Fn(Option<Name>) -> bool + Send>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher(..)")
    }
}

/// Finds families, and signals their members.
#[derive(Debug)]
pub(crate) struct Census {
    procfs: Procfs,
    run: RunId,
    /// Told about looks that may take long.
    watcher: Option<Watcher>,
}

impl Census {
    /// For a thread that may wait, or that takes no look that may take long: at an environment or a
    /// command line.
    pub(crate) fn new(run: RunId) -> std::io::Result<Census> {
        Ok(Census {
            procfs: Procfs::open()?,
            run,
            watcher: None,
        })
    }

    /// For a thread that is watched.
    pub(crate) fn with_watcher(run: RunId, watcher: Watcher) -> std::io::Result<Census> {
        let census = Census::new(run)?;
        Ok(Census {
            watcher: Some(watcher),
            ..census
        })
    }

    /// The descendants of a process; those that are found in this time.
    pub(crate) fn family(&mut self, root: Name, at_most: Duration) -> Vec<Stat> {
        let deadline = Instant::now() + at_most;
        let mut found = Vec::new();
        let mut names = HashSet::new();
        let mut parents = vec![root];
        while let Some(parent) = parents.pop() {
            let children = self.procfs.children(parent.pid).into_iter();
            let stats = children.filter_map(|child| self.procfs.stat(child));
            let stats: Vec<Stat> = stats.filter(|stat| stat.parent == parent.pid).collect();
            // If it has ended, its id may be that of another process, and these its children.
            let is_still = |stat: Stat| stat.name == parent;
            if !stats.is_empty() && !self.procfs.stat(parent.pid).is_some_and(is_still) {
                continue;
            }
            for stat in stats {
                // Twice only if it has got another parent while we were looking.
                if names.insert(stat.name) {
                    found.push(stat);
                    parents.push(stat.name);
                }
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        found
    }

    /// Sends a signal other than `KILL` to those of the family that the group does not have.
    pub(crate) fn signal_family(&mut self, root: &Root, signal: Signal, seen: &mut HashSet<Name>) {
        let Some(name) = root.name() else { return };
        for stat in self.family(name, LOOK_TIME) {
            if !root.is_in_group(&stat) && seen.insert(stat.name) {
                self.send_to(stat.name, signal);
            }
        }
    }

    /// Kills the family. First it is stopped, generation after generation, so that no process of it
    /// starts another while the family is searched, or loses the parent through which it is found.
    pub(crate) fn kill_family(&mut self, root: Name, seen: &mut HashSet<Name>) {
        let mut family = HashSet::new();
        let deadline = Instant::now() + FAMILY_TIME;
        loop {
            let mut grew = false;
            for stat in self.family(root, LOOK_TIME) {
                if family.insert(stat.name) {
                    grew = true;
                    self.send_to(stat.name, Signal::STOP);
                }
            }
            if !grew || Instant::now() > deadline {
                break;
            }
            // The process itself has to stop as well, but only if it has a family at all.
            self.send_to(root, Signal::STOP);
        }
        for name in family {
            self.send_to(name, Signal::KILL);
            seen.insert(name);
        }
    }

    /// Sends a signal to this process and no other. `false` when it is gone, or we may not signal
    /// it.
    pub(crate) fn send_to(&mut self, name: Name, signal: Signal) -> bool {
        let Some(pid) = i32::try_from(name.pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        let pinned = pidfd_open(pid, PidfdFlags::empty());
        // A directory of /proc pins its process as well, where pidfd_open is refused.
        let pinned = pinned.or_else(|errno| match errno {
            Errno::SRCH => Err(errno),
            _ => self.procfs.directory(name.pid),
        });
        // The pinned process is looked at once more: from here on no other can have its id.
        if !self.procfs.is_live(name) {
            return false;
        }
        let sent = pinned.and_then(|pidfd| pidfd_send_signal(&pidfd, signal));
        let is_sent = match sent {
            Ok(()) => true,
            Err(Errno::SRCH) => return false,
            // Neither is available, or we may not signal it, which this call then reports again. We
            // have just looked, and ids are assigned in turn.
            Err(_) => kill_process(pid, signal).is_ok(),
        };
        if is_sent && !matches!(signal, Signal::KILL | Signal::STOP | Signal::CONT) {
            // A stopped process acts on nothing but KILL before it is continued.
            self.send_to(name, Signal::CONT);
        }
        is_sent
    }

    /// The processes of these trees that are found by their mark, with the number of their tree;
    /// none that is older than all of the trees.
    pub(crate) fn marked(
        &mut self,
        numbers: &HashMap<Number, usize>,
        first: u64,
    ) -> Vec<(usize, Stat)> {
        if numbers.is_empty() {
            return Vec::new();
        }
        let pids = self.procfs.pids();
        self.of_trees(&pids, numbers, &HashMap::new(), first)
    }

    /// The processes among these that belong to one of these trees, by their mark or their group.
    pub(crate) fn of_trees(
        &mut self,
        pids: &[u32],
        numbers: &HashMap<Number, usize>,
        groups: &HashMap<u32, usize>,
        first: u64,
    ) -> Vec<(usize, Stat)> {
        let own = std::process::id();
        let mut found = Vec::new();
        for pid in pids.iter().copied() {
            let stat = self.procfs.stat(pid);
            let is_candidate =
                |stat: &Stat| !stat.is_over && stat.name.started >= first && pid != own;
            let Some(stat) = stat.filter(is_candidate) else {
                continue;
            };
            let mut tree = groups.get(&stat.group).copied();
            if tree.is_none() && !numbers.is_empty() {
                let mark = self.mark(stat.name);
                tree = mark.and_then(|number| numbers.get(&number)).copied();
            }
            if let Some(tree) = tree
                && self.procfs.is_process(pid)
            {
                found.push((tree, stat));
            }
        }
        found
    }

    /// Whether one of these has ended.
    pub(crate) fn is_any_gone(&mut self, pids: &[u32]) -> bool {
        let mut stats = pids.iter().map(|pid| self.procfs.stat(*pid));
        stats.any(|stat| stat.is_none_or(|stat| stat.is_over))
    }

    /// The mark that a process has in its environment.
    fn mark(&mut self, name: Name) -> Option<Number> {
        self.watched(name, |census| census.procfs.mark(name.pid, &census.run))?
    }

    /// A process as it is reported to the user.
    pub(crate) fn describe(&mut self, name: Name) -> Holder {
        let described = self.watched(name, |census| census.procfs.describe(name));
        described.unwrap_or_else(|| Holder {
            pid: name.pid,
            argv: Vec::new(),
            started: self.procfs.started_at(name),
        })
    }

    /// Takes a look that may take long, unless it is known that it never returns.
    fn watched<T>(&mut self, name: Name, look: impl FnOnce(&mut Census) -> T) -> Option<T> {
        if let Some(Watcher(watcher)) = &self.watcher
            && !watcher(Some(name))
        {
            return None;
        }
        #[cfg(test)]
        hang::if_ordered(name.pid);
        let seen = look(self);
        if let Some(Watcher(watcher)) = &self.watcher {
            watcher(None);
        }
        Some(seen)
    }

    /// The members of a control group, those that are below it included.
    pub(crate) fn members(&mut self, group: &Group) -> Vec<Stat> {
        let pids = group.members().into_iter();
        let stats = pids.filter_map(|pid| self.procfs.stat(pid));
        stats.filter(|stat| !stat.is_over).collect()
    }

    /// Sends a signal to a process that was found in this control group.
    pub(crate) fn send_to_member(&mut self, name: Name, group: &Group, signal: Signal) -> bool {
        group.holds(&mut self.procfs, name.pid) && self.send_to(name, signal)
    }

    /// Sends a signal other than `KILL` to those in a control group that the process group of this
    /// process does not have.
    pub(crate) fn signal_group(
        &mut self,
        root: &Root,
        group: &Group,
        signal: Signal,
        seen: &mut HashSet<Name>,
    ) {
        for stat in self.members(group) {
            if !root.is_in_group(&stat) && seen.insert(stat.name) {
                self.send_to_member(stat.name, group, signal);
            }
        }
    }

    /// Kills all in a control group but ourselves. Gives who they were.
    pub(crate) fn kill_group(&mut self, group: &Group) -> Vec<Stat> {
        let own = std::process::id();
        let mut members = self.members(group);
        let has_us = members.iter().any(|stat| stat.name.pid == own);
        members.retain(|stat| stat.name.pid != own);
        if has_us || !group.kill() {
            self.kill_one_by_one(group, &members);
        }
        members
    }

    /// As kernels before 5.14 need it, which have no `cgroup.kill`.
    fn kill_one_by_one(&mut self, group: &Group, members: &[Stat]) {
        for stat in members {
            self.send_to_member(stat.name, group, Signal::KILL);
        }
    }

    /// Whether it still runs.
    pub(crate) fn is_live(&mut self, name: Name) -> bool {
        self.procfs.is_live(name)
    }

    pub(crate) fn procfs(&mut self) -> &mut Procfs {
        &mut self.procfs
    }
}

/// Looks that never return in a test, like those at a process whose `mmap_lock` is held.
#[cfg(test)]
pub(crate) mod hang {
    use std::sync::{Condvar, Mutex};

    static HANGING: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    static CHANGED: Condvar = Condvar::new();

    pub(crate) fn order(pid: u32) {
        HANGING.lock().unwrap().push(pid);
    }

    pub(crate) fn end(pid: u32) {
        HANGING.lock().unwrap().retain(|other| *other != pid);
        CHANGED.notify_all();
    }

    pub(crate) fn if_ordered(pid: u32) {
        let hanging = HANGING.lock().unwrap();
        let waited = CHANGED.wait_while(hanging, |hanging| hanging.contains(&pid));
        drop(waited.unwrap());
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::sys::linux::probe_cgroups;
    use crate::sys::options::linux::Cgroups;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn a_group_is_killed_one_by_one_where_the_kernel_cannot_and_nobody_else_is() {
        let home = match probe_cgroups(Cgroups::Command) {
            Ok(home) => Group::at(home),
            // The tests of the behaviour look at what is there then.
            Err(error) => return eprintln!("{error}"),
        };
        let run = RunId::random().unwrap();
        let group = home.make(&format!("throng-{}", run.as_str())).unwrap();
        let below = group.make("0").unwrap();
        let (mut one, mut two, mut other) = (sleeper(), sleeper(), sleeper());
        group.take_in(one.id()).unwrap();
        below.take_in(two.id()).unwrap();
        let mut census = Census::new(run).unwrap();
        let members = census.members(&group);
        let mut pids: Vec<_> = members.iter().map(|stat| stat.name.pid).collect();
        pids.sort_unstable();
        let mut expected = [one.id(), two.id()];
        expected.sort_unstable();
        assert_eq!(pids, expected);
        // Who has left it meanwhile is not killed.
        let left = census.procfs.stat(other.id()).unwrap();
        census.kill_one_by_one(&group, &[&members[..], &[left]].concat());
        assert!(!one.wait().unwrap().success() && !two.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !group.remove_all() {
            assert!(Instant::now() < deadline, "nobody is left in it");
            thread::sleep(Duration::from_millis(1));
        }
    }
}
