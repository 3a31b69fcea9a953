//! The state that a `Throng` shares with its handles, runs and shards.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::capture::budget::Budget;
use crate::job::outcome::Outcome;
use crate::job::running::{Callback, Running, StoppedCallback};
use crate::model::error::Error;
use crate::model::kill::KillSequence;
use crate::model::verdict::OnHeld;
use crate::scheduler::job::{Job, ReplyTo};
use crate::scheduler::mailbox::Mailbox;
use crate::scheduler::owner::Owner;
use crate::scheduler::queue::Queue;
use crate::scheduler::quotas::Quotas;
use crate::scheduler::results::{Next, ResultQueue};
use crate::slots::{Id, SlotNumbers};
use crate::sync::lock;
use crate::sys::Waker;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Shared {
    /// The owner of the shards' threads.
    pub(crate) owner: Owner,
    pub(crate) queue: Queue,
    jobs: AtomicUsize,
    pub(crate) quotas: Quotas,
    /// The numbers of slots, for commands that need one.
    pub(crate) slots: Mutex<SlotNumbers>,
    pub(crate) settings: Settings,
    mailboxes: Vec<Mailbox<Request>>,
    /// Runs, which take no more commands when everything is cancelled. Some may be gone.
    runs: Mutex<Vec<Weak<ResultQueue>>>,
    cancelled: AtomicBool,
    /// Whether streams are not read, and nothing is started.
    paused: AtomicBool,
    /// Whether the running processes are ended as well.
    ended: AtomicBool,
    next_seq: AtomicU64,
    /// Unique among the pools of this program.
    pub(crate) id: u64,
}

/// The settings of the builder for processes and captures.
pub(crate) struct Settings {
    pub(crate) grace: Duration,
    pub(crate) held: OnHeld,
    pub(crate) kill: Arc<KillSequence>,
    pub(crate) on_output: Option<Callback>,
    pub(crate) on_stopped: Option<StoppedCallback>,
    pub(crate) budget: Arc<Budget>,
}

/// A request of another thread to a shard.
#[derive(Debug)]
pub(crate) enum Request {
    /// End a process by the kill sequence.
    Cancel(Id),
    /// Kill a process now.
    Kill(Id),
    /// End the processes of a run that was dropped.
    CancelRun(Arc<ResultQueue>),
    /// End all processes by the kill sequence, and start nothing more.
    CancelAll,
    /// Kill all processes now, and start nothing more.
    KillAll,
    /// Start nothing more.
    CancelQueue,
    /// End the processes that have run for longer than this.
    EndOlder(Duration),
    /// Report the running processes: the oldest, up to this many.
    Tell(usize, Sender<Vec<Running>>),
    /// Start nothing, stop all processes and clocks, and answer when that is done.
    Suspend(Sender<()>),
    /// Continue after `Suspend`.
    Resume,
    /// The `Throng` was dropped: end when no process is left.
    Close,
}

impl Shared {
    pub(crate) fn new(jobs: usize, shards: usize, settings: Settings) -> Shared {
        Shared {
            owner: Owner::this(),
            queue: Queue::new(settings.budget.limit() / 2),
            jobs: AtomicUsize::new(jobs),
            quotas: Quotas::new(jobs, shards),
            slots: Mutex::new(SlotNumbers::from(1)),
            settings,
            mailboxes: (0..shards).map(|_| Mailbox::new()).collect(),
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

    /// Changes the limit and wakes all shards, which may have room now.
    pub(crate) fn set_jobs(&self, jobs: usize) {
        let runs = lock(&self.runs);
        let before = self.jobs.swap(jobs, Ordering::Relaxed);
        self.quotas.change(before, jobs);
        for run in runs.iter().filter_map(Weak::upgrade) {
            run.set_jobs(jobs);
        }
        drop(runs);
        (0..self.shards()).for_each(|shard| self.wake(shard));
    }

    /// Stops all shards from reading output, or lets them read again.
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
            return self.refuse(job, error, 0);
        }
        match self.queue.push(job) {
            Ok(Some(shard)) => self.wake(shard),
            Ok(None) => {}
            Err(job) => job.cancel(),
        }
    }

    /// This command could not be started, after this many retries.
    pub(crate) fn refuse(&self, job: Job, error: Error, retries: u32) {
        let (reply_to, outcome) = job.not_started(error, retries);
        self.deliver(reply_to, outcome);
    }

    /// Delivers an outcome. If it belongs to a run, it is judged first, and the decision about
    /// other commands is carried out before the consumer can take the outcome.
    pub(crate) fn deliver(&self, reply_to: ReplyTo, outcome: Outcome) {
        match reply_to.judge(&outcome) {
            Next::RunAgain(after) => {
                let (seq, attempt) = (outcome.seq, outcome.attempt + 1);
                let command = outcome.command.to_run_again();
                if let Some(reply_to) = reply_to.deliver(outcome, true) {
                    let job = Job {
                        seq,
                        attempt,
                        command,
                        reply_to,
                    };
                    self.submit_again(job, after);
                }
                return;
            }
            Next::StartNoMore => self.cancel(|| Request::CancelQueue),
            Next::Cancel => self.end(|| Request::CancelAll),
            Next::Continue => {}
        }
        reply_to.deliver(outcome, false);
    }

    /// Submits a job that was run before, ahead of all others, when this much time has passed.
    fn submit_again(&self, job: Job, after: Duration) {
        match self.queue.push_again(job, after) {
            Ok(shards) => shards.into_iter().for_each(|shard| self.wake(shard)),
            Err(job) => job.cancel(),
        }
    }

    /// No shard is left: cancels all that is queued.
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

    /// Asks all shards, and returns the answers that arrive within this time. Shards that have
    /// ended do not answer.
    pub(crate) fn gather<T>(
        &self,
        at_most: Duration,
        request: impl Fn(Sender<T>) -> Request,
    ) -> Vec<T> {
        let (sender, answers) = mpsc::channel();
        self.ask_all(|| request(sender.clone()));
        drop(sender);
        let deadline = Instant::now() + at_most;
        let left = || deadline.saturating_duration_since(Instant::now());
        std::iter::from_fn(|| answers.recv_timeout(left()).ok()).collect()
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

    /// Starts nothing more, and ends the running processes by this request.
    pub(crate) fn end(&self, request: impl Fn() -> Request) {
        self.ended.store(true, Ordering::Relaxed);
        self.cancel(request);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn add_run(&self, run: &Arc<ResultQueue>) {
        let mut runs = lock(&self.runs);
        runs.retain(|run| run.strong_count() > 0);
        runs.push(Arc::downgrade(run));
        drop(runs);
        if self.is_cancelled() {
            run.stop_feeding();
        }
    }

    /// Holds every lock that other threads take, as they may when this program forks.
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

    /// Whether nothing is started any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("jobs", &self.jobs())
            .field("shards", &self.shards())
            .field("live", &self.queue.live())
            .finish_non_exhaustive()
    }
}
