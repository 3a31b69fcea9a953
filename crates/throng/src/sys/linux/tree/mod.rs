//! The process tree: what a process has started, wherever it has gone, is found, signalled,
//! stopped and killed here.
//!
//! A process can be left behind in many ways, so it is found in several: as family, from parent to
//! child; by a cookie in its environment; in control groups, where those were asked for; as an
//! orphan that comes to us. [`Trees`] holds what a whole run needs for that, and a [`TreeKiller`]
//! is one shard's access to it. The files, lowest first:
//!
//! | file | what it is |
//! |---|---|
//! | `cookie.rs` | the variable that every process is started with |
//! | `procfs.rs` | what /proc contains about a process |
//! | `reader.rs` | the thread that looks into processes, and is abandoned when it hangs at one |
//! | `family.rs` | the descendants of a process; signals |
//! | `cgroup.rs`, `run_cgroup.rs` | a control group; those of a run and of its processes |
//! | `census.rs` | finds the processes of trees |
//! | `chase.rs` | kills them, also those that keep starting others |
//! | `holders.rs` | finds the processes that hold a pipe |
//! | `suspend.rs` | stops trees |
//! | `searcher.rs` | the thread that does for all shards what takes long |
//! | `killer.rs` | what a shard asks it, and does itself at once |
//! | `background.rs` | a thread that its owner does not wait for |
//! | `subreaper.rs` | adopts orphans |
//! | `guardian.rs` | starts and watches the process that kills what is left when we are killed |
//! | `guardian/process.rs` | what that process does |
//! | `kill_leftovers.rs` | kills what is left of a run |
//!
//! Knows nothing of shards, pipes of ours, timeouts, or why anything is to end.
//!
//! Invariant: a signal goes to a process that was looked at again after it was pinned, and so never
//! to another that has got its id.

mod background;
mod census;
mod cgroup;
mod chase;
mod cookie;
mod family;
mod guardian;
mod holders;
mod kill_leftovers;
mod killer;
mod procfs;
mod reader;
mod run_cgroup;
mod searcher;
mod subreaper;
mod suspend;

use std::io;
use std::sync::Arc;

use self::guardian::Guardian;
use self::run_cgroup::RunCgroup;
use self::searcher::Searcher;
use self::subreaper::Subreaper;
use super::waker::Waker;
use crate::model::error::{Error, ErrorKind};
use crate::model::kill::KillSequence;
use crate::model::verdict::Holder;
use crate::sys::options::HostOptions;

pub(super) use census::Root;
#[cfg(test)]
pub(super) use cgroup::Cgroup;
pub(super) use cookie::{CookieBuffer, Cookies, JobId, VARIABLE};
pub(super) use guardian::guard;
pub(super) use holders::HeldPipe;
pub(super) use killer::TreeKiller;
pub(super) use procfs::ProcessKey;
#[cfg(test)]
pub(super) use reader::hang;
pub(super) use run_cgroup::JobCgroup;
pub(crate) use run_cgroup::probe_cgroups;
pub(super) use searcher::Answer;

/// What all shards share to find the processes of their trees.
#[derive(Debug)]
pub(super) struct Trees {
    cookies: Cookies,
    searcher: Arc<Searcher>,
    /// Emptied and removed while there is still a guardian.
    cgroup: Option<Arc<RunCgroup>>,
    subreaper: Option<Subreaper>,
    guardian: Option<Guardian>,
}

impl Trees {
    /// Prepares a run, whose program was itself started with this cookie if it was by a throng.
    pub(super) fn new(options: &HostOptions, given: Option<&[u8]>) -> Result<Trees, Error> {
        let failed = |doing: &'static str| {
            move |error: io::Error| Error::os(ErrorKind::System, doing, error)
        };
        let cookies = Cookies::new(given).map_err(failed("cannot get a random number"))?;
        let run = cookies.run();
        let cgroup = RunCgroup::new(run, options.cgroups)?;
        let guardian = options.guardian.as_ref().map(|argv| {
            let cgroup = cgroup.as_ref().map(|cgroup| cgroup.run().path());
            Guardian::start(argv, run, cgroup, options.guardian_report.clone())
        });
        let guardian = guardian
            .transpose()
            .map_err(failed("cannot start a guardian"))?;
        // Where the kernel does not list children, orphans go elsewhere as usual.
        let subreaper = options
            .adopt_orphans
            .then(|| Subreaper::adopt(run.clone()).ok());
        let searcher = Searcher::start(run.clone()).map_err(failed("cannot start a thread"))?;
        Ok(Trees {
            searcher: Arc::new(searcher),
            cgroup,
            subreaper: subreaper.flatten(),
            guardian,
            cookies,
        })
    }

    pub(super) fn cookies(&self) -> &Cookies {
        &self.cookies
    }

    /// One shard's access to the trees of its processes.
    pub(super) fn killer(&self, waker: Waker) -> TreeKiller {
        TreeKiller::new(self.cookies.run().clone(), self.searcher.clone(), waker)
    }

    /// Whether each process is to have a control group.
    pub(super) fn has_job_cgroups(&self) -> bool {
        let cgroup = self.cgroup.as_ref();
        cgroup.is_some_and(|cgroup| !cgroup.has_moved())
    }

    /// A control group for a process that is about to be started, where each has one.
    pub(super) fn new_job_cgroup(&self) -> io::Result<Option<JobCgroup>> {
        match &self.cgroup {
            Some(run) => RunCgroup::new_job(run),
            None => Ok(None),
        }
    }

    /// Before a process is started: from now on a guardian guards it, if that is wanted and has not
    /// taken too long.
    pub(super) fn await_guardian(&self) {
        if let Some(guardian) = &self.guardian {
            guardian.await_start();
        }
    }

    /// Kills what finished processes have left running; gives those that do not end.
    pub(super) fn kill_leftovers(&self, kill: &KillSequence) -> Result<Vec<Holder>, Error> {
        let survivors = kill_leftovers::kill_leftovers(
            self.cookies.run().clone(),
            self.subreaper.as_ref(),
            self.cgroup.as_deref(),
            self.guardian.as_ref(),
            kill,
        );
        let doing = "cannot look for what was left running";
        survivors.map_err(|error| Error::os(ErrorKind::System, doing, error))
    }

    #[cfg(test)]
    pub(super) fn guardian_pid(&self) -> u32 {
        self.guardian.as_ref().map_or(0, Guardian::pid)
    }

    #[cfg(test)]
    pub(super) fn run_cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref().map(|cgroup| cgroup.run())
    }
}
