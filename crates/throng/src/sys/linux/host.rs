//! What all shards share and none changes: the environment, the search path, the limits.

pub(super) mod stdin;
pub(super) mod strings;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::stdin::Stdins;
use self::strings::Strings;
use super::signals;
use super::tree::{self, Trees};
use crate::capture::budget::Budget;
use crate::job::command::EnvChanges;
use crate::model::error::{Error, ErrorKind};
use crate::model::kill::KillSequence;
use crate::model::mechanism::Mechanism;
use crate::model::verdict::Holder;
use crate::sync::lock;
use crate::sys::api::Capacity;
use crate::sys::options::HostOptions;
use crate::sys::options::linux::inherited::InheritedFds;

/// What execvp searches when there is no `PATH`: confstr(_CS_PATH).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Descriptors that other parts of this program may open while processes run: this many, or an
/// eighth of all where that is less.
const SPARE_FDS: u64 = 16;

/// Descriptors for captures that go on in files: this many, or an eighth of all where that is less.
/// When those are used up, starts and captures take turns: a capture that finds none stays in
/// memory for a while, a start that finds none is tried again.
const SPILL_FDS: u64 = 64;

/// What a shard opens besides its processes: its epoll or ring, its waker and that of its threads,
/// four places for what a new process gets, /proc and four spares for it; and eight for the process
/// that is being started, one of them only if it has a control group of its own, two only if memory
/// cannot be shared with it.
const FDS_OF_A_SHARD: u64 = 20;

#[derive(Debug)]
pub(crate) struct SystemContext {
    path: OsString,
    /// How what our processes start is found.
    pub(super) trees: Trees,
    /// The environment of a command that changes nothing in it.
    pub(super) environment: Arc<Strings>,
    /// Where each variable is in it.
    places: HashMap<OsString, Vec<usize>>,
    /// The limit on open files that this program was started with, where we have raised it.
    /// Processes get it back: some break when they may have more than 1,024 files.
    pub(super) original_nofile: Option<Rlimit>,
    nofile: u64,
    open_fds: u64,
    /// Placeholders for those of stdin, stdout and stderr that this program does not have.
    held_stdio: Vec<OwnedFd>,
    /// Whether stopped processes are reported.
    pub(super) watches_stops: bool,
    /// What every process inherits.
    pub(super) inherited: InheritedFds,
    /// The bytes that processes read.
    pub(super) stdins: Stdins,
}

impl SystemContext {
    /// Looks at the environment of this program, raises its limit on open files as far as allowed,
    /// and makes sure that exit statuses are available at all. What processes read is counted in
    /// the budget.
    pub(crate) fn new(options: &HostOptions, budget: Arc<Budget>) -> Result<SystemContext, Error> {
        signals::keep_exit_statuses();
        let held_stdio = hold_stdio();
        let original_nofile = raise_nofile();
        let mut vars: Vec<_> = std::env::vars_os().collect();
        let given = vars.iter().position(|(key, _)| key == tree::VARIABLE);
        let given = given.map(|place| vars.remove(place).1);
        let lookup = vars.iter().find(|(key, _)| key == "PATH");
        let path = lookup.map_or_else(|| OsString::from(DEFAULT_PATH), |(_, path)| path.clone());
        let mut environment = Strings::default();
        let mut places: HashMap<_, Vec<usize>> = HashMap::new();
        for (place, (key, value)) in vars.into_iter().enumerate() {
            environment
                .push_var(&key, &value)
                .map_err(|_| Error::new(ErrorKind::Nul, "the environment contains a NUL byte"))?;
            places.entry(key).or_default().push(place);
        }
        Ok(SystemContext {
            trees: Trees::new(options, given.as_deref().map(OsStr::as_bytes))?,
            watches_stops: options.watches_stops,
            inherited: options.inherited.clone(),
            stdins: Stdins::new(budget),
            places,
            path,
            environment: Arc::new(environment),
            original_nofile,
            nofile: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            open_fds: open_fds(),
            held_stdio,
        })
    }

