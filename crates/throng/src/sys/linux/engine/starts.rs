//! Starts that take longer: programs that were not loaded when their start returned.

use std::time::{Duration, Instant};

use super::{Engine, LOOK_LATER};
use crate::job::command::Command;
use crate::model::kill::Signal;
use crate::slots::Id;
use crate::sys::api::{StartError, at_most};
use crate::sys::linux::child::{Child, Start};
use crate::sys::linux::start::launch::Launcher;
use crate::sys::spawn_error::SpawnError;

/// A program that is not loaded within this time counts as not loadable.
pub(super) const LONGEST_START: Duration = Duration::from_secs(30);

/// What was killed is gone within this time, or does not go at all.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How often starts that take longer are looked at, at first. Later it is every [`LOOK_LATER`].
const LOOK_AGAIN: Duration = Duration::from_millis(2);

impl Engine {
    /// Looks at starts that take longer: whether their programs are loaded, and whether their time
    /// is up.
    pub(super) fn look_at_starts(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let mut timeout = match self.loaded.is_empty() {
            true => timeout,
            false => Some(Duration::ZERO),
        };
        let mut soonest = LOOK_LATER;
        for id in std::mem::take(&mut self.starting) {
            if self.settle(id) {
                timeout = Some(Duration::ZERO);
                continue;
            }
            let Some(child) = self.children.get_mut(id) else {
                continue;
            };
            let Some(start) = &mut child.start else {
                continue;
            };
            let now = Instant::now();
            let age = now.saturating_duration_since(start.loading.begun);
            match start.given_up_at {
                Some(at) if now - at >= LAST_WAIT => {
                    // It is not gone although it was killed, and its exit cannot be waited for.
                    let error = not_loaded(&start.command, age);
                    if child.has_exited() {
                        self.to_ask.push(id);
                    } else {
                        let launcher = &mut self.launcher;
                        child.give_up(&mut self.own_max_rss, |child| finish(launcher, child));
                        self.not_started.push((id, error));
                    }
                    timeout = Some(Duration::ZERO);
                    continue;
                }
                None if age >= LONGEST_START
                    && self.suspended_since.is_none()
                    && !start.loading.awaits_writer() =>
                {
                    start.given_up_at = Some(now);
                    child.signal(Signal::Kill);
                }
                _ => {}
            }
            soonest = soonest.min(LOOK_AGAIN.max(age / 8));
            self.starting.push(id);
        }
        if self.starting.is_empty() {
            return timeout;
        }
        at_most(timeout, soonest)
    }

    /// Takes in what a start that takes longer has come to, and returns whether that is decided.
    pub(super) fn settle(&mut self, id: Id) -> bool {
        let Some(child) = self.children.get_mut(id) else {
            return false;
        };
        if !child
            .start
            .as_mut()
            .is_some_and(|start| start.loading.look())
        {
            return false;
        }
        finish(&mut self.launcher, child);
        if child.is_running() && child.has_failed() {
            // Its exit reports that, and comes at once, unless closing its descriptors takes long.
            self.to_ask.push(id);
        } else {
            self.loaded.push(id);
        }
        true
    }
}

/// The result of a start that took longer.
pub(super) fn finish(launcher: &mut Launcher, child: &mut Child) {
    let Some(mut start) = child.start.take() else {
        return;
    };
    if !start.loading.look() {
        // It has exited, so nothing is in use any more; another process has the pipe of its report.
        return;
    }
    let Start {
        loading,
        command,
        given_up_at,
    } = *start;
    let took = loading.begun.elapsed();
    match launcher.finish(loading, &command) {
        Err(error) => child.fail(error),
        Ok(()) if given_up_at.is_some() => child.fail(not_loaded(&command, took)),
        Ok(()) => {}
    }
}

fn not_loaded(command: &Command, took: Duration) -> StartError {
    SpawnError::not_loaded(command, LONGEST_START.min(took)).into_start_error(command)
}

#[cfg(test)]
impl Engine {
    /// Has a start seem to have been given up long ago, and not to have ended since.
    pub(super) fn let_start_be_unkillable(&mut self, id: Id) {
        let child = self.children.get_mut(id);
        let start = child.and_then(|child| child.start.as_mut());
        let start = start.expect("it is not loaded");
        start.given_up_at = Instant::now().checked_sub(LAST_WAIT);
    }

    /// Makes a start appear to have begun earlier than it has.
    pub(super) fn put_start_back(&mut self, id: Id, by: Duration) {
        let start = self
            .children
            .get_mut(id)
            .and_then(|child| child.start.as_mut());
        let begun = &mut start.expect("it is not loaded").loading.begun;
        *begun = begun
            .checked_sub(by)
            .expect("the machine has been up for longer");
    }
}
