//! Processes that do not end when they are asked to.

use std::fs;

use super::Tag;
use crate::patience::eventually;

/// The bit of `SIGTERM` in the masks of proc_pid_status(5).
const TERM: u64 = 1 << (15 - 1);

impl Tag {
    /// Waits until this many processes with this tag run and all of them survive `SIGTERM`: they
    /// begin by arranging that, and a process that is asked to end before has ended for the wrong
    /// reason.
    #[track_caller]
    pub fn await_deaf(&self, count: usize) {
        self.await_count(count);
        eventually("all survive being asked to end", || {
            self.pids().into_iter().all(is_deaf)
        });
    }
}

fn is_deaf(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & TERM != 0)
}
