//! The job of a whole `Throng`, for the case that we are killed.
//!
//! The job of a process lets go what the process has left behind when that has ended by itself. A
//! program that is to leave nothing has all its processes in one more job, around theirs: the
//! system ends what is in it when its last handle is closed, and closes ours when we end, however
//! that comes about. When we end in good order we take that limit off first. No process has to
//! be started for it, so unlike on Linux there is no moment at which it is not there yet.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::holders;
use super::job::{ENDED_BY_US, Job};
use crate::model::verdict::Holder;

/// What was terminated is gone within this time, or does not end at all.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Guardian(Job);

impl Guardian {
    pub(crate) fn new() -> io::Result<Guardian> {
        Job::new().map(Guardian)
    }

    /// What processes are put into, before they are into their own.
    pub(crate) fn job(&self) -> &Job {
        &self.0
    }

    /// Ends all that is in it, and in the jobs within; returns those that do not
    /// end. Processes that have lost the leader of their group cannot be asked first.
    pub(crate) fn kill_leftovers(&self) -> io::Result<Vec<Holder>> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        while !self.0.pids()?.is_empty() {
            // Again and again: a process may just be about to start in it.
            self.0.terminate(ENDED_BY_US);
            if Instant::now() >= deadline {
                return Ok(holders::left_in(&self.0));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        Ok(Vec::new())
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.0.let_live();
    }
}
