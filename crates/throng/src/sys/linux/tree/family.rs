//! The descendants of a process, found from parent to child; and signals to processes.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::census::{Root, to_pid};
use super::procfs::{ProcessKey, Procfs, Stat};

/// A family that grows while it is looked at is stopped, one generation after the other, and looked
/// at again, for no longer than this. It grows for longer only if it starts processes faster than
/// we can look.
const FAMILY_TIME: Duration = Duration::from_millis(50);

/// One look at a family that is to be signalled, or killed, takes no longer than this, which is
/// enough for a few thousand members. The others are found by their cookies.
const LOOK_TIME: Duration = Duration::from_millis(200);

impl Procfs {
    /// The descendants of a process; those that are found in this time.
    pub(super) fn family(&mut self, root: ProcessKey, at_most: Duration) -> Vec<Stat> {
        let deadline = Instant::now() + at_most;
        let mut found = Vec::new();
        let mut keys = HashSet::new();
        let mut parents = vec![root];
        while let Some(parent) = parents.pop() {
            let children = self.children(parent.pid).into_iter();
            let stats = children.filter_map(|child| self.stat(child));
            let stats: Vec<Stat> = stats.filter(|stat| stat.parent == parent.pid).collect();
            // If it has ended, its id may be that of another process, and these its children.
            let is_still = |stat: Stat| stat.key == parent;
            if !stats.is_empty() && !self.stat(parent.pid).is_some_and(is_still) {
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
            _ => self.directory(key.pid),
        });
        // The pinned process is looked at once more: from here on no other can have its id.
        if !self.is_live(key) {
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
}
