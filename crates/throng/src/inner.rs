//! What a `Throng`, its handles, its runs and its shards share.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use crate::lock::lock;
use crate::queue::{Job, Queue};
use crate::run::Basket;
use crate::slots::Id;
use crate::sys::Waker;
use crate::{Command, KillSequence, Stream};

/// A piece of output, as the [output callback](crate::Builder::on_output) gets it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Output<'a> {
    /// The place of the command among all; see [`Outcome::seq`](crate::Outcome::seq).
    pub seq: u64,
    /// The command whose process wrote it.
    pub command: &'a Command,
    /// The stream that it was written to.
    pub stream: Stream,
    /// The bytes; never empty, and cut anywhere.
    pub bytes: &'a [u8],
    /// When they were read, counted from the start of the process.
    pub at: Duration,
}

pub(crate) type Callback = Box<dyn Fn(Output<'_>) + Send + Sync>;

pub(crate) struct Inner {
    pub(crate) queue: Queue,
    pub(crate) jobs: usize,
    pub(crate) grace: Duration,
    pub(crate) kill: Arc<KillSequence>,
    pub(crate) on_output: Option<Callback>,
    mailboxes: Vec<Mailbox>,
    /// Runs whose commands are to be taken no further when all is cancelled. Some may be gone.
    runs: Mutex<Vec<Weak<Basket>>>,
    cancelled: AtomicBool,
    next_seq: AtomicU64,
}

/// What other threads ask of a shard.
#[derive(Default)]
struct Mailbox {
    requests: Mutex<Vec<Request>>,
    waker: OnceLock<Waker>,
}

#[derive(Debug)]
pub(crate) enum Request {
    /// End a process by the kill sequence.
    Cancel(Id),
    /// End a process now.
    Kill(Id),
    /// End the processes of a run that nobody listens to any more.
    CancelRun(Arc<Basket>),
    /// End all processes by the kill sequence, and start nothing more.
    CancelAll,
    /// End all processes now, and start nothing more.
    KillAll,
    /// The `Throng` is gone: leave when no process is left.
    Close,
}

impl Inner {
    pub(crate) fn new(
        jobs: usize,
        shards: usize,
        grace: Duration,
        kill: KillSequence,
        on_output: Option<Callback>,
    ) -> Inner {
        Inner {
            queue: Queue::default(),
            jobs,
            grace,
            kill: Arc::new(kill),
            on_output,
            mailboxes: (0..shards).map(|_| Mailbox::default()).collect(),
            runs: Mutex::default(),
            cancelled: AtomicBool::new(false),
            next_seq: AtomicU64::new(0),
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.mailboxes.len()
    }

    /// How many processes a shard may have live. The shares add up to `jobs`, so the limit is
    /// exact, and each shard keeps to its own without asking the others.
    pub(crate) fn share_of(&self, shard: usize) -> usize {
        let shards = self.shards();
        self.jobs / shards + usize::from(shard < self.jobs % shards)
    }

    /// The number of a shard's first slot, counted from 1 over all shards.
    pub(crate) fn first_slot_of(&self, shard: usize) -> usize {
        1 + (0..shard)
            .map(|before| self.share_of(before))
            .sum::<usize>()
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn submit(&self, job: Job) {
        match self.queue.push(job) {
            Ok(Some(shard)) => self.wake(shard),
            Ok(None) => {}
            Err(job) => job.cancel(),
        }
    }

    /// Nobody is left to start anything.
    pub(crate) fn close(&self) {
        self.queue.close().into_iter().for_each(Job::cancel);
    }

    pub(crate) fn connect(&self, shard: usize, waker: Waker) {
        let first = self.mailboxes[shard].waker.set(waker);
        assert!(first.is_ok(), "a shard is connected once");
    }

    pub(crate) fn wake(&self, shard: usize) {
        if let Some(waker) = self.mailboxes[shard].waker.get() {
            waker.wake();
        }
    }

    pub(crate) fn ask(&self, shard: usize, request: Request) {
        lock(&self.mailboxes[shard].requests).push(request);
        self.wake(shard);
    }

    pub(crate) fn ask_all(&self, request: impl Fn() -> Request) {
        (0..self.shards()).for_each(|shard| self.ask(shard, request()));
    }

    pub(crate) fn take_requests(&self, shard: usize) -> Vec<Request> {
        std::mem::take(&mut *lock(&self.mailboxes[shard].requests))
    }

    pub(crate) fn cancel(&self, request: impl Fn() -> Request) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.ask_all(request);
        let runs: Vec<_> = lock(&self.runs).drain(..).collect();
        runs.iter()
            .filter_map(Weak::upgrade)
            .for_each(|run| run.stop_feeding());
    }

    pub(crate) fn add_run(&self, run: &Arc<Basket>) {
        let mut runs = lock(&self.runs);
        runs.retain(|run| run.strong_count() > 0);
        runs.push(Arc::downgrade(run));
        drop(runs);
        if self.is_cancelled() {
            run.stop_feeding();
        }
    }

    /// Whether nothing is to be started any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("jobs", &self.jobs)
            .field("shards", &self.shards())
            .field("live", &self.queue.live())
            .finish_non_exhaustive()
    }
}
