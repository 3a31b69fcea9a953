//! The pool: it is built once, given commands, and dropped.

use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::job::command::Command;
use crate::job::outcome::Outcome;
use crate::job::running::Running;
use crate::model::error::Error;
use crate::model::mechanism::Mechanism;
use crate::model::verdict::Holder;
use crate::pool::builder::Builder;
use crate::pool::handle::Process;
use crate::pool::run::Run;
use crate::scheduler::job::{Job, ReplyTo};
use crate::scheduler::results::{Judge, Next};
use crate::scheduler::shared::{Request, Shared};
use crate::shard::OnlyDetachedLeft;
use crate::sync::lock;
use crate::sys::SystemContext;
use crate::sys::api::Capacity;

/// Starts processes and captures their output, with a small number of threads.
///
/// Dropping it starts nothing more, ends the running processes by the kill sequence and blocks
/// until they have ended; only processes whose handles were [detached](Process::detach) go on.
///
/// It belongs to the process that built it, because its threads run there. In a process that was
/// forked from that one and has not loaded another program, commands have outcomes with
/// [`ErrorKind::Forked`](crate::ErrorKind::Forked), and all other methods do nothing; neither does
/// dropping it.
///
/// ```
/// # fn main() -> Result<(), throng::Error> {
/// use throng::{Command, Throng};
/// let throng = Throng::builder().jobs(8).build()?;
/// let commands = (0..100).map(|n| Command::from_argv(["echo".to_string(), n.to_string()]));
/// let mut sum = 0;
/// for outcome in throng.run(commands) {
///     assert!(outcome.success() && outcome.is_complete());
///     sum += String::from_utf8_lossy(outcome.stdout()).trim().parse::<u32>().unwrap();
/// }
/// assert_eq!(sum, 4950);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Throng {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mechanism: Mechanism,
    /// How many processes this machine can capture at once, and what limits that.
    pub(crate) room: Capacity,
    pub(crate) asked: AtomicUsize,
    pub(crate) host: Arc<SystemContext>,
    /// In a mutex only so that a `Throng` can be shared between threads.
    pub(crate) shards: Mutex<Vec<StartedShard>>,
}

impl Throng {
    /// A builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Queues a command, which is started when fewer processes than [`jobs`](Throng::jobs) are
    /// live.
    pub fn spawn(&self, command: &Command) -> Process {
        let (process, oneshot) = Process::new(Arc::downgrade(&self.shared));
        let (seq, command) = (self.shared.next_seq(), Box::new(command.clone()));
        self.shared.submit(Job {
            seq,
            attempt: 1,
            command,
            reply_to: ReplyTo::handle(oneshot),
        });
        process
    }

    /// Runs all commands and returns their outcomes in the order in which they finish.
    ///
    /// A thread of its own takes the commands when there is room for them, a few ahead, so the
    /// iterator may be infinite and may block. No more commands are taken while outcomes are not
    /// consumed. A command that cannot be started has an outcome as well, and the others go on.
    ///
    /// While the unconsumed outcomes of a run hold more than half of the [budget](Builder::memory)
    /// for output, in memory or on the disk, no other command of that run is started. Other runs
    /// and single processes are unaffected.
    ///
    /// If no thread can be started, [`next`](Iterator::next) takes the commands itself. Then an
    /// iterator that blocks delays outcomes, and one that waits for an outcome deadlocks.
    pub fn run<I>(&self, commands: I) -> Run
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        I::Item: Into<Command>,
    {
        Run::start(self.shared.clone(), commands.into_iter(), None)
    }

