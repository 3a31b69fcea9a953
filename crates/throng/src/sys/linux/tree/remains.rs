//! What a keeper does when the program that it guards is gone: it kills everything that the program
//! has left, everything with the mark of its run, and everything in its control group if it has
//! one.
//!
//! Other processes must not be able to delay that. Processes that were started before the program
//! are not looked into, and those of our own user come first. Reading an environment can take for
//! ever: so that is done on a thread that is left behind when it takes long (`marks.rs`). What is
//! found is killed at once, not when all processes have been looked at.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ffi::c_int;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io};

use rustix::io::Errno;
use rustix::process::Signal;

use super::census::Census;
use super::chase::Newcomers;
use super::groups::keep_out_of;
use super::marks::{Hangs, Marks};
use super::procfs::{Procfs, Stat};
use super::tag::RunId;
use crate::sys::linux::signals;

/// Tells the keeper which run's processes it guards.
pub(crate) const RUN: &str = "THRONG_KEEPER";

/// Tells it which control group to empty, if there is one.
pub(crate) const GROUP: &str = "THRONG_KEEPER_GROUP";

/// What still runs after this long will not end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mark that has not been read after this long is not waited for. It is looked for again.
const READ_MAX: Duration = Duration::from_millis(200);

/// What the keeper does, until there is nothing left to guard.
pub(crate) fn keep(close_all_above: fn(c_int)) -> io::Result<()> {
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
    let program = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    // If the program is gone already, this is the process that has adopted us, which is older.
    let since = census.procfs().stat(program as u32);
    let since = since.map_or(0, |stat| stat.name.started);
    let group = env::var_os(GROUP).map(|group| keep_out_of(Path::new(&group), census.procfs()));
    await_end()?;
    let mut remains = Remains {
        // Threads that are left behind are no more than fit into the time.
        marks: Marks::new(run, Procfs::open, READ_MAX),
        hung: HashSet::new(),
        since,
        deadline: Instant::now() + PATIENCE,
    };
    let mut last_was_empty = false;
    while Instant::now() < remains.deadline {
        let grouped = group
            .as_ref()
            .map_or(0, |group| census.kill_group(group).len());
        let is_empty = !remains.kill(&mut census) && grouped == 0;
        if is_empty && last_was_empty {
            break;
        }
        last_was_empty = is_empty;
        // Killed processes take a moment to end.
        thread::sleep(Duration::from_millis(2));
    }
    if let Some(group) = group {
        group.remove_all();
    }
    Ok(())
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

struct Remains<Open> {
    marks: Marks<Open>,
    /// The processes whose marks could not be read in time.
    hung: HashSet<u32>,
    /// When the guarded program was started.
    since: u64,
    deadline: Instant,
}

impl<Open: FnMut() -> io::Result<Procfs>> Remains<Open> {
    /// Kills everything that has a mark of the run and what is below it, and what is started
    /// meanwhile. Returns whether there was any such process, or may have been.
    fn kill(&mut self, census: &mut Census) -> bool {
        let mut newcomers = Newcomers::from_now_on(census.procfs());
        let mut pids = census.procfs().pids();
        let procfs = census.procfs();
        let is_likely = |pid: &u32| (!self.hung.contains(pid), procfs.is_of_our_user(*pid), *pid);
        // The newest of the likely ones first: they may start others.
        pids.sort_by_cached_key(|pid| Reverse(is_likely(pid)));
        let mut any = false;
        while !pids.is_empty() && Instant::now() < self.deadline {
            let mut found = false;
            for pid in pids.drain(..) {
                found |= self.kill_one(census, pid);
                if Instant::now() >= self.deadline {
                    return true;
                }
            }
            any |= found;
            if !found {
                break;
            }
            pids = newcomers.ids(census.procfs()).collect();
        }
        any
    }

    /// Kills a process that has a mark, and its family. Returns whether it has one, or may have.
    fn kill_one(&mut self, census: &mut Census, pid: u32) -> bool {
        let stat = census.procfs().stat(pid);
        let is_ours = |stat: &Stat| stat.name.started >= self.since && pid != std::process::id();
        let Some(stat) = stat.filter(is_ours) else {
            return false;
        };
        match self.marks.is_there(pid) {
            // It is the process that was looked at before, or nothing is signalled.
            Ok(true) => {
                census.kill_family(stat.name, &mut HashSet::new());
                census.send_to(stat.name, Signal::KILL);
                true
            }
            Ok(false) => false,
            Err(Hangs) => {
                self.hung.insert(pid);
                true
            }
        }
    }
}
