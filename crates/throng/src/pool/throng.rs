//! The pool: built once, given commands, dropped when done.

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
use crate::sys::Host;
use crate::sys::api::Room;

/// Starts processes and captures what they say, from a handful of threads.
///
/// Dropping it starts nothing more, ends what runs by the kill sequence and waits until it has
/// ended; only processes whose handles were [detached](Process::detach) go on.
///
/// It belongs to the process that has built it, because its threads run there. In a process that
/// was forked from that one and has not loaded another program, commands have outcomes with
/// [`ErrorKind::Forked`](crate::ErrorKind::Forked), and everything else does nothing, dropping
/// included.
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
    /// How many processes can be captured at once here, and what limits that.
    pub(crate) room: Room,
    pub(crate) asked: AtomicUsize,
    pub(crate) host: Arc<Host>,
    /// In a mutex only so that a `Throng` can be shared between threads.
    pub(crate) shards: Mutex<Vec<StartedShard>>,
}

impl Throng {
    /// The default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Queues a command, to be started as soon as there is room for it.
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

    /// Runs all commands and gives their outcomes in the order in which they finish.
    ///
    /// The commands are taken as there is room for them, a few ahead, by a thread of their own:
    /// the iterator may be endless, and may block. If the outcomes are not taken, no more commands
    /// are. One that cannot be started gives an outcome as well, and the others go on.
    ///
    /// While outcomes of a run that nobody has taken hold more than half of the
    /// [memory](Builder::memory) for output, in memory or on the disk, no other command of that run
    /// is started. Other runs and single processes go on.
    ///
    /// If the system has no thread to give, [`next`](Iterator::next) itself takes the commands, as
    /// there is room for them. Then an iterator that blocks delays outcomes, and one that waits for
    /// an outcome waits for ever.
    pub fn run<I>(&self, commands: I) -> Run
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        I::Item: Into<Command>,
    {
        Run::start(self.shared.clone(), commands.into_iter(), None)
    }

    /// As [`run`](Throng::run), and has each outcome judged when it arrives: before anything is
    /// started in the place of its process, however long the outcome then waits to be taken. With
    /// one process at a time nothing starts after an outcome with [`Next::StartNoMore`]; with more,
    /// only what was being started already.
    ///
    /// The judge is called for one outcome at a time, on the thread that has captured its process,
    /// which does nothing else meanwhile: so it should be quick, and must not wait for the
    /// [`Throng`] or for the [`Run`]. It is not called for a command that was not started because
    /// nothing is any more ([`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled)). If it panics,
    /// the run goes on as after [`Next::GoOn`].
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// use std::time::Duration;
    /// use throng::{Command, Next, Throng};
    /// let throng = Throng::builder().jobs(1).build()?;
    /// // A command that fails is run twice; if it fails again, no other is started.
    /// let commands = (0..100).map(|_| Command::new("false"));
    /// let run = throng.run_judged(commands, |outcome| match outcome.attempt() {
    ///     _ if outcome.success() => Next::GoOn,
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

