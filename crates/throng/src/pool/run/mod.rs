//! Many commands in, many outcomes out, both streaming.
//!
//! A thread of its own takes the commands, so that a source that blocks (a terminal, a pipe) delays
//! no outcome; if no thread can be started, the caller that asks for outcomes takes them. No more
//! are taken while a window of commands is under way.

mod producer;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{mem, panic, thread};

use self::producer::Producer;
use crate::job::command::Command;
use crate::job::outcome::Outcome;
use crate::scheduler::owner::Owner;
use crate::scheduler::results::{Judge, ResultQueue};
use crate::scheduler::shared::{Request, Shared};

/// The outcomes of many commands, in the order in which they finish; see
/// [`Throng::run`](crate::Throng::run).
///
/// Dropping it takes no more commands and ends those that run by the kill sequence.
///
/// In a process that was forked from the one that made it, it returns no outcomes, and dropping it
/// does nothing.
#[derive(Debug)]
#[must_use = "outcomes come from iterating; dropping ends the run"]
pub struct Run {
    results: Arc<ResultQueue>,
    shared: Arc<Shared>,
    /// Outcomes that were fetched and have not been returned.
    batch: VecDeque<Outcome>,
    /// How many outcomes were returned since the last fetch.
    given_out: usize,
    /// When outcomes were last fetched.
    fetched: Option<Instant>,
    producer: Producer,
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
    pub(crate) fn start<I>(shared: Arc<Shared>, commands: I, judge: Option<Judge>) -> Run
    where
        I: Iterator + Send + 'static,
        I::Item: Into<Command>,
    {
        // In a fork of the process that has the shards, each command only has an error.
        let has_shards = shared.owner.is_here();
        Run::start_with(shared, has_shards, commands, judge)
    }

    /// The same, with a parameter for whether a thread may be started.
    fn start_with<I>(shared: Arc<Shared>, may_start: bool, commands: I, judge: Option<Judge>) -> Run
    where
        I: Iterator + Send + 'static,
        I::Item: Into<Command>,
    {
        let results = Arc::new(ResultQueue::new(shared.jobs(), judge));
        let owner = Owner::this();
        if shared.owner == owner {
            shared.add_run(&results);
        }
        Run {
            producer: Producer::start(&results, &shared, may_start, commands),
            results,
            shared,
            batch: VecDeque::new(),
            given_out: 0,
            fetched: None,
            owner,
        }
    }

    /// Takes no more commands. Those that are queued or running still have their outcomes.
    pub fn stop_feeding(&self) {
        if self.owner.is_here() {
            self.results.stop_feeding();
        }
    }

    /// Whether [`next`](Iterator::next) would return without waiting.
    pub fn is_ready(&self) -> bool {
        !self.owner.is_here() || !self.batch.is_empty() || self.results.has_outcomes()
    }

    #[cfg(test)]
    pub(crate) fn results(&self) -> Arc<ResultQueue> {
        self.results.clone()
    }

    fn fetch(&mut self) {
        self.results.give_out(mem::take(&mut self.given_out));
        if self.results.is_awaited() {
            thread::sleep(pause(self.fetched, Instant::now()));
        }
        self.results.take(&mut self.batch);
        self.fetched = Some(Instant::now());
    }

    /// Outcomes with this many bytes were taken.
    fn remove_unconsumed(&self, bytes: u64) {
        let queue = &self.shared.queue;
        for shard in queue.remove_unconsumed(self.results.unconsumed(), bytes) {
            self.shared.wake(shard);
        }
    }
}

impl Iterator for Run {
    type Item = Outcome;

    /// Blocks until the next process has finished. If no thread could be started for the commands,
    /// takes commands first; see [`Throng::run`](crate::Throng::run).
    ///
    /// # Panics
    ///
    /// If the iterator of commands panicked, resumes its panic after all outcomes were returned.
    fn next(&mut self) -> Option<Outcome> {
        if !self.owner.is_here() {
            return None;
        }
        self.feed();
        if self.batch.is_empty() {
            self.fetch();
        }
        let Some(outcome) = self.batch.pop_front() else {
            if let Some(payload) = self.producer.end(&self.results) {
                panic::resume_unwind(payload);
            }
            return None;
        };
        self.given_out += 1;
        self.remove_unconsumed(outcome.capture.bytes_total());
        Some(outcome)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.owner.is_here() {
            // What is shared with the threads of the parent must not be dropped here: that takes
            // locks and joins threads.
            mem::forget((self.shared.clone(), self.results.clone()));
            mem::forget(mem::take(&mut self.batch));
            self.producer.forget();
            return;
        }
        self.batch.append(&mut self.results.stop());
        self.remove_unconsumed(self.batch.iter().map(|o| o.capture.bytes_total()).sum());
        if self.shared.owner == self.owner {
            self.shared
                .ask_all(|| Request::CancelRun(self.results.clone()));
        }
    }
}
