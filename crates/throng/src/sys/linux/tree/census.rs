//! All that a process has started, directly or not, wherever it has gone; and signals to it.
//!
//! A signal to a group is one call, and reaches what is in the group. What has left it (a session
//! of its own, a double fork) is found in two ways, and both need only what the kernel keeps
//! anyway:
//!
//! 1. from parent to child, down from the process, as long as it has not exited: what is found
//!    that way is family, whatever its environment. It costs a few looks for each member.
//! 2. by the cookie in the environment (`cookie.rs`), among the processes that were started later:
//!    a process that has lost its parent still has its cookie. To read it may take long
//!    (`reader.rs`), so a separate thread takes such a look (`searcher.rs`).
//!
//! A signal goes to a process that has been looked at again after it was pinned by a pidfd, so it
//! never goes to another that has got its id.
//!
//! Neither finds a process that has both cleared its environment and lost its parent. If the
//! program adopts orphans (`subreaper.rs`) it is found in the end; and with control groups
//! (`run_cgroup.rs`) none is missed.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::cgroup::Cgroup;
use super::cookie::{JobId, RunId};
use super::procfs::{ProcessKey, Procfs, Stat};
use super::reader::Reader;
use super::run_cgroup::JobCgroup;
use crate::model::verdict::Holder;

/// A family that grows while it is looked at is stopped, one generation after the other, and looked
/// at again, for no longer than this. It grows for longer only if it starts processes faster than
/// we can look.
const FAMILY_TIME: Duration = Duration::from_millis(50);

/// One look at a family that is to be signalled, or killed, takes no longer than this, which is
/// enough for a few thousand members. The others are found by their cookies.
const LOOK_TIME: Duration = Duration::from_millis(200);

/// A read of one process that takes longer than this is treated as one that never ends.
const READ_MAX: Duration = Duration::from_millis(800);

/// How many reading threads may be abandoned; after that nothing is read any more that may hang.
const ABANDONED_MAX: usize = 4;

/// A process that we have started, as the root of its tree: what its descendants are found by.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    /// Its id, as long as it has not been waited for.
    pub(super) pid: Option<Pid>,
    /// The id of its group, for the same time, if it has one of its own.
    pub(super) group: Option<Pid>,
    /// None where it was started without an environment of ours.
    pub(super) job: Option<JobId>,
    pub(super) cgroup: Option<Cgroup>,
    /// When it was started, as [`ProcessKey::started`], if it is still there: nothing of its tree
    /// is older.
    pub(super) started: u64,
}

impl Root {
    pub(crate) fn new(
        pid: Option<Pid>,
        group: Option<Pid>,
        job: Option<JobId>,
        cgroup: Option<&JobCgroup>,
    ) -> Root {
        Root {
            pid,
            group,
            job,
            cgroup: cgroup.map(JobCgroup::cgroup),
            started: 0,
        }
    }

    pub(super) fn is_in_group(&self, stat: &Stat) -> bool {
        self.group.is_some_and(|group| raw(group) == stat.group)
    }

    /// The process itself, as long as it has not been waited for.
    pub(super) fn key(&self) -> Option<ProcessKey> {
        let started = self.started;
        let key = |pid| ProcessKey {
            pid: raw(pid),
            started,
        };
        self.pid.map(key)
    }
}

pub(super) fn raw(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get() as u32
}

pub(super) fn to_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Finds the processes of trees, and signals them.
#[derive(Debug)]
pub(super) struct Census {
    procfs: Procfs,
    reader: Reader,
    /// The processes at which reading threads were abandoned.
    avoided: HashSet<ProcessKey>,
}

impl Census {
    pub(super) fn new(run: RunId) -> std::io::Result<Census> {
        Ok(Census {
            procfs: Procfs::open()?,
            reader: Reader::new(run, READ_MAX),
            avoided: HashSet::new(),
        })
    }

    /// Keeps descriptors for looks at a time when there are none. Returns whether all are there.
    pub(super) fn prepare(&mut self) -> bool {
        self.reader.prepare(&self.procfs);
        self.procfs.keep_spares()
    }