    /// How many processes can be captured at once, by at most this many shards. Each process has
    /// two pipes and may need a pidfd. Where descriptors are few, shards take a quarter of them at
    /// the most.
    pub(crate) fn capacity(&self, mechanism: Mechanism, shards: usize) -> Capacity {
        let fds_each = match mechanism {
            Mechanism::Threads => 5,
            _ => 3,
        };
        let affordable = (self.nofile / 4 / FDS_OF_A_SHARD).max(1);
        let shards = affordable.min(shards as u64);
        let spare = SPARE_FDS.min(self.nofile / 8);
        let spilled = SPILL_FDS.min(self.nofile / 8);
        let reserved = self.open_fds + spare + spilled + FDS_OF_A_SHARD * shards;
        let processes = self.nofile.saturating_sub(reserved) / fds_each;
        Capacity {
            processes: usize::try_from(processes).unwrap_or(usize::MAX).max(1),
            shards: usize::try_from(shards).unwrap_or(usize::MAX),
            limit: format!("the limit of {} open files (ulimit -n)", self.nofile),
        }
    }

    /// Whether this program has a stdin that can be handed on.
    pub(super) fn has_stdin(&self) -> bool {
        self.held_stdio.iter().all(|fd| fd.as_raw_fd() != 0)
    }

    /// No descriptor of ours has this number or a higher one.
    pub(super) fn fds_max(&self) -> i32 {
        i32::try_from(self.nofile).unwrap_or(i32::MAX)
    }

    #[cfg(test)]
    pub(super) fn set_path(&mut self, path: OsString) {
        self.path = path;
    }

    /// Ends what finished processes have left running; gives those that do not end.
    pub(crate) fn kill_leftovers(&self, kill: &KillSequence) -> Result<Vec<Holder>, Error> {
        self.trees.kill_leftovers(kill)
    }

    /// The search path of a command that changes the environment like this.
    pub(super) fn path<'a>(&'a self, changes: &'a EnvChanges) -> &'a OsStr {
        match changes.vars.get(OsStr::new("PATH")) {
            Some(Some(path)) => path,
            Some(None) => OsStr::new(DEFAULT_PATH),
            None if changes.clear => OsStr::new(DEFAULT_PATH),
            None => &self.path,
        }
    }

    /// Writes the variables that a command sets.
    ///
    /// # Errors
    ///
    /// The name of one that there cannot be.
    pub(super) fn write_changes(
        &self,
        changes: &EnvChanges,
        out: &mut Strings,
    ) -> Result<(), OsString> {
        for (key, value) in &changes.vars {
            let Some(value) = value else { continue };
            if key.is_empty() || key.as_bytes().contains(&b'=') {
                return Err(key.clone());
            }
            out.push_var(key, value).map_err(|_| key.clone())?;
        }
        Ok(())
    }

    /// Where a variable is in the environment that most commands have. There may be two of a name.
    pub(super) fn places_of(&self, name: &OsStr) -> &[usize] {
        self.places.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Puts /dev/null in place of those of stdin, stdout and stderr that are closed, so that no
/// descriptor of ours gets their numbers.
fn hold_stdio() -> Vec<OwnedFd> {
    let mut held = Vec::new();
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    while let Ok(null) = rustix::fs::open("/dev/null", flags, Mode::empty()) {
        if null.as_raw_fd() > 2 {
            break;
        }
        held.push(null);
    }
    held
}

/// Raises the soft limit on open files to the hard one. Returns what it was before we first did, if
/// it is what we have made it.
fn raise_nofile() -> Option<Rlimit> {
    /// What it was, and what it became.
    static RAISED: Mutex<Option<(Rlimit, Rlimit)>> = Mutex::new(None);
    let mut raised = lock(&RAISED);
    let now = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    if let Some((original, _)) = raised.as_ref().filter(|(_, ours)| *ours == now) {
        return Some(*original);
    }
    if now.current == now.maximum || setrlimit(Resource::Nofile, most).is_err() {
        return None;
    }
    *raised = Some((now, most));
    Some(now)
}

/// How many descriptors this program has open; a guess where /proc is not mounted.
fn open_fds() -> u64 {
    const GUESS: u64 = 16;
    std::fs::read_dir("/proc/self/fd").map_or(GUESS, |entries| entries.count() as u64)
}