    /// Starts nothing more and ends what runs by the kill sequence. Commands that were queued, or
    /// are given later, have outcomes with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn cancel(&self) {
        if self.is_ours() {
            self.shared.end(|| Request::CancelAll);
        }
    }

    /// As [`cancel`](Throng::cancel), but ends what runs at once.
    pub fn kill(&self) {
        if self.is_ours() {
            self.shared.end(|| Request::KillAll);
        }
    }

    /// Whether [`cancel`](Throng::cancel) or [`kill`](Throng::kill) was called.
    pub fn is_cancelled(&self) -> bool {
        self.shared.is_ended()
    }

    /// Ends by the kill sequence what processes have left running that ended by themselves (a
    /// daemon that one of them has started), and waits until it has ended. Gives those that do not
    /// go. Mostly called when all was [cancelled](Throng::cancel) and is finished; what is not
    /// finished is ended as well.
    ///
    /// On Linux they are found by their mark, and among orphans where those are
    /// [adopted](crate::os). On Windows they are found in the job of the whole `Throng`, where it
    /// has such a [keeper](crate::os), and are ended at once, for none of them can be asked;
    /// without a keeper none are found.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`](crate::ErrorKind::System) when the system does not tell which
    /// processes run: on Linux, without /proc. [`ErrorKind::Forked`](crate::ErrorKind::Forked) in a
    /// fork.
    pub fn sweep(&self) -> Result<Vec<Holder>, Error> {
        if !self.is_ours() {
            return Err(self.shared.owner.error("cannot sweep"));
        }
        self.host.sweep(&self.shared.settings.kill)
    }

    /// Starts nothing more, and lets what runs go on. Commands that were queued, or are given
    /// later, have outcomes with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn start_no_more(&self) {
        if self.is_ours() {
            self.shared.cancel(|| Request::CancelQueue);
        }
    }

    /// Whether it was told to [start no more](Throng::start_no_more), to
    /// [`cancel`](Throng::cancel) or to [`kill`](Throng::kill).
    pub fn starts_no_more(&self) -> bool {
        self.shared.is_cancelled()
    }

    /// Ends by the kill sequence what has been running for longer than this, as if it had been the
    /// [timeout](Command::timeout) of those commands. Others are not concerned, and neither is what
    /// is started later.
    pub fn end_older(&self, than: Duration) {
        if self.is_ours() {
            self.shared.ask_all(|| Request::EndOlder(than));
        }
    }

    /// What runs now, the longest running first, and not more than this many. Waits until all
    /// threads have said what they have; those that take longer than a second, because an
    /// [output callback](Builder::on_output) does, are left out.
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

    /// Ends this process by the kill sequence, if it still runs. Does nothing and returns `false`
    /// if it belongs to another `Throng`.
    pub fn end(&self, running: &Running) -> bool {
        let is_here = running.pool == self.shared.id && self.is_ours();
        if is_here {
            let (shard, id) = running.place;
            self.shared.ask(shard, Request::Cancel(id));
        }
        is_here
    }

    /// Changes how many processes may be live at once, and returns what the system allows if that
    /// is less. What runs already goes on when it becomes fewer.
    ///
    /// ```
    /// let throng = throng::Throng::builder().jobs(1).build().unwrap();
    /// assert_eq!(throng.set_jobs(3), 3);
    /// assert_eq!(throng.jobs(), 3);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics when it is 0.
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

    /// How many processes may be live at once: what was asked for, or what the system allows if
    /// that is less.
    pub fn jobs(&self) -> usize {
        self.shared.jobs()
    }

    /// What keeps [`jobs`](Throng::jobs) below what was asked for, in words.
    pub fn jobs_limit(&self) -> Option<&str> {
        let asked = self.asked.load(Ordering::Relaxed);
        (self.room.processes < asked).then_some(self.room.limit.as_str())
    }

    /// Starts nothing and has all processes stand still until [`resume`](Throng::resume): they and
    /// all that they have started are stopped (`SIGSTOP`), as far as a kill sequence would find
    /// them, and so are the clocks of timeouts, grace periods and kill sequences. Who was stopped
    /// before outside of their groups is left as he is. The time that passes meanwhile counts as
    /// [wall time](crate::Outcome::wall) all the same. What has been written is still read, and
    /// processes that end meanwhile have their outcomes, unless another suspended process
    /// [holds](crate::Held) their streams: then the outcome comes after it is resumed.
    ///
    /// On Windows nothing can stop a process; there only the starting and the clocks stop.
    ///
    /// Returns `true` when all threads have done that, or `false` after five seconds if a thread is
    /// held up in a callback; that thread follows as soon as the callback returns.
    /// [`cancel`](Throng::cancel), [`kill`](Throng::kill) and dropping the `Throng` resume first. A
    /// single process that is cancelled while everything is suspended is asked to end at once, and
    /// is killed when its time is over after that.
    #[must_use = "not all may stand still yet"]
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

    /// Reads no more of what processes write, and starts none, until
    /// [`resume_reading`](Throng::resume_reading): for an [output callback](Builder::on_output)
    /// whose bytes go somewhere that takes no more for now. A process waits when its pipe is full.
    /// Timeouts, signals and exits go on as usual. May be called from the callback; each thread may
    /// call it once more with what it has just read.
    ///
    /// What is in the pipes of a process that ends meanwhile is read all the same, so that it has
    /// its outcome: at once, or where others [hold](crate::Held) its streams, when they have ended,
    /// or after the reading is resumed, from when on the [grace period](Builder::grace) counts. If
    /// the process was ended (timeout, [`cancel`](Throng::cancel), [`kill`](Throng::kill)), that is
    /// as usual as well.
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

    /// How much memory all captures may take together; see [`Builder::memory`].
    pub fn memory_limit(&self) -> u64 {
        self.shared.settings.budget.limit()
    }

    /// How much memory captures take now: those of live processes, and those of outcomes that have
    /// not been dropped. Streams that take 4 KiB or less are not counted. On Linux, what live
    /// processes read from [bytes](crate::Stdin::Bytes) is counted as well, from 32 KiB on.
    pub fn memory_used(&self) -> u64 {
        self.shared.settings.budget.used()
    }

    /// Where captures go that do not fit into memory; see [`Builder::spill_dir`].
    pub fn spill_dir(&self) -> &Path {
        self.shared.settings.budget.dir()
    }

    /// The mechanism that is used.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Whether its threads are in this process, which was not forked from theirs.
    fn is_ours(&self) -> bool {
        self.shared.owner.is_here()
    }
}

impl Drop for Throng {
    fn drop(&mut self) {
        if !self.is_ours() {
            // What is shared with the threads of our parent must not be torn down here: that takes
            // locks and joins.
            let shards = self
                .shards
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner);
            mem::forget((self.shared.clone(), self.host.clone(), mem::take(shards)));
            return;
        }
        self.cancel();
        // What is detached goes on, and nobody could say so later.
        self.shared.set_paused(false);
        self.shared.ask_all(|| Request::Close);
        let shards = std::mem::take(&mut *lock(&self.shards));
        for (thread, only_detached_left) in shards {
            // An error says that the shard has left, and with it the sender.
            if only_detached_left.recv().is_err() {
                // A panic in it has been printed, and its recipients have been told.
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