    /// The descendants of a process; those that are found in this time.
    pub(super) fn family(&mut self, root: ProcessKey, at_most: Duration) -> Vec<Stat> {
        let deadline = Instant::now() + at_most;
        let mut found = Vec::new();
        let mut keys = HashSet::new();
        let mut parents = vec![root];
        while let Some(parent) = parents.pop() {
            let children = self.procfs.children(parent.pid).into_iter();
            let stats = children.filter_map(|child| self.procfs.stat(child));
            let stats: Vec<Stat> = stats.filter(|stat| stat.parent == parent.pid).collect();
            // If it has ended, its id may be that of another process, and these its children.
            let is_still = |stat: Stat| stat.key == parent;
            if !stats.is_empty() && !self.procfs.stat(parent.pid).is_some_and(is_still) {
                continue;
            }
            for stat in stats {
                // Twice only if it has got another parent while we were looking.
                if keys.insert(stat.key) {
                    found.push(stat);
                    parents.push(stat.key);
                }
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        found
    }

    /// Sends a signal other than `KILL` to the members of the family that are outside the group.
    pub(super) fn signal_family(
        &mut self,
        root: &Root,
        signal: Signal,
        seen: &mut HashSet<ProcessKey>,
    ) {
        let Some(top) = root.key() else { return };
        for stat in self.family(top, LOOK_TIME) {
            if !root.is_in_group(&stat) && seen.insert(stat.key) {
                self.send_to(stat.key, signal);
            }
        }
    }

    /// Kills the family. First it is stopped, generation after generation, so that no process of it
    /// starts another while the family is searched, or loses the parent through which it is found.
    pub(super) fn kill_family(&mut self, root: ProcessKey, seen: &mut HashSet<ProcessKey>) {
        let mut family = HashSet::new();
        let deadline = Instant::now() + FAMILY_TIME;
        loop {
            let mut grew = false;
            for stat in self.family(root, LOOK_TIME) {
                if family.insert(stat.key) {
                    grew = true;
                    self.send_to(stat.key, Signal::STOP);
                }
            }
            if !grew || Instant::now() > deadline {
                break;
            }
            // The process itself has to stop as well, but only if it has a family at all.
            self.send_to(root, Signal::STOP);
        }
        for key in family {
            self.send_to(key, Signal::KILL);
            seen.insert(key);
        }
    }

    /// Sends a signal to this process and no other. `false` when it is gone, or we may not signal
    /// it.
    pub(super) fn send_to(&mut self, key: ProcessKey, signal: Signal) -> bool {
        let Some(pid) = to_pid(key.pid) else {
            return false;
        };
        let pinned = pidfd_open(pid, PidfdFlags::empty());
        // A directory of /proc pins its process as well, where pidfd_open is refused.
        let pinned = pinned.or_else(|errno| match errno {
            Errno::SRCH => Err(errno),
            _ => self.procfs.directory(key.pid),
        });
        // The pinned process is looked at once more: from here on no other can have its id.
        if !self.procfs.is_live(key) {
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
            self.send_to(key, Signal::CONT);
        }
        is_sent
    }

    /// The processes of these trees that are found by their cookies, with the number of their tree;
    /// none that is older than all of the trees.
    pub(super) fn of_jobs(
        &mut self,
        jobs: &HashMap<JobId, usize>,
        since: u64,
    ) -> Vec<(usize, Stat)> {
        if jobs.is_empty() {
            return Vec::new();
        }
        let pids = self.procfs.pids();
        self.of_trees(&pids, jobs, &HashMap::new(), since)
    }

    /// The processes among these that belong to one of these trees, by their cookie or their group.
    pub(super) fn of_trees(
        &mut self,
        pids: &[u32],
        jobs: &HashMap<JobId, usize>,
        groups: &HashMap<u32, usize>,
        since: u64,
    ) -> Vec<(usize, Stat)> {
        let mut found = Vec::new();
        let mut others = Vec::new();
        for stat in self.not_older(pids, since) {
            match groups.get(&stat.group) {
                Some(tree) if self.procfs.is_process(stat.key.pid) => found.push((*tree, stat)),
                Some(_) => {}
                None => others.push(stat),
            }
        }
        if !jobs.is_empty() {
            let marked = self.with_jobs(&others).into_iter();
            found.extend(marked.filter_map(|(job, stat)| Some((*jobs.get(&job)?, stat))));
        }
        found
    }

    /// The processes of the run among these, found by their cookies; none that is older than this.
    pub(super) fn of_run(&mut self, pids: &[u32], since: u64) -> Vec<Stat> {
        let others = self.not_older(pids, since);
        let marked = self.with_jobs(&others).into_iter();
        let stats = marked.filter_map(|(_, stat)| {
            self.procfs
                .stat(stat.key.pid)
                .filter(|now| now.key == stat.key)
        });
        stats.collect()
    }

    /// Those of these that still run, are not older than this, and are not this program itself.
    fn not_older(&mut self, pids: &[u32], since: u64) -> Vec<Stat> {
        let own = std::process::id();
        let others = pids.iter().filter(|pid| **pid != own);
        let stats = others.filter_map(|pid| self.procfs.stat(*pid));
        let stats = stats.filter(|stat| !stat.is_over && stat.key.started >= since);
        stats.collect()
    }

    fn with_jobs(&mut self, stats: &[Stat]) -> Vec<(JobId, Stat)> {
        let keys: Vec<_> = stats.iter().map(|stat| stat.key).collect();
        let jobs = self.jobs(&keys).into_iter();
        jobs.zip(stats)
            .filter_map(|(job, stat)| Some((job?, *stat)))
            .collect()
    }

    /// The jobs that processes belong to by their cookies. None for those that cannot be read in
    /// time.
    pub(super) fn jobs(&mut self, keys: &[ProcessKey]) -> Vec<Option<JobId>> {
        self.read(keys, Reader::jobs)
    }

    /// Processes as they are reported to the user.
    pub(super) fn describe_all(&mut self, keys: &[ProcessKey]) -> Vec<Holder> {
        let argvs = self.read(keys, Reader::command_lines);
        let described = keys.iter().zip(argvs).map(|(key, argv)| Holder {
            pid: key.pid,
            argv,
            started: self.procfs.started_at(*key),
        });
        described.collect()
    }

    pub(super) fn describe(&mut self, key: ProcessKey) -> Holder {
        let mut described = self.describe_all(&[key]);
        described.swap_remove(0)
    }

    /// Reads something of processes that may take long. What cannot be read in time is empty, and
    /// that process is not read again.
    fn read<T: Default>(
        &mut self,
        keys: &[ProcessKey],
        read: fn(&mut Reader, &mut Procfs, &[u32]) -> Vec<T>,
    ) -> Vec<T> {
        let mut all = Vec::with_capacity(keys.len());
        while all.len() < keys.len() {
            let rest = keys[all.len()..].iter();
            let readable = rest.take_while(|key| self.may_read(**key));
            let pids: Vec<_> = readable.map(|key| key.pid).collect();
            let found = read(&mut self.reader, &mut self.procfs, &pids);
            let hangs = found.len() < pids.len();
            all.extend(found);
            if let Some(skipped) = keys.get(all.len()) {
                if hangs {
                    self.avoided.insert(*skipped);
                }
                all.push(T::default());
            }
        }
        all
    }

    fn may_read(&self, key: ProcessKey) -> bool {
        self.reader.abandoned() < ABANDONED_MAX && !self.avoided.contains(&key)
    }

    /// Whether one of these has ended.
    pub(super) fn is_any_gone(&mut self, pids: &[u32]) -> bool {
        let mut stats = pids.iter().map(|pid| self.procfs.stat(*pid));
        stats.any(|stat| stat.is_none_or(|stat| stat.is_over))
    }

    /// The members of a control group, those that are below it included.
    pub(super) fn members(&mut self, group: &Cgroup) -> Vec<Stat> {
        let pids = group.members().into_iter();
        let stats = pids.filter_map(|pid| self.procfs.stat(pid));
        stats.filter(|stat| !stat.is_over).collect()
    }

    /// Sends a signal to a process that was found in this control group.
    pub(super) fn send_to_member(
        &mut self,
        key: ProcessKey,
        group: &Cgroup,
        signal: Signal,
    ) -> bool {
        group.holds(&mut self.procfs, key.pid) && self.send_to(key, signal)
    }

    /// Sends a signal other than `KILL` to those in a control group that the process group of this
    /// process does not have.
    pub(super) fn signal_cgroup(
        &mut self,
        root: &Root,
        group: &Cgroup,
        signal: Signal,
        seen: &mut HashSet<ProcessKey>,
    ) {
        for stat in self.members(group) {
            if !root.is_in_group(&stat) && seen.insert(stat.key) {
                self.send_to_member(stat.key, group, signal);
            }
        }
    }

    /// Kills all in a control group but ourselves, and returns which they were.
    pub(super) fn kill_cgroup(&mut self, group: &Cgroup) -> Vec<Stat> {
        let own = std::process::id();
        let mut members = self.members(group);
        let has_us = members.iter().any(|stat| stat.key.pid == own);
        members.retain(|stat| stat.key.pid != own);
        if has_us || !group.kill() {
            self.kill_one_by_one(group, &members);
        }
        members
    }

    /// As kernels before 5.14 need it, which have no `cgroup.kill`.
    fn kill_one_by_one(&mut self, group: &Cgroup, members: &[Stat]) {
        for stat in members {
            self.send_to_member(stat.key, group, Signal::KILL);
        }
    }

    /// Whether it still runs.
    pub(super) fn is_live(&mut self, key: ProcessKey) -> bool {
        self.procfs.is_live(key)
    }

    pub(super) fn procfs(&mut self) -> &mut Procfs {
        &mut self.procfs
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
    fn a_group_is_killed_one_by_one_without_kernel_support_and_no_other_process_is() {
        let home = match probe_cgroups(Cgroups::Command) {
            Ok(home) => Cgroup::at(home),
            // The behaviour tests check what is left then.
            Err(error) => return eprintln!("{error}"),
        };
        let run = RunId::random().unwrap();
        let group = home.make(&format!("throng-{}", run.as_str())).unwrap();
        let below = group.make("0").unwrap();
        let (mut one, mut two, mut other) = (sleeper(), sleeper(), sleeper());
        group.add(one.id()).unwrap();
        below.add(two.id()).unwrap();
        let mut census = Census::new(run).unwrap();
        let members = census.members(&group);
        let mut pids: Vec<_> = members.iter().map(|stat| stat.key.pid).collect();
        pids.sort_unstable();
        let mut expected = [one.id(), two.id()];
        expected.sort_unstable();
        assert_eq!(pids, expected);
        // A process that has left it meanwhile is not killed.
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
