//! All that a process has started, directly or not, wherever it has gone.
//!
//! A signal to a group is one call, and reaches what is in the group. What has left it (a session
//! of its own, a double fork) is found in two ways, and both need only what the kernel keeps
//! anyway:
//!
//! 1. from parent to child, down from the process, as long as it has not exited: what is found
//!    that way is family, whatever its environment. It costs a few looks for each member.
//! 2. by the cookie in the environment (`cookie.rs`), among the processes that were started later:
//!    a process that has lost its parent still has its cookie. To read it may take long, so a
//!    separate thread takes such a look (`reader.rs`).
//!
//! A signal goes to a process that has been looked at again after it was pinned by a pidfd, so it
//! never goes to another that has got its id.
//!
//! Neither finds a process that has both cleared its environment and lost its parent. If the
//! program adopts orphans (`subreaper.rs`) it is found in the end; and with control groups
//! (`run_cgroup.rs`) none is missed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::cgroup::Cgroup;
use super::cookie::{JobId, RunId};
use super::procfs::{ProcessKey, Procfs, Stat};
use super::reader::{Look, Reader};
use super::run_cgroup::JobCgroup;
use crate::model::verdict::Holder;

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
}

impl Census {
    pub(super) fn new(run: RunId) -> std::io::Result<Census> {
        Ok(Census {
            procfs: Procfs::open()?,
            reader: Reader::new(run, READ_MAX, ABANDONED_MAX),
        })
    }

    /// Keeps descriptors for looks at a time when there are none. Returns whether all are there.
    pub(super) fn prepare(&mut self) -> bool {
        self.reader.prepare(&self.procfs);
        self.procfs.keep_spares()
    }

    /// Takes a look that may read environments and command lines. It comes to an end.
    pub(super) fn look<T: Send + 'static>(
        &mut self,
        look: impl Fn(&mut Look) -> T + Clone + Send + 'static,
    ) -> T {
        self.reader.look(&mut self.procfs, look)
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
        let found = self.marked(since).into_iter();
        found
            .filter_map(|(job, stat)| Some((*jobs.get(&job)?, stat)))
            .collect()
    }

    /// The processes of the run that have its cookie and are not older than this.
    pub(super) fn marked(&mut self, since: u64) -> Vec<(JobId, Stat)> {
        self.look(move |look| {
            let pids = look.procfs().pids().into_iter();
            pids.filter_map(|pid| look.marked(pid, since)).collect()
        })
    }

    /// Processes as they are reported to the user.
    pub(super) fn describe(&mut self, keys: Vec<ProcessKey>) -> Vec<Holder> {
        if keys.is_empty() {
            return Vec::new();
        }
        self.look(move |look| keys.iter().map(|key| look.describe(*key)).collect())
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
        group.holds(&mut self.procfs, key.pid) && self.procfs.send_to(key, signal)
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
