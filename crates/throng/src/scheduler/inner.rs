//! What a `Throng`, its handles, its runs and its shards share.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crate::capture::budget::Budget;
use crate::job::callback::{Callback, StoppedCallback};
use crate::model::kill::KillSequence;
use crate::model::verdict::Held;
use crate::scheduler::mailbox::Mailbox;
use crate::scheduler::owner::Owner;
use crate::scheduler::queue::{Job, Queue};
use crate::scheduler::request::Request;
use crate::scheduler::results::Basket;
use crate::scheduler::running::{self, Running};
use crate::scheduler::shares::Shares;
use crate::slots::SlotNumbers;
use crate::sync::lock;
use crate::sys::Waker;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Inner {
    /// The owner of the shards' threads.
    pub(crate) owner: Owner,
    pub(crate) queue: Queue,
    jobs: AtomicUsize,
    pub(crate) shares: Shares,
    /// The numbers of slots, for the commands that ask for one.
    pub(crate) slots: Mutex<SlotNumbers>,
    pub(crate) settings: Settings,
    mailboxes: Vec<Mailbox>,
    /// Runs whose commands are to be taken no further when all is cancelled. Some may be gone.
    runs: Mutex<Vec<Weak<Basket>>>,
    cancelled: AtomicBool,
    /// Whether streams are left unread, and nothing is started.
    paused: AtomicBool,
    /// Whether what runs was told to end as well.
    ended: AtomicBool,
    next_seq: AtomicU64,
    /// No other pool of this program has it.
    pub(crate) id: u64,
}

/// What the builder was told that processes are captured by.
pub(crate) struct Settings {
    pub(crate) grace: Duration,
    pub(crate) held: Held,
    pub(crate) kill: Arc<KillSequence>,
    pub(crate) on_output: Option<Callback>,
    pub(crate) on_stopped: Option<StoppedCallback>,
    pub(crate) budget: Arc<Budget>,
}

impl Inner {
    pub(crate) fn new(jobs: usize, shards: usize, settings: Settings) -> Inner {
        Inner {
            owner: Owner::this(),
            queue: Queue::new(settings.budget.limit() / 2),
            jobs: AtomicUsize::new(jobs),
            shares: Shares::new(jobs, shards),
            slots: Mutex::new(SlotNumbers::from(1)),
            settings,
            mailboxes: (0..shards).map(|_| Mailbox::default()).collect(),
            runs: Mutex::default(),
            cancelled: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            next_seq: AtomicU64::new(0),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.mailboxes.len()
    }

    pub(crate) fn jobs(&self) -> usize {
        self.jobs.load(Ordering::Relaxed)
    }

    /// Changes the limit and has every shard look whether it has room now.
    pub(crate) fn set_jobs(&self, jobs: usize) {
        let runs = lock(&self.runs);
        let before = self.jobs.swap(jobs, Ordering::Relaxed);
        self.shares.change(before, jobs);
        for run in runs.iter().filter_map(Weak::upgrade) {
            run.set_jobs(jobs);
        }
        drop(runs);
        (0..self.shards()).for_each(|shard| self.wake(shard));
    }

    /// Has every shard leave what processes write in their pipes, or read it again.
    pub(crate) fn set_paused(&self, is_paused: bool) {
        let before = self.paused.swap(is_paused, Ordering::SeqCst);
        if before && !is_paused {
            (0..self.shards()).for_each(|shard| self.wake(shard));
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::SeqCst)
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn submit(&self, job: Job) {
        if !self.owner.is_here() {
            let program = job.command.program.to_string_lossy();
            let error = self.owner.error(&format!("cannot start \"{program}\""));
            return job.not_started(error, 0);
        }
        match self.queue.push(job) {
            Ok(Some(shard)) => self.wake(shard),
            Ok(None) => {}
            Err(job) => job.cancel(),
        }
    }

    /// Submits a job that was run before, ahead of all others, when this much time has passed.
    pub(crate) fn submit_again(&self, job: Job, after: Duration) {
        match self.queue.push_again(job, after) {
            Ok(shards) => shards.into_iter().for_each(|shard| self.wake(shard)),
            Err(job) => job.cancel(),
        }
    }

    /// Nobody is left to start anything.
    pub(crate) fn close(&self) {
        self.queue.close().into_iter().for_each(Job::cancel);
    }

    pub(crate) fn connect(&self, shard: usize, waker: Waker) {
        self.mailboxes[shard].connect(waker);
    }

    pub(crate) fn wake(&self, shard: usize) {
        self.mailboxes[shard].wake();
    }

    pub(crate) fn ask(&self, shard: usize, request: Request) {
        self.mailboxes[shard].ask(request);
    }

    pub(crate) fn ask_all(&self, request: impl Fn() -> Request) {
        (0..self.shards()).for_each(|shard| self.ask(shard, request()));
    }

    /// What runs now, the oldest first, up to this many.
    pub(crate) fn running(&self, limit: usize) -> Vec<Running> {
        running::ask(limit, |census| {
            self.ask_all(|| Request::Tell(census.clone()))
        })
    }

    pub(crate) fn take_requests(&self, shard: usize) -> Vec<Request> {
        self.mailboxes[shard].take()
    }

    pub(crate) fn cancel(&self, request: impl Fn() -> Request) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.ask_all(request);
        let runs: Vec<_> = lock(&self.runs).drain(..).collect();
        runs.iter()
            .filter_map(Weak::upgrade)
            .for_each(|run| run.stop_feeding());
    }

    /// Starts nothing more, and ends what runs as this says.
    pub(crate) fn end(&self, request: impl Fn() -> Request) {
        self.ended.store(true, Ordering::Relaxed);
        self.cancel(request);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
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

    /// Holds every lock that other threads take, as they may do when this program forks.
    #[cfg(test)]
    pub(crate) fn hold_locks(&self) -> impl Sized + '_ {
        let mailboxes: Vec<_> = self.mailboxes.iter().map(Mailbox::hold).collect();
        (
            self.queue.hold(),
            lock(&self.slots),
            lock(&self.runs),
            mailboxes,
        )
    }

    /// Whether nothing is to be started any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("jobs", &self.jobs())
            .field("shards", &self.shards())
            .field("live", &self.queue.live())
            .finish_non_exhaustive()
    }
}
