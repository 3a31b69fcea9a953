//! What the kernel reports about processes: counts that must not grow, and processes that must be
//! gone.

mod deaf;
mod groups;
pub(super) mod mounts;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, kill_process};
use throng::{Command, Holder, Mechanism, Signal, Status};

use crate::unique::unique;

/// A thousand processes take seconds, and minutes on a machine that does ten other things.
pub(crate) const LONGEST_TEST: Duration = Duration::from_secs(300);

/// Threads and handles of a program do not come and go by themselves here.
pub const SLACK: usize = 0;

/// Whether a holder's arguments are known: /proc has them.
pub const TELLS_ARGUMENTS: bool = true;

/// Whether this holder was started by the system for its own purposes.
pub fn is_of_the_system(_: &Holder) -> bool {
    false
}

/// Whether this is the status of a process that was ended by this signal.
pub fn is_end_by(signal: Signal, status: Status) -> bool {
    let number = match signal {
        Signal::Hup => 1,
        Signal::Int => 2,
        Signal::Quit => 3,
        Signal::Kill => 9,
        Signal::Term => 15,
        _ => panic!("{signal} has no number here"),
    };
    status.signal() == Some(number)
}

/// Whether the system reports the resource usage of a process.
pub fn tells_usage() -> bool {
    true
}

/// Adapts a command for the child to this machine: nothing to do.
pub(crate) fn prepare(_: &mut Command) {}

/// Makes the program under test, and its commands, run without a console where one is slow to
/// start: not here.
pub fn without_console(_: &mut std::process::Command) -> &'static [&'static str] {
    &[]
}

/// How often to do what is done this many times where processes are cheap: as often.
pub fn repeat(times: usize) -> usize {
    times
}

/// The threads that the system needs to wait for this many exits: none.
pub fn threads_that_wait(_: usize) -> usize {
    0
}

/// The same where all mechanisms together would take too long: they do not.
pub fn repeat_with(_: Mechanism, times: usize) -> usize {
    times
}

/// Puts a program into this directory under this name: as a link.
///
/// # Panics
///
/// When there can be none.
pub fn install(program: &OsStr, dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    std::os::unix::fs::symlink(program, &path).expect("a link can be made");
    path
}

/// How many descriptors this program has open.
///
/// # Panics
///
/// When /proc is not mounted.
pub fn open_handles() -> usize {
    count("/proc/self/fd")
}

/// How many threads this program has.
///
/// # Panics
///
/// When /proc is not mounted.
pub fn threads() -> usize {
    count("/proc/self/task")
}

fn count(dir: &str) -> usize {
    fs::read_dir(dir).expect("/proc is mounted").count()
}

/// How much memory this program has resident now, in KiB.
///
/// # Panics
///
/// When /proc is not mounted.
pub fn rss_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse().ok())
        .expect("the kernel says how much is resident")
}

/// The children of this program: those that run, and those that have not been waited for.
pub fn children() -> Vec<u32> {
    let own = std::process::id();
    pids().filter(|pid| parent_of(*pid) == Some(own)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it, in parentheses, may contain anything.
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(1)?.parse().ok()
}

fn pids() -> impl Iterator<Item = u32> {
    let processes = fs::read_dir("/proc").expect("/proc is mounted");
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// A tag on command lines, to find the processes of one test and to end them when it is over.
#[derive(Debug)]
pub struct Tag(String);

impl Tag {
    /// A tag that nothing else in the system has.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Tag {
        Tag(format!("tag:throng-{}", unique()))
    }

    /// What the child does when it is given a tag: nothing, since its command line shows it.
    pub fn bear(_: &str) {}

    /// The processes that run with this tag on their command line.
    pub fn pids(&self) -> Vec<u32> {
        pids().filter(|pid| self.is_on(*pid)).collect()
    }

    fn is_on(&self, pid: u32) -> bool {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut args = line.split(|byte| *byte == 0).map(OsStr::from_bytes);
        // A list of steps for a grandchild is one argument; it does not begin with the tag.
        args.any(|arg| arg == self.0.as_str())
    }
}

impl std::fmt::Display for Tag {
    /// The step to put on a command line; the child ignores it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        for pid in self.pids() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // It may have ended by itself since we looked.
                let _ = kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

/// A place where thousands of processes can wait without using processor time: a lock on a file,
/// held by this process until they may pass. Each adds a byte to the file before it waits.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
    locked: File,
}

impl Gate {
    /// A closed gate.
    ///
    /// # Panics
    ///
    /// When no temporary file can be created.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Gate {
        let name = format!("throng-gate-{}", unique());
        let path = std::env::temp_dir().join(name);
        let locked = File::create_new(&path).expect("a temporary file can be made");
        flock(&locked, FlockOperation::LockExclusive).expect("nobody else has it");
        Gate { path, locked }
    }

    /// The step of the child that waits for it.
    pub fn step(&self) -> String {
        format!("gate:{}", self.path.display())
    }

    /// What the child does at this step. A gate that no longer exists has been opened.
    ///
    /// # Panics
    ///
    /// When it cannot be waited for.
    pub fn pass(gate: &str) {
        if let Ok(mut file) = File::options().append(true).open(gate) {
            file.write_all(b"x").expect("there is room for a byte");
            flock(&file, FlockOperation::LockShared).expect("it can be locked");
        }
    }

    /// How many processes have arrived.
    ///
    /// # Panics
    ///
    /// When the system does not report it.
    pub fn arrived(&self) -> u64 {
        self.locked.metadata().expect("the file is open").len()
    }

    /// Lets all processes pass: those that wait, and those that come later.
    pub fn open(self) {}
}

impl Drop for Gate {
    fn drop(&mut self) {
        // It is in a directory for temporary files: if it stays that does no harm.
        let _ = fs::remove_file(&self.path);
    }
}
