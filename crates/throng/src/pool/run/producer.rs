//! Takes the commands of a run: on a thread of its own, or on the thread that asks for outcomes.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::{fmt, mem};

use super::Run;
use crate::job::command::Command;
use crate::scheduler::job::{Job, ReplyTo};
use crate::scheduler::results::ResultQueue;
use crate::scheduler::shared::Shared;
use crate::sync::lock;

#[derive(Debug)]
pub(super) enum Producer {
    Thread(JoinHandle<()>),
    /// No thread could be started. The mutex is never locked; it only makes a `Run` shareable
    /// between threads.
    Consumer(Mutex<Source>),
    Ended,
}

/// Commands that are taken one by one.
pub(super) struct Source {
    commands: Box<dyn Iterator<Item = Command> + Send>,
    /// The position of the next command among all.
    seq: u64,
    panic: Option<Payload>,
}

type Payload = Box<dyn Any + Send>;

impl Producer {
    /// Starts a thread if that is allowed and possible.
    pub(super) fn start<I>(
        results: &Arc<ResultQueue>,
        shared: &Arc<Shared>,
        may_start: bool,
        commands: I,
    ) -> Producer
    where
        I: Iterator + Send + 'static,
        I::Item: Into<Command>,
    {
        // If no thread is started, the commands must be available again below.
        let lent = Arc::new(Mutex::new(Some(commands)));
        let theirs = lent.clone();
        let (for_thread, to) = (results.clone(), shared.clone());
        let feed = move || {
            let commands = lock(&theirs).take();
            let producer = OnThread(for_thread);
            if let Some(commands) = commands {
                producer.feed(commands, &to);
            }
        };
        let thread = thread::Builder::new().name("throng-feeder".into());
        if may_start && let Ok(thread) = thread.spawn(feed) {
            return Producer::Thread(thread);
        }
        let Some(commands) = lock(&lent).take() else {
            unreachable!("the thread that takes them was not started");
        };
        Producer::Consumer(Mutex::new(Source {
            commands: Box::new(commands.map(Into::into)),
            seq: 0,
            panic: None,
        }))
    }

    /// There are no more outcomes. Returns the panic of the iterator of commands.
    pub(super) fn end(&mut self, results: &ResultQueue) -> Option<Payload> {
        match mem::replace(self, Producer::Ended) {
            // A thread that was stopped may be waiting for its iterator, possibly for ever.
            Producer::Thread(thread) if results.is_producer_done() => thread.join().err(),
            Producer::Consumer(source) => source.into_inner().unwrap_or_else(plain).panic,
            Producer::Thread(_) | Producer::Ended => None,
        }
    }

    /// Leaks the handle of the thread: in a fork it does not exist.
    pub(super) fn forget(&mut self) {
        mem::forget(mem::replace(self, Producer::Ended));
    }
}

fn plain<T>(error: PoisonError<T>) -> T {
    error.into_inner()
}

impl Run {
    /// Takes commands if no thread does: as many as there is room for, so that all shards are busy,
    /// but only one if an outcome is ready to be returned.
    pub(super) fn feed(&mut self) {
        let Producer::Consumer(source) = &mut self.producer else {
            return;
        };
        let source = source.get_mut().unwrap_or_else(plain);
        let results = &self.results;
        results.give_out(mem::take(&mut self.given_out));
        while source.panic.is_none() && results.has_room() {
            match catch_unwind(AssertUnwindSafe(|| source.commands.next())) {
                Ok(Some(command)) => {
                    if !submit(results, &self.shared, source.seq, command) {
                        return;
                    }
                    source.seq += 1;
                }
                Ok(None) => return results.stop_feeding(),
                Err(payload) => {
                    source.panic = Some(payload);
                    return results.stop_feeding();
                }
            }
            if !self.batch.is_empty() || results.has_outcomes() {
                return;
            }
        }
    }
}

/// Queues a command of a run; `false` if the run takes no more.
fn submit(results: &Arc<ResultQueue>, shared: &Shared, seq: u64, command: Command) -> bool {
    let is_wanted = results.count();
    if is_wanted {
        shared.submit(Job {
            seq,
            attempt: 1,
            command: Box::new(command),
            reply_to: ReplyTo::run(results.clone()),
        });
    }
    is_wanted
}

/// The producer on its thread.
struct OnThread(Arc<ResultQueue>);

impl OnThread {
    fn feed<I>(&self, mut commands: I, shared: &Shared)
    where
        I: Iterator,
        I::Item: Into<Command>,
    {
        let mut seq = 0;
        while self.0.take_room()
            && let Some(command) = commands.next()
            && submit(&self.0, shared, seq, command.into())
        {
            seq += 1;
        }
    }
}

impl Drop for OnThread {
    /// Also when the iterator of commands panics.
    fn drop(&mut self) {
        self.0.producer_is_done();
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}
