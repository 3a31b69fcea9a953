//! Ends whatever a contestant has left behind.
//!
//! The bench is a subreaper: a process whose parent ends becomes the bench's own. So killing our
//! children until there are none ends every tree, whatever process groups it has made, and does
//! not touch anybody else's processes.

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{self, Pid, Signal, WaitOptions};

/// Makes orphans below this process its children.
pub(crate) fn adopt_orphans() -> Result<()> {
    process::set_child_subreaper(Some(process::getpid())).context("become a subreaper")
}

/// Kills all children of this process, and theirs, and gives how many there were.
pub(crate) fn end_leftovers() -> Result<usize> {
    let mut ended = 0;
    loop {
        let children: Vec<Pid> = throng_tests::children()
            .into_iter()
            .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
            .collect();
        if children.is_empty() {
            return Ok(ended);
        }
        for child in children {
            // Until we wait for it, its id is its own; one that has ended can still be signalled.
            match process::kill_process(child, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error).context("kill a stray process"),
            }
            match process::waitpid(Some(child), WaitOptions::empty()) {
                Ok(_) => ended += 1,
                Err(Errno::INTR | Errno::CHILD) => {}
                Err(error) => return Err(error).context("wait for a stray process"),
            }
        }
    }
}