    /// As [`run`](Throng::run), but calls `judge` with each outcome when it arrives: before another
    /// process is started in its place, however long the outcome then waits to be consumed. With
    /// one process at a time nothing is started after an outcome with [`Next::StartNoMore`]; with
    /// more, only processes that were being started already.
    ///
    /// The judge is called for one outcome at a time, on the thread that captured its process,
    /// which serves no other process meanwhile: it should be quick, and must not wait for the
    /// [`Throng`] or the [`Run`]. It is not called for commands that were cancelled before they
    /// were started ([`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled)). If it panics, the run
    /// goes on as after [`Next::Continue`].
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// use std::time::Duration;
    /// use throng::{Command, Next, Throng};
    /// let throng = Throng::builder().jobs(1).build()?;
    /// // A command that fails is run once more; if it fails again, no other is started.
    /// let commands = (0..100).map(|_| Command::new("false"));
    /// let run = throng.run_judged(commands, |outcome| match outcome.attempt() {
    ///     _ if outcome.success() => Next::Continue,
    ///     1 => Next::RunAgain(Duration::ZERO),
    ///     _ => Next::StartNoMore,
    /// });
    /// let outcomes: Vec<_> = run.filter(|outcome| outcome.pid().is_some()).collect();
    /// assert_eq!(outcomes.len(), 2);
    /// assert!(!outcomes[0].is_final() && outcomes[1].is_final());
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_judged<I, J>(&self, commands: I, judge: J) -> Run
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        I::Item: Into<Command>,
        J: FnMut(&Outcome) -> Next + Send + 'static,
    {
        let judge = Judge::new(judge);
        Run::start(self.shared.clone(), commands.into_iter(), Some(judge))
    }

    /// Starts nothing more and ends the running processes by the kill sequence. Commands that are
    /// queued, or are given later, have outcomes with
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn cancel(&self) {
        if self.is_ours() {
            self.shared.end(|| Request::CancelAll);
        }
    }

    /// As [`cancel`](Throng::cancel), but kills the running processes at once.
    pub fn kill(&self) {
        if self.is_ours() {
            self.shared.end(|| Request::KillAll);
        }
    }

    /// Whether [`cancel`](Throng::cancel) or [`kill`](Throng::kill) was called.
    pub fn is_cancelled(&self) -> bool {
        self.shared.is_ended()
    }

    /// Ends by the kill sequence the processes that finished processes have left running, such as
    /// daemons, and blocks until they have ended. Returns those that could not be ended. Usually
    /// called after all processes were [cancelled](Throng::cancel) and have finished; those that
    /// have not are ended as well.
    ///
    /// On Linux such processes are found by a variable in their environment, and among orphans if
    /// those are [adopted](crate::os). On Windows they are found in the job of the whole `Throng`,
    /// if it has a [guardian](crate::os), and are terminated at once, because they cannot be asked
    /// to end; without a guardian none are found.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`](crate::ErrorKind::System) if the running processes cannot be listed:
    /// on Linux, without /proc. [`ErrorKind::Forked`](crate::ErrorKind::Forked) in a fork.
    pub fn kill_leftovers(&self) -> Result<Vec<Holder>, Error> {
        if !self.is_ours() {
            return Err(self.shared.owner.error("cannot kill what is left"));
        }
        self.host.kill_leftovers(&self.shared.settings.kill)
    }

