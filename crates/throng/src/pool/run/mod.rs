//! Many commands in, many outcomes out, both streaming.
//!
//! The commands are taken by a thread of their own, so that a source that makes us wait (a
//! terminal, a pipe) delays no outcome; if the system has no thread, the caller that asks for
//! outcomes takes them. No more are taken while a window of commands is under way.

mod feeder;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{mem, panic, thread};

use self::feeder::Feeder;
use crate::job::command::Command;
use crate::job::outcome::Outcome;
use crate::scheduler::inner::{Inner, Request};
use crate::scheduler::owner::Owner;
use crate::scheduler::results::{Basket, Judge};

/// The outcomes of many commands, in the order in which they finish; see
/// [`Throng::run`](crate::Throng::run).
///
/// Dropping it takes no more commands and ends those that run by the kill sequence.
///
/// In a process that was forked from the one that made it, there are no outcomes, and dropping it
/// does nothing.
#[derive(Debug)]
#[must_use = "outcomes come from iterating; dropping ends the run"]
pub struct Run {
    basket: Arc<Basket>,
    inner: Arc<Inner>,
    /// Outcomes that have been fetched and not yet been given out.
    batch: VecDeque<Outcome>,
    /// How many of the last batch have been given out since it was fetched.
    given_out: usize,
    /// When outcomes were last fetched.
    fetched: Option<Instant>,
    feeder: Feeder,
    owner: Owner,
}

/// Outcomes that come faster than this are fetched together. A wake-up costs the shard that does
/// it, and the processor that it takes away from the processes, about as much as reading one.
const FETCH_INTERVAL: Duration = Duration::from_millis(1);

/// How long to sleep before waiting for the next outcome, given when the last ones were fetched.
fn pause(fetched: Option<Instant>, now: Instant) -> Duration {
    let since = fetched.map_or(FETCH_INTERVAL, |at| now.saturating_duration_since(at));
    FETCH_INTERVAL.saturating_sub(since)
}

impl Run {
    pub(crate) fn start<I>(inner: Arc<Inner>, commands: I, judge: Option<Judge>) -> Run
    where
        I: Iterator + Send + 'static,
        I::Item: Into<Command>,
    {
        // In a fork of the process that has the shards, each command only gets an error.
        let has_shards = inner.owner.is_here();
        Run::start_with(inner, has_shards, commands, judge)
    }

    /// The same, with a parameter for whether a thread may be started.
    fn start_with<I>(inner: Arc<Inner>, may_start: bool, commands: I, judge: Option<Judge>) -> Run
    where
        I: Iterator + Send + 'static,
        I::Item: Into<Command>,
    {
        let basket = Arc::new(Basket::new(inner.jobs(), judge));
        let owner = Owner::this();
        if inner.owner == owner {
            inner.add_run(&basket);
        }
        Run {
            feeder: Feeder::start(&basket, &inner, may_start, commands),
            basket,
            inner,
            batch: VecDeque::new(),
            given_out: 0,
            fetched: None,
            owner,
        }
    }

    /// Takes no more commands. What has been started, or is queued, still gives its outcome.
    pub fn stop_feeding(&self) {
        if self.owner.is_here() {
            self.basket.stop_feeding();
        }
    }

    /// Whether the next outcome is there, so that [`next`](Iterator::next) would not wait.
    pub fn is_ready(&self) -> bool {
        !self.owner.is_here() || !self.batch.is_empty() || self.basket.has_outcomes()
    }

    #[cfg(test)]
    pub(crate) fn basket(&self) -> Arc<Basket> {
        self.basket.clone()
    }

    fn fetch(&mut self) {
        self.basket.give_out(mem::take(&mut self.given_out));
        if self.basket.is_awaited() {
            thread::sleep(pause(self.fetched, Instant::now()));
        }
        self.basket.take(&mut self.batch);
        self.fetched = Some(Instant::now());
    }

    /// Outcomes with this many bytes were taken.
    fn remove_untaken(&self, bytes: u64) {
        let queue = &self.inner.queue;
        for shard in queue.remove_untaken(self.basket.untaken(), bytes) {
            self.inner.wake(shard);
        }
    }
}

impl Iterator for Run {
    type Item = Outcome;

    /// Waits for the next process to finish. If the system had no thread for the commands when this
    /// run [was started](crate::Throng::run), takes commands first.
    ///
    /// # Panics
    ///
    /// When the iterator of commands panicked, with its panic, after all other outcomes.
    fn next(&mut self) -> Option<Outcome> {
        if !self.owner.is_here() {
            return None;
        }
        self.feed();
        if self.batch.is_empty() {
            self.fetch();
        }
        let Some(outcome) = self.batch.pop_front() else {
            if let Some(payload) = self.feeder.end(&self.basket) {
                panic::resume_unwind(payload);
            }
            return None;
        };
        self.given_out += 1;
        self.remove_untaken(outcome.capture.bytes_total());
        Some(outcome)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.owner.is_here() {
            // What is shared with the threads of our parent must not be torn down here: that takes
            // locks and joins.
            mem::forget((self.inner.clone(), self.basket.clone()));
            mem::forget(mem::take(&mut self.batch));
            self.feeder.forget();
            return;
        }
        self.batch.append(&mut self.basket.stop());
        self.remove_untaken(self.batch.iter().map(|o| o.capture.bytes_total()).sum());
        if self.inner.owner == self.owner {
            self.inner
                .ask_all(|| Request::CancelRun(self.basket.clone()));
        }
    }
}
