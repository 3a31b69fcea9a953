//! What the kernel says of processes: counts that must not grow, and processes that must be gone.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::eventually;

/// How many descriptors this program has open.
///
/// # Panics
///
/// When /proc is not mounted.
pub fn open_fds() -> usize {
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

/// The children of this program: those that run, and those that nobody has waited for.
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

/// A mark on command lines, to find the processes of one test and to end them when it is over.
#[derive(Debug)]
pub struct Tag(String);

impl Tag {
    /// A mark that nothing else in the system has.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Tag {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        Tag(format!("tag:throng-{}-{serial}-", std::process::id()))
    }

    /// The processes that run with this mark on their command line.
    pub fn pids(&self) -> Vec<u32> {
        pids().filter(|pid| self.is_on(*pid)).collect()
    }

    fn is_on(&self, pid: u32) -> bool {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut args = line.split(|byte| *byte == 0).map(OsStr::from_bytes);
        // A list of steps for a grandchild is one argument; it does not begin with the tag.
        args.any(|arg| arg == self.0.as_str())
    }

    /// Waits until this many processes with this mark run.
    #[track_caller]
    pub fn await_count(&self, count: usize) {
        let mut found = Vec::new();
        let what = format!("{count} processes with {self}");
        eventually(&what, || {
            found = self.pids();
            found.len() == count
        });
    }

    /// Waits until no process with this mark runs.
    #[track_caller]
    pub fn await_gone(&self) {
        self.await_count(0);
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
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
