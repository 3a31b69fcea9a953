//! All that a process has started, directly or not, wherever it has gone; and signals to it.
//!
//! A signal to a group is one call, and reaches who is in the group. Who has left it (a session of
//! its own, a double fork) is found in two ways, and neither needs more than what the kernel keeps
//! anyway:
//!
//! 1. from parent to child, down from the process, as long as it has not exited: what is found
//!    that way is family, whatever its environment. It costs a few looks for each member.
//! 2. by the mark in the environment (`tag.rs`), among all processes of the machine: what has lost
//!    its parent has not lost that. It costs a look at each process, so it is done once for all
//!    that are to be signalled, and not again before four times as long has passed.
//!
//! A signal goes to a process that has been looked at again after it was pinned by a pidfd, so it
//! never goes to another that has got its id.
//!
//! What neither way finds: who has both thrown its environment away and lost its parent. Where the
//! program adopts orphans (`orphans.rs`) it is found in the end; and where it has asked for control
//! groups (`groups.rs`) nobody is missed.

use std::collections::{HashMap, HashSet};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::group::Group;
use super::procfs::{Name, Procfs, Stat};
use super::tag::{Number, RunId};

/// A family that grows while it is looked at is stopped, one generation after the other. More
/// rounds than this it gets only from who starts processes faster than we can look.
const ROUNDS_MAX: usize = 64;

/// A process that we have started, as far as it concerns its tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    /// Its id, and its group's, as long as nobody has waited for it.
    pub(super) pid: Pid,
    /// None where it was started without an environment of ours.
    pub(super) number: Option<Number>,
}

/// Finds families, and signals their members.
#[derive(Debug)]
pub(super) struct Census {
    procfs: Procfs,
    run: RunId,
}

impl Census {
    pub(super) fn new(run: RunId) -> std::io::Result<Census> {
        Ok(Census {
            procfs: Procfs::open()?,
            run,
        })
    }

    /// The descendants of a process that has not been waited for.
    pub(super) fn family(&mut self, root: Pid) -> Vec<Stat> {
        let mut found = Vec::new();
        let mut parents = vec![root.as_raw_nonzero().get() as u32];
        while let Some(parent) = parents.pop() {
            for child in self.procfs.children(parent) {
                let Some(stat) = self.procfs.stat(child).filter(|stat| stat.parent == parent)
                else {
                    continue;
                };
                // Twice only if it has got another parent while we were looking.
                if !found.iter().any(|known: &Stat| known.name == stat.name) {
                    found.push(stat);
                    parents.push(child);
                }
            }
        }
        found
    }

    /// Sends a signal other than `KILL` to those of the family that the group does not have.
    pub(super) fn signal_family(&mut self, root: Pid, signal: Signal, seen: &mut HashSet<Name>) {
        let group = root.as_raw_nonzero().get() as u32;
        for stat in self.family(root) {
            if seen.insert(stat.name) && stat.group != group {
                self.send(stat.name, signal, |_| true);
            }
        }
    }

