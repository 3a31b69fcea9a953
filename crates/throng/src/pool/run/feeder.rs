//! Takes the commands of a run: on a thread of its own, or on the one that asks for outcomes.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::{fmt, mem};

use super::Run;
use crate::job::command::Command;
use crate::scheduler::inner::Inner;
use crate::scheduler::job::{Job, Recipient};
use crate::scheduler::results::Basket;
use crate::sync::lock;

#[derive(Debug)]
pub(super) enum Feeder {
    Thread(JoinHandle<()>),
    /// The system has no thread for it. The mutex is never locked; it only makes a `Run` shareable
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

impl Feeder {
    /// Starts a thread if that is allowed and the system has one.
    pub(super) fn start<I>(
        basket: &Arc<Basket>,
        inner: &Arc<Inner>,
        may_start: bool,
        commands: I,
    ) -> Feeder
    where
        I: Iterator + Send + 'static,
        I::Item: Into<Command>,
    {
        // If no thread is started, the commands have to come back to us.
        let shared = Arc::new(Mutex::new(Some(commands)));
        let theirs = shared.clone();
        let (for_thread, to) = (basket.clone(), inner.clone());
        let feed = move || {
            let commands = lock(&theirs).take();
            let feeding = Feeding(for_thread);
            if let Some(commands) = commands {
                feeding.feed(commands, &to);
            }
        };
        let thread = thread::Builder::new().name("throng-feeder".into());
        if may_start && let Ok(thread) = thread.spawn(feed) {
            return Feeder::Thread(thread);
        }
        let Some(commands) = lock(&shared).take() else {
            unreachable!("the thread that takes them was not started");
        };
        Feeder::Consumer(Mutex::new(Source {
            commands: Box::new(commands.map(Into::into)),
            seq: 0,
            panic: None,
        }))
    }

    /// There are no more outcomes. Returns the panic of the iterator of commands.
    pub(super) fn end(&mut self, basket: &Basket) -> Option<Payload> {
        match mem::replace(self, Feeder::Ended) {
            // A thread that was told to stop may be waiting for its iterator, perhaps for ever.
            Feeder::Thread(thread) if basket.is_feeder_done() => thread.join().err(),
            Feeder::Consumer(source) => source.into_inner().unwrap_or_else(plain).panic,
            Feeder::Thread(_) | Feeder::Ended => None,
        }
    }

    /// In a fork this thread does not exist, and nothing may be done with its handle.
    pub(super) fn forget(&mut self) {
        mem::forget(mem::replace(self, Feeder::Ended));
    }
}

fn plain<T>(error: PoisonError<T>) -> T {
    error.into_inner()
}

impl Run {
    /// Takes commands if no thread does: as many as there is room for, so that all shards have
    /// something to do, but only one if an outcome is ready to be returned.
    pub(super) fn feed(&mut self) {
        let Feeder::Consumer(source) = &mut self.feeder else {
            return;
        };
        let source = source.get_mut().unwrap_or_else(plain);
        let basket = &self.basket;
        basket.give_out(mem::take(&mut self.given_out));
        while source.panic.is_none() && basket.has_room() {
            match catch_unwind(AssertUnwindSafe(|| source.commands.next())) {
                Ok(Some(command)) => {
                    if !submit(basket, &self.inner, source.seq, command) {
                        return;
                    }
                    source.seq += 1;
                }
                Ok(None) => return basket.stop_feeding(),
                Err(payload) => {
                    source.panic = Some(payload);
                    return basket.stop_feeding();
                }
            }
            if !self.batch.is_empty() || basket.has_outcomes() {
                return;
            }
        }
    }
}

/// Queues a command of a run; `false` when it is no longer wanted.
fn submit(basket: &Arc<Basket>, inner: &Inner, seq: u64, command: Command) -> bool {
    let is_wanted = basket.count();
    if is_wanted {
        inner.submit(Job {
            seq,
            attempt: 1,
            command: Box::new(command),
            recipient: Recipient::run(basket.clone()),
        });
    }
    is_wanted
}

/// What the thread runs.
struct Feeding(Arc<Basket>);

impl Feeding {
    fn feed<I>(&self, mut commands: I, inner: &Inner)
    where
        I: Iterator,
        I::Item: Into<Command>,
    {
        let mut seq = 0;
        while self.0.take_room()
            && let Some(command) = commands.next()
            && submit(&self.0, inner, seq, command.into())
        {
            seq += 1;
        }
    }
}

impl Drop for Feeding {
    /// Also when the iterator of commands panics.
    fn drop(&mut self) {
        self.0.feeder_is_done();
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}
