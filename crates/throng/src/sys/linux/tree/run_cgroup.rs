//! The control groups of a run, where the program has asked for them: one for all that it starts,
//! and below it one for each process, or none.
//!
//! No process leaves a control group by a double fork, a new session or an empty environment, so
//! all that a process has started can be found by its group when process group, family and cookie
//! have been left. What it costs, and why it is not the default, is in docs/linux.md.
//!
//! Invariant: a group is removed when it is empty. What a process has left behind on purpose stays
//! in its group, which is tried again when others end; at the end of the run it moves to the group
//! that this program was started in.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::cgroup::{Cgroup, PREFIX, own_cgroup};
use super::cookie::RunId;
use crate::model::error::{Error, ErrorKind};
use crate::sync::lock;
use crate::sys::linux::features::Features;
use crate::sys::options::linux::Cgroups;

/// Whether this program is in the group of a run: it can be in one.
static HAS_MOVED: AtomicBool = AtomicBool::new(false);

/// Those that were left are tried again, this many whenever a process is forgotten.
const TRIED_AGAIN: usize = 2;

/// A killed process ends within this time, or does not end at all.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct RunCgroup {
    /// The group that this program was started in.
    home: Cgroup,
    /// That of the run.
    run: Cgroup,
    /// Whether this program is in it itself.
    has_moved: bool,
    next: AtomicU64,
    /// Numbers of groups that were not empty when their processes were forgotten.
    left: Mutex<VecDeque<u64>>,
}

/// The group of one process; removed with this, or later if it is not empty.
#[derive(Debug)]
pub(crate) struct JobCgroup {
    run: Arc<RunCgroup>,
    number: u64,
    /// Open while the process is being started.
    dir: Option<File>,
}

/// The group below which those of a run would be made, or why that cannot be done.
pub(crate) fn probe_cgroups(cgroups: Cgroups) -> Result<PathBuf, Error> {
    let run = RunId::random().map_err(unsupported)?;
    let (home, trial) = make(&run, cgroups)?;
    trial.remove();
    Ok(home.path().to_owned())
}

fn unsupported(error: io::Error) -> Error {
    Error::os(
        ErrorKind::Unsupported,
        "control groups cannot be used",
        error,
    )
}

/// Makes the group of a run, which cannot be done everywhere.
fn make(run: &RunId, cgroups: Cgroups) -> Result<(Cgroup, Cgroup), Error> {
    let refused = |why: String| {
        Error::new(
            ErrorKind::Unsupported,
            format!("control groups cannot be used: {why}"),
        )
    };
    if cgroups == Cgroups::Command && !Features::probe().clone3 {
        return Err(refused(
            "clone3, which starts a process in one, is not available".into(),
        ));
    }
    let home = Cgroup::at(own_cgroup().map_err(refused)?);
    let shown = home.path().display();
    home.check()
        .map_err(|error| refused(format!("{shown} is not ours to put processes in: {error}")))?;
    let made = home
        .make(&format!("{PREFIX}{}", run.as_str()))
        .map_err(|error| refused(format!("none can be made in {shown}: {error}")))?;
    if !made.is_for_processes() {
        made.remove();
        return Err(refused(format!("{shown} is for threads")));
    }
    Ok((home, made))
}

impl RunCgroup {
    /// Makes the group of a run, and goes there if that is wanted.
    pub(crate) fn new(run: &RunId, cgroups: Cgroups) -> Result<Option<Arc<RunCgroup>>, Error> {
        if cgroups == Cgroups::None {
            return Ok(None);
        }
        let has_moved = cgroups == Cgroups::Run;
        if has_moved && HAS_MOVED.swap(true, Ordering::AcqRel) {
            let doing = "this program is in the control group of another Throng already";
            return Err(Error::new(ErrorKind::Unsupported, doing));
        }
        let moved = make(run, cgroups).and_then(|(home, run)| {
            if has_moved && let Err(error) = run.add(0) {
                run.remove();
                return Err(unsupported(error));
            }
            Ok((home, run))
        });
        let (home, run) = moved.inspect_err(|_| {
            if has_moved {
                HAS_MOVED.store(false, Ordering::Release);
            }
        })?;
        Ok(Some(Arc::new(RunCgroup {
            home,
            run,
            has_moved,
            next: AtomicU64::new(0),
            left: Mutex::default(),
        })))
    }

    /// That of the run.
    pub(crate) fn run(&self) -> &Cgroup {
        &self.run
    }

    /// Whether this program is in the group of the run, so that it cannot be killed as a whole.
    pub(crate) fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// A group for a process that is about to be started, where each has one.
    pub(super) fn new_job(run: &Arc<RunCgroup>) -> io::Result<Option<JobCgroup>> {
        if run.has_moved {
            return Ok(None);
        }
        let number = run.next.fetch_add(1, Ordering::Relaxed);
        let cgroup = run.run.make(&number.to_string())?;
        let mut job = JobCgroup {
            run: run.clone(),
            number,
            dir: None,
        };
        job.dir = Some(cgroup.open()?);
        Ok(Some(job))
    }

    fn job(&self, number: u64) -> Cgroup {
        self.run.named(&number.to_string())
    }

    /// Tries again to remove some of those that were left.
    fn remove_left(&self) {
        for _ in 0..TRIED_AGAIN {
            let Some(number) = lock(&self.left).pop_front() else {
                return;
            };
            self.remove_or_leave(number);
        }
    }

    fn remove_or_leave(&self, number: u64) {
        let group = self.job(number);
        let is_gone = group.remove() || (!group.is_populated() && group.remove_all());
        if !is_gone {
            lock(&self.left).push_back(number);
        }
    }
}

impl JobCgroup {
    pub(crate) fn cgroup(&self) -> Cgroup {
        self.run.job(self.number)
    }

    /// What a process is started in it by, until it is [closed](JobCgroup::close).
    pub(crate) fn fd(&self) -> Option<RawFd> {
        self.dir.as_ref().map(File::as_raw_fd)
    }

    /// The process has been started.
    pub(crate) fn close(&mut self) {
        self.dir = None;
    }
}

impl Drop for JobCgroup {
    fn drop(&mut self) {
        self.close();
        self.run.remove_left();
        self.run.remove_or_leave(self.number);
    }
}

impl Drop for RunCgroup {
    /// Processes that are left go on, in the group that we have come from.
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for pid in own_members(&self.run) {
                // One that has ended meanwhile need not move.
                let _ = self.home.add(pid);
            }
            // One that is just ending is in it for a moment.
            if self.run.remove_all() || has_others(&self.run) || Instant::now() > deadline {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        if self.has_moved {
            HAS_MOVED.store(false, Ordering::Release);
        }
    }
}

/// The members of the group of a run, of those of its processes, and of those of other runs below.
/// A run that one of our processes has begun and left behind goes on as one without groups.
fn own_members(group: &Cgroup) -> Vec<u32> {
    let ours = group.tree(Cgroup::is_ours).into_iter();
    ours.flat_map(|group| group.own_members()).collect()
}

/// Whether a process is in a group below that we have not made, and so must not empty.
fn has_others(group: &Cgroup) -> bool {
    let ours = group.tree(Cgroup::is_ours).into_iter();
    let others = ours.flat_map(|group| {
        group
            .below()
            .filter(|below| !below.is_ours())
            .collect::<Vec<_>>()
    });
    others.into_iter().any(|group| group.is_populated())
}