    /// Kills the family. First it is stopped, generation after generation, so that nobody who is
    /// being looked for starts another meanwhile, or loses the parent that he is found by.
    pub(super) fn kill_family(&mut self, root: Pid, seen: &mut HashSet<Name>) {
        let mut family = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let mut grew = false;
            for stat in self.family(root) {
                if !family.contains(&stat.name) {
                    grew = true;
                    family.push(stat.name);
                    self.send(stat.name, Signal::STOP, |_| true);
                }
            }
            if !grew {
                break;
            }
            // The process itself has to stop as well, but only if it has a family at all.
            let _ = kill_process(root, Signal::STOP);
        }
        for name in family {
            self.send(name, Signal::KILL, |_| true);
            seen.insert(name);
        }
    }

    /// Looks at all processes of the machine for those that have one of these marks.
    pub(super) fn marked(&mut self, wanted: &HashMap<Number, usize>) -> Vec<(usize, Stat)> {
        let own = std::process::id();
        let mut found = Vec::new();
        if wanted.is_empty() {
            return found;
        }
        for pid in self.procfs.pids() {
            if pid == own {
                continue;
            }
            let number = self.procfs.mark(pid, &self.run);
            let Some(index) = number.and_then(|number| wanted.get(&number)) else {
                continue;
            };
            if let Some(stat) = self.procfs.stat(pid) {
                found.push((*index, stat));
            }
        }
        found
    }

    /// Sends a signal to a process that was found by its mark.
    pub(super) fn send_to_marked(&mut self, name: Name, signal: Signal) -> bool {
        self.send(name, signal, |census| {
            census.procfs.mark(name.pid, &census.run).is_some()
        })
    }

    /// Sends a signal to this process and no other. `false` when it cannot be had.
    fn send(&mut self, name: Name, signal: Signal, is_meant: impl Fn(&mut Census) -> bool) -> bool {
        let Some(pid) = i32::try_from(name.pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        let pinned = pidfd_open(pid, PidfdFlags::empty());
        // What is pinned is looked at once more: from here on its id cannot be another's.
        if !self.procfs.is_live(name) || !is_meant(self) {
            return false;
        }
        match pinned {
            Ok(pidfd) => {
                let is_sent = pidfd_send_signal(&pidfd, signal).is_ok();
                if is_sent && !matches!(signal, Signal::KILL | Signal::STOP | Signal::CONT) {
                    // A stopped process acts on nothing but KILL before it is continued.
                    let _ = pidfd_send_signal(&pidfd, Signal::CONT);
                }
                is_sent
            }
            // No descriptor to be had; we have just looked, so this is as good as certain.
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOSYS) => {
                kill_process(pid, signal).is_ok()
            }
            Err(_) => false,
        }
    }

    /// The members of a control group, those that are below it included.
    pub(super) fn members(&mut self, group: &Group) -> Vec<Stat> {
        let pids = group.members().into_iter();
        let stats = pids.filter_map(|pid| self.procfs.stat(pid));
        stats.filter(|stat| !stat.is_over).collect()
    }

    /// Sends a signal to a process that was found in this control group.
    pub(super) fn send_to_member(&mut self, name: Name, group: &Group, signal: Signal) -> bool {
        self.send(name, signal, |census| {
            group.holds(&mut census.procfs, name.pid)
        })
    }

    /// Sends a signal other than `KILL` to those in a control group that the process group of this
    /// process does not have.
    pub(super) fn signal_group(
        &mut self,
        root: Pid,
        group: &Group,
        signal: Signal,
        seen: &mut HashSet<Name>,
    ) {
        for stat in self.members(group) {
            let in_group = stat.group == root.as_raw_nonzero().get() as u32;
            if !in_group && seen.insert(stat.name) {
                self.send_to_member(stat.name, group, signal);
            }
        }
    }

    /// Kills all in a control group but ourselves. Gives who they were.
    pub(super) fn kill_group(&mut self, group: &Group) -> Vec<Stat> {
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
    pub(super) fn is_live(&mut self, name: Name) -> bool {
        self.procfs.is_live(name)
    }

    pub(super) fn procfs(&mut self) -> &mut Procfs {
        &mut self.procfs
    }

    /// A process, and whether it has a mark of this run; none when it is gone.
    pub(super) fn look_at(&mut self, pid: u32) -> Option<(Stat, bool)> {
        let before = self.procfs.stat(pid)?;
        let is_marked = self.procfs.mark(pid, &self.run).is_some() && self.procfs.is_process(pid);
        let stat = self.procfs.stat(pid)?;
        Some((stat, is_marked && stat.name == before.name))
    }

    /// All that has a mark of this run.
    pub(super) fn all_marked(&mut self) -> Vec<Stat> {
        let own = std::process::id();
        let mut found = Vec::new();
        for pid in self.procfs.pids() {
            if pid != own && self.procfs.mark(pid, &self.run).is_some() {
                found.extend(self.procfs.stat(pid));
            }
        }
        found
    }

    /// Sends a signal to a process that was told from others already.
    pub(super) fn send_to(&mut self, name: Name, signal: Signal) -> bool {
        self.send(name, signal, |_| true)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::os::linux::{Cgroups, probe_cgroups};

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