    /// Starts nothing more, and lets the running processes go on. Commands that are queued, or are
    /// given later, have outcomes with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn start_no_more(&self) {
        if self.is_ours() {
            self.shared.cancel(|| Request::CancelQueue);
        }
    }

    /// Whether [`start_no_more`](Throng::start_no_more), [`cancel`](Throng::cancel) or
    /// [`kill`](Throng::kill) was called.
    pub fn starts_no_more(&self) -> bool {
        self.shared.is_cancelled()
    }

    /// Ends by the kill sequence the processes that have been running for longer than this, as if
    /// it had been their [timeout](Command::timeout). Other processes, and those that are started
    /// later, are unaffected.
    pub fn end_older(&self, than: Duration) {
        if self.is_ours() {
            self.shared.ask_all(|| Request::EndOlder(than));
        }
    }

    /// The running processes, the longest running first, and at most this many. Waits for the
    /// answers of all threads, but not longer than a second: the processes of a thread that is
    /// busy, for example in an [output callback](Builder::on_output), are missing.
    pub fn running(&self, limit: usize) -> Vec<Running> {
        if !self.is_ours() {
            return Vec::new();
        }
        const PATIENCE: Duration = Duration::from_secs(1);
        let told = self
            .shared
            .gather(PATIENCE, |answer| Request::Tell(limit, answer));
        let mut all: Vec<Running> = told.into_iter().flatten().collect();
        all.sort_by_key(|running| (running.started, running.seq));
        all.truncate(limit);
        all
    }

    /// Ends this process by the kill sequence, if it is still running. Does nothing and returns
    /// `false` if it belongs to another `Throng`.
    pub fn end(&self, running: &Running) -> bool {
        let is_here = running.pool == self.shared.id && self.is_ours();
        if is_here {
            let (shard, id) = running.place;
            self.shared.ask(shard, Request::Cancel(id));
        }
        is_here
    }

    /// Changes how many processes may be live at once, and returns the new number, which is less if
    /// the system does not allow as many. If more processes are running, they go on.
    ///
    /// ```
    /// let throng = throng::Throng::builder().jobs(1).build().unwrap();
    /// assert_eq!(throng.set_jobs(3), 3);
    /// assert_eq!(throng.jobs(), 3);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `jobs` is 0.
    pub fn set_jobs(&self, jobs: usize) -> usize {
        assert!(jobs > 0, "at least one process must be able to run");
        if !self.is_ours() {
            return self.jobs();
        }
        self.asked.store(jobs, Ordering::Relaxed);
        let jobs = jobs.min(self.room.processes);
        self.shared.set_jobs(jobs);
        jobs
    }

    /// How many processes may be live at once: the number that was set, or the number that the
    /// system allows if that is less.
    pub fn jobs(&self) -> usize {
        self.shared.jobs()
    }

    /// A description of the limit that makes [`jobs`](Throng::jobs) less than the number that was
    /// set; `None` if it is not less.
    pub fn jobs_limit(&self) -> Option<&str> {
        let asked = self.asked.load(Ordering::Relaxed);
        (self.room.processes < asked).then_some(self.room.limit.as_str())
    }

    /// Starts nothing and stops all processes until [`resume`](Throng::resume): they and their
    /// descendants, as far as a kill sequence would find them, are stopped by `SIGSTOP`, and so are
    /// the clocks of timeouts, grace periods and kill sequences. Processes outside their process
    /// groups that were already stopped stay stopped. The time counts as
    /// [wall time](crate::Outcome::wall) nevertheless. Output that was written is still read, and
    /// processes that have ended have their outcomes, unless another suspended process
    /// [holds](crate::OnHeld) their streams: then the outcome is delivered after that is resumed.
    ///
    /// On Windows processes cannot be stopped; only starts and clocks are.
    ///
    /// Returns `true` when all threads have done this, or `false` after five seconds if one of them
    /// is busy in a callback; it does so as soon as the callback returns.
    /// [`cancel`](Throng::cancel), [`kill`](Throng::kill) and dropping the `Throng` resume first. A
    /// single process that is cancelled while everything is suspended receives the first signal of
    /// its kill sequence at once, and the others after the resumption.
    #[must_use = "some threads may not have stopped their processes yet"]
    pub fn suspend(&self) -> bool {
        if !self.is_ours() {
            return false;
        }
        const PATIENCE: Duration = Duration::from_secs(5);
        let answers = self.shared.gather(PATIENCE, Request::Suspend);
        answers.len() == self.shared.shards()
    }

    /// Goes on after [`suspend`](Throng::suspend), as if the time in between had not passed.
    pub fn resume(&self) {
        if self.is_ours() {
            self.shared.ask_all(|| Request::Resume);
        }
    }

    /// Stops reading output and starting processes until
    /// [`resume_reading`](Throng::resume_reading): for an [output callback](Builder::on_output)
    /// that cannot pass on more bytes for now. A process blocks when its pipe is full. Timeouts,
    /// signals and exits are handled as usual. May be called from the callback; each thread may
    /// call it once more with bytes that it has read already.
    ///
    /// If a process exits meanwhile, the rest of its output is read nevertheless, so that it has
    /// its outcome: at once, or if other processes [hold](crate::OnHeld) its streams, when those
    /// have ended, or a [grace period](Builder::grace) after the reading is resumed. The streams of
    /// a process that throng ended (timeout, [`cancel`](Throng::cancel), [`kill`](Throng::kill))
    /// are handled as usual.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use std::time::Duration;
    /// use throng::{Command, Throng};
    ///
    /// # fn main() -> Result<(), throng::Error> {
    /// static BYTES: AtomicUsize = AtomicUsize::new(0);
    /// let builder = Throng::builder().on_output(|output| {
    ///     BYTES.fetch_add(output.bytes.len(), Ordering::SeqCst);
    /// });
    /// let throng = builder.build()?;
    /// throng.pause_reading();
    /// let process = throng.spawn(&Command::from_argv(["cargo", "--version"]));
    /// std::thread::sleep(Duration::from_millis(200));
    /// assert_eq!(BYTES.load(Ordering::SeqCst), 0);
    /// throng.resume_reading();
    /// assert!(process.wait()?.success());
    /// assert!(BYTES.load(Ordering::SeqCst) > 0);
    /// # Ok(()) }
    /// ```
    pub fn pause_reading(&self) {
        if self.is_ours() {
            self.shared.set_paused(true);
        }
    }

    /// Reads again after [`pause_reading`](Throng::pause_reading).
    pub fn resume_reading(&self) {
        if self.is_ours() {
            self.shared.set_paused(false);
        }
    }

    /// How many processes are live now.
    pub fn live(&self) -> usize {
        self.shared.queue.live()
    }

    /// How many threads start and capture processes.
    pub fn shards(&self) -> usize {
        self.shared.shards()
    }

    /// How much memory all captures may take together, in bytes; see [`Builder::memory`].
    pub fn memory_limit(&self) -> u64 {
        self.shared.settings.budget.limit()
    }

    /// How much memory captures take now, in bytes: those of live processes, and those of outcomes
    /// until they are dropped. Streams of at most 4 KiB are not counted. On Linux, the
    /// [stdin](crate::Stdin::Bytes) of live processes is counted as well, from 32 KiB on.
    pub fn memory_used(&self) -> u64 {
        self.shared.settings.budget.used()
    }

    /// The directory for captures that do not fit into memory; see [`Builder::spill_dir`].
    pub fn spill_dir(&self) -> &Path {
        self.shared.settings.budget.dir()
    }

    /// The mechanism in use.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Whether this is the process of its threads, and not a fork of it.
    fn is_ours(&self) -> bool {
        self.shared.owner.is_here()
    }
}

impl Drop for Throng {
    fn drop(&mut self) {
        if !self.is_ours() {
            // What is shared with the threads of the parent must not be dropped here: that takes
            // locks and joins threads.
            let shards = self
                .shards
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner);
            mem::forget((self.shared.clone(), self.host.clone(), mem::take(shards)));
            return;
        }
        self.cancel();
        // Detached processes go on, and nothing could resume the reading later.
        self.shared.set_paused(false);
        self.shared.ask_all(|| Request::Close);
        let shards = std::mem::take(&mut *lock(&self.shards));
        for (thread, only_detached_left) in shards {
            // An error means that the shard has ended, and with it the sender.
            if only_detached_left.recv().is_err() {
                // A panic has been printed, and its outcomes were reported as lost.
                let _ = thread.join();
            }
        }
        self.shared.close();
    }
}

const _: fn() = || {
    fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<Throng>();
};

pub(crate) type StartedShard = (JoinHandle<()>, Receiver<OnlyDetachedLeft>);
