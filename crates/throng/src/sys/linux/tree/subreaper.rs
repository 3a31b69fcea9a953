//! Descendants that have lost their parent come to us, where the program has asked for that, and
//! not to the first process of the machine (`PR_SET_CHILD_SUBREAPER`). So they stay below us, can
//! be ended when all is to end, and have to be waited for when they end by themselves.
//!
//! An orphan becomes a child of the program's first thread; our own processes, and the guardian,
//! are children of other threads. So all children of the first thread are orphans, except those
//! that it had before, whatever group or session they are in: they choose that themselves. What the
//! program starts by other means later, from its first thread or from a thread that ends before the
//! process, looks the same; a program that asks for orphans must not do that.
//!
//! `waitpid(-1)` is never called. Even so, care is taken not to take statuses of the program's own
//! processes: see [`Seen`].

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{getpid, set_child_subreaper};

use super::background::Background;
use super::census::to_pid;
use super::cookie::RunId;
use super::procfs::{ProcessKey, Procfs, Stat};
use crate::sys::linux::wait::{self, Which};

/// How long those that have ended may wait for us. They take nothing but a number.
const PAUSE: Duration = Duration::from_millis(500);

/// How many looks find an unknown orphan dead before it is waited for.
const LOOKS: u32 = 3;

/// How many of the latest arrivals are looked at by [`Subreaper::newest`].
const NEWEST: usize = 32;

#[derive(Debug)]
pub(super) struct Subreaper {
    /// The children of the first thread that are not orphans.
    before: Arc<HashSet<ProcessKey>>,
    /// Waits for those that end. A look at an environment may keep it for ever.
    _thread: Background,
}

/// What is known of orphans that were there at the last look.
///
/// An orphan that was seen alive with a cookie of ours, or in another session, is no process that
/// other code of this program waits for: it is waited for as soon as it has ended. Other orphans
/// may be, and that code usually waits soon: they are waited for here when they are still there
/// after [`LOOKS`] looks.
#[derive(Debug, Default)]
struct Seen {
    known: HashMap<ProcessKey, Known>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    is_ours: bool,
    looks_dead: u32,
}

impl Subreaper {
    /// Has them come to us from now on, and waits for those that end.
    pub(super) fn adopt(run: RunId) -> io::Result<Subreaper> {
        let mut procfs = Procfs::open()?;
        if !procfs.lists_children() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let before = children(&mut procfs).into_iter().map(|stat| stat.key);
        let before: Arc<HashSet<ProcessKey>> = Arc::new(before.collect());
        set_child_subreaper(Some(getpid()))?;
        let known = before.clone();
        let reap_dead = move |stopped: &Receiver<()>| {
            let mut seen = Seen::default();
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                let orphans = all(&mut procfs, &known);
                let session = procfs.stat(std::process::id()).map(|own| own.session);
                let due = seen.look(&orphans, |stat| {
                    session != Some(stat.session) || procfs.job(stat.key.pid, &run).is_some()
                });
                for pid in due.into_iter().filter_map(|key| to_pid(key.pid)) {
                    // It belongs to us: it was our child a moment ago, and its id is not given to
                    // another process before it has been waited for.
                    wait::try_wait(Which::Pid(pid), true);
                }
            }
        };
        Ok(Subreaper {
            before,
            _thread: Background::start("throng-orphans", reap_dead)?,
        })
    }

    /// All orphans, those that have ended included.
    pub(super) fn all(&self, procfs: &mut Procfs) -> Vec<Stat> {
        all(procfs, &self.before)
    }

    /// The latest arrivals, the last first: the kernel adds them at the end of the list.
    pub(super) fn newest(&self, procfs: &mut Procfs) -> Vec<Stat> {
        let own = std::process::id();
        let pids = procfs.children_of_thread(own, own);
        let newest = pids.into_iter().rev().take(NEWEST);
        let stats = newest.filter_map(|pid| procfs.stat(pid));
        let stats = stats.filter(|stat| is_orphan(stat, &self.before));
        stats.collect()
    }
}

/// The children of the first thread.
fn children(procfs: &mut Procfs) -> Vec<Stat> {
    let own = std::process::id();
    let pids = procfs.children_of_thread(own, own).into_iter();
    pids.filter_map(|pid| procfs.stat(pid)).collect()
}

fn all(procfs: &mut Procfs, before: &HashSet<ProcessKey>) -> Vec<Stat> {
    let mut found = children(procfs);
    found.retain(|stat| is_orphan(stat, before));
    found
}

fn is_orphan(stat: &Stat, before: &HashSet<ProcessKey>) -> bool {
    stat.parent == std::process::id() && !before.contains(&stat.key)
}

impl Seen {
    /// Another look, which has found these. Returns those that are to be waited for.
    fn look(
        &mut self,
        orphans: &[Stat],
        mut is_ours: impl FnMut(&Stat) -> bool,
    ) -> Vec<ProcessKey> {
        let there: HashSet<ProcessKey> = orphans.iter().map(|stat| stat.key).collect();
        self.known.retain(|key, _| there.contains(key));
        let mut due = Vec::new();
        for stat in orphans {
            let known = self.known.entry(stat.key).or_default();
            if !stat.is_over {
                known.is_ours = known.is_ours || is_ours(stat);
                continue;
            }
            known.looks_dead += 1;
            if known.is_ours || known.looks_dead >= LOOKS {
                due.push(stat.key);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: u32, is_over: bool) -> Stat {
        Stat {
            key: ProcessKey { pid, started: 1 },
            parent: std::process::id(),
            group: 1,
            session: 1,
            is_over,
            is_stopped: false,
        }
    }

    fn due(seen: &mut Seen, orphans: &[Stat], ours: &[u32]) -> Vec<u32> {
        let due = seen.look(orphans, |stat| ours.contains(&stat.key.pid));
        due.into_iter().map(|key| key.pid).collect()
    }

    #[test]
    fn a_status_that_other_code_may_wait_for_is_left_to_it_for_a_while() {
        let mut seen = Seen::default();
        assert_eq!(
            due(&mut seen, &[stat(1, false), stat(2, false)], &[1]),
            [0; 0]
        );
        let dead = [stat(1, true), stat(2, true), stat(3, true)];
        assert_eq!(due(&mut seen, &dead, &[]), [1]);
        let dead = &dead[1..];
        assert_eq!(due(&mut seen, dead, &[]), [0; 0]);
        assert_eq!(due(&mut seen, dead, &[]), [2, 3]);
        // Another process with the same id is a different orphan.
        let other = Stat {
            key: ProcessKey { pid: 2, started: 2 },
            ..stat(2, true)
        };
        assert_eq!(due(&mut seen, &[other], &[]), [0; 0]);
        assert_eq!(seen.known.len(), 1);
    }
}
