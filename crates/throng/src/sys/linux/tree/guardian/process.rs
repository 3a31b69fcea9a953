//! What the guardian process does when the program that it guards is gone: it kills everything that
//! the program has left, everything with a cookie of its run, and everything in its control group
//! if it has one.
//!
//! Other processes must not be able to delay that. Processes that were started before the program
//! are not looked into, and those of our own user come first. Environments are read on a thread
//! that is abandoned when it takes long (`reader.rs`). What is found is killed at once, not when
//! all processes have been looked at.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ffi::c_int;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io};

use rustix::io::Errno;
use rustix::process::Signal;

use super::super::census::{Census, raw};
use super::super::cgroup::Cgroup;
use super::super::cookie::RunId;
use super::super::procfs::NewPids;
use super::super::reader::{Look, Reader};
use crate::sys::linux::signals;

/// The variable with the run whose processes the guardian guards.
pub(super) const RUN: &str = "THRONG_GUARDIAN";

/// The variable with the control group that it empties, if there is one.
pub(super) const GROUP: &str = "THRONG_GUARDIAN_GROUP";

/// What still runs after this long will not end.
const PATIENCE: Duration = Duration::from_secs(10);

/// An environment that has not been read after this long is not waited for. It is read again.
const READ_MAX: Duration = Duration::from_millis(200);

/// How many reading threads may be abandoned: as many as fit into the time.
const ABANDONED_MAX: usize = (PATIENCE.as_millis() / READ_MAX.as_millis()) as usize;

/// What the guardian does, until there is nothing left to guard.
pub(crate) fn guard(close_all_above: fn(c_int)) -> io::Result<()> {
    let run = env::var(RUN).ok().as_deref().and_then(RunId::parse);
    let run = run.ok_or_else(|| io::Error::other(format!("{RUN} is not set to a run")))?;
    // Whatever signals us (Ctrl-C, a terminal that is closed) has ended our program as well, and
    // then we have work to do.
    signals::block_all();
    // A descriptor that was inherited by mistake may be a pipe that another process reads to its
    // end.
    close_all_above(2);
    let _ = rustix::process::chdir("/");
    let mut census = Census::new(run.clone())?;
    let program = rustix::process::getppid().map_or(0, raw);
    // If the program is gone already, this is the process that has adopted us, which is older.
    let since = census.procfs().stat(program);
    let since = since.map_or(0, |stat| stat.key.started);
    let cgroup = env::var_os(GROUP).map(|path| Cgroup::at(path.into()));
    if let Some(cgroup) = &cgroup {
        leave(cgroup, &mut census);
    }
    await_end()?;
    let mut leftovers = Leftovers {
        reader: Reader::new(run, READ_MAX, ABANDONED_MAX),
        hung: HashSet::new(),
        since,
        deadline: Instant::now() + PATIENCE,
    };
    let mut last_was_empty = false;
    while Instant::now() < leftovers.deadline {
        let members = cgroup.as_ref().map(|cgroup| census.kill_cgroup(cgroup));
        let has_members = members.is_some_and(|members| !members.is_empty());
        let is_empty = !leftovers.kill(&mut census) && !has_members;
        if is_empty && last_was_empty {
            break;
        }
        last_was_empty = is_empty;
        // Killed processes take a moment to end.
        thread::sleep(Duration::from_millis(2));
    }
    if let Some(cgroup) = cgroup {
        cgroup.remove_all();
    }
    Ok(())
}

/// Leaves the control group of the run, in which all are to be killed.
fn leave(run: &Cgroup, census: &mut Census) {
    if run.holds(census.procfs(), std::process::id())
        && let Some(home) = run.path().parent()
    {
        // If that is refused, the others are killed one by one.
        let _ = Cgroup::at(home.to_owned()).add(0);
    }
}

/// Reads stdin, to which nothing writes, to its end.
fn await_end() -> io::Result<()> {
    loop {
        match rustix::io::read(io::stdin().as_fd(), &mut [0; 8]) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

struct Leftovers {
    reader: Reader,
    /// The processes whose environments could not be read in time.
    hung: HashSet<u32>,
    /// When the guarded program was started.
    since: u64,
    deadline: Instant,
}

impl Leftovers {
    /// Kills everything that has a cookie of the run and what is below it, and what is started
    /// meanwhile. Returns whether there was any such process, or may have been.
    fn kill(&mut self, census: &mut Census) -> bool {
        let (hung, since, deadline) = (self.hung.clone(), self.since, self.deadline);
        let look = move |look: &mut Look| kill(look, &hung, since, deadline);
        let any = self.reader.look(census.procfs(), look);
        let hung = self.reader.forget_avoided();
        let is_any_hung = !hung.is_empty();
        self.hung.extend(hung.iter().map(|key| key.pid));
        any || is_any_hung
    }
}

fn kill(look: &mut Look, hung: &HashSet<u32>, since: u64, deadline: Instant) -> bool {
    let mut new_pids = NewPids::from_now_on(look.procfs());
    let procfs = look.procfs();
    let mut pids = procfs.pids();
    let is_likely = |pid: &u32| (!hung.contains(pid), procfs.is_of_our_user(*pid), *pid);
    // The newest of the likely ones first: they may start others.
    pids.sort_by_cached_key(|pid| Reverse(is_likely(pid)));
    let mut any = false;
    while !pids.is_empty() {
        let mut found = false;
        for pid in pids.drain(..) {
            found |= kill_one(look, pid, since);
            if Instant::now() >= deadline || !look.is_wanted() {
                return true;
            }
        }
        any |= found;
        if !found {
            break;
        }
        pids = new_pids.ids(look.procfs()).collect();
    }
    any
}

/// Kills a process that has a cookie, and its family. Returns whether it has one.
fn kill_one(look: &mut Look, pid: u32, since: u64) -> bool {
    let Some(stat) = look.not_older(pid, since) else {
        return false;
    };
    let is_marked = look.job(stat.key).is_some() && look.is_wanted();
    if is_marked {
        // It is the process that was looked at before, or nothing is signalled.
        look.procfs().kill_family(stat.key, &mut HashSet::new());
        look.procfs().send_to(stat.key, Signal::KILL);
    }
    is_marked
}
