//! The pool: built once, given commands, dropped when done.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::handle::Process;
use crate::inner::{Callback, Inner, Output, Request};
use crate::lock::lock;
use crate::queue::Job;
use crate::recipient::Recipient;
use crate::run::Run;
use crate::shard::{OnlyDetachedLeft, Shard};
use crate::sys::{self, Engine, Host, Waker};
use crate::{Command, Error, ErrorKind, KillSequence, Mechanism};

/// How long a stream may stay open after its process has ended, unless something else is said.
const DEFAULT_GRACE: Duration = Duration::from_millis(200);

/// Starts processes and captures what they say, from a handful of threads.
///
/// Dropping it starts nothing more, ends what runs by the kill sequence and waits until it has
/// ended; only processes whose handles were [detached](Process::detach) go on.
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
    inner: Arc<Inner>,
    mechanism: Mechanism,
    jobs_limit: Option<String>,
    /// In a mutex only so that a `Throng` can be shared between threads.
    shards: Mutex<Vec<StartedShard>>,
}

/// The settings of a [`Throng`].
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    jobs: Option<usize>,
    shards: Option<usize>,
    mechanism: Option<Mechanism>,
    grace: Option<Duration>,
    kill: KillSequence,
    on_output: Option<Callback>,
}

impl Throng {
    /// The default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Queues a command, to be started as soon as there is room for it.
    pub fn spawn(&self, command: &Command) -> Process {
        let (process, cell) = Process::new(Arc::downgrade(&self.inner));
        let (seq, command) = (self.inner.next_seq(), Box::new(command.clone()));
        self.inner.submit(Job {
            seq,
            command,
            recipient: Recipient::handle(cell),
        });
        process
    }

    /// Runs all commands and gives their outcomes in the order in which they finish.
    ///
    /// The commands are taken as there is room for them, a few ahead, by a thread of their own:
    /// the iterator may be endless, and may block. If the outcomes are not taken, no more commands
    /// are. One that cannot be started gives an outcome as well, and the others go on.
    ///
    /// # Panics
    ///
    /// When the system has no thread to give for five seconds.
    pub fn run<I>(&self, commands: I) -> Run
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        I::Item: Into<Command>,
    {
        Run::start(self.inner.clone(), commands.into_iter())
    }

    /// Starts nothing more and ends what runs by the kill sequence. Commands that were queued, or
    /// are given later, have outcomes with [`ErrorKind::Cancelled`].
    pub fn cancel(&self) {
        self.inner.cancel(|| Request::CancelAll);
    }

    /// As [`cancel`](Throng::cancel), but ends what runs at once.
    pub fn kill(&self) {
        self.inner.cancel(|| Request::KillAll);
    }

    /// How many processes may be live at once: what was asked for, or what the system allows if
    /// that is less.
    pub fn jobs(&self) -> usize {
        self.inner.jobs
    }

    /// What keeps [`jobs`](Throng::jobs) below what was asked for, in words.
    pub fn jobs_limit(&self) -> Option<&str> {
        self.jobs_limit.as_deref()
    }

    /// How many processes are live now.
    pub fn live(&self) -> usize {
        self.inner.queue.live()
    }

    /// How many threads start and capture processes.
    pub fn shards(&self) -> usize {
        self.inner.shards()
    }

    /// The mechanism that is used.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }
}

impl Drop for Throng {
    fn drop(&mut self) {
        self.cancel();
        self.inner.ask_all(|| Request::Close);
        let shards = std::mem::take(&mut *lock(&self.shards));
        for (thread, only_detached_left) in shards {
            // An error says that the shard has left, and with it the sender.
            if only_detached_left.recv().is_err() {
                // A panic in it has been printed, and its recipients have been told.
                let _ = thread.join();
            }
        }
        self.inner.close();
    }
}

impl Builder {
    /// How many processes may be live at once; the number of cores by default. As many as the
    /// system allows for `usize::MAX`.
    ///
    /// # Panics
    ///
    /// Panics when it is 0.
    pub fn jobs(mut self, jobs: usize) -> Builder {
        assert!(jobs > 0, "at least one process must be able to run");
        self.jobs = Some(jobs);
        self
    }

    /// How many threads start and capture processes, never more than [`jobs`](Builder::jobs); by
    /// default two more than there are cores. A thread sleeps while the program that it has
    /// started is being loaded, and then the others have work to do.
    ///
    /// # Panics
    ///
    /// Panics when it is 0.
    pub fn shards(mut self, shards: usize) -> Builder {
        assert!(shards > 0, "at least one thread has to do the work");
        self.shards = Some(shards);
        self
    }

    /// The mechanism; the first that is [available](Mechanism::available) by default.
    pub fn mechanism(mut self, mechanism: Mechanism) -> Builder {
        self.mechanism = Some(mechanism);
        self
    }

    /// How long a stream may stay open after its process has ended, before it counts as
    /// [held](crate::Verdict::Held); 200 ms by default.
    pub fn grace(mut self, grace: Duration) -> Builder {
        self.grace = Some(grace);
        self
    }

    /// How processes are ended; by default `TERM`, two seconds, `KILL`.
    pub fn kill_sequence(mut self, sequence: KillSequence) -> Builder {
        self.kill = sequence;
        self
    }

    /// Gets every piece of output as it comes, on the thread that has read it. While the callback
    /// runs, that thread's other processes are not read; so it should be quick. If it panics, the
    /// verdict of that stream is [`Failed`](crate::Verdict::Failed).
    pub fn on_output(mut self, callback: impl Fn(Output<'_>) + Send + Sync + 'static) -> Builder {
        self.on_output = Some(Box::new(callback));
        self
    }

    /// Starts the threads.
    ///
    /// Raises this program's soft limit on open files to the hard one; processes get the original
    /// back. Where `SIGCHLD` is ignored, sets it to its default, since the system keeps no exit
    /// statuses otherwise.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] when a mechanism was asked for that this machine does not offer,
    /// [`ErrorKind::System`] when threads or descriptors cannot be had.
    pub fn build(self) -> Result<Throng, Error> {
        let mechanism = self.choose_mechanism()?;
        let host = Arc::new(Host::new()?);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let asked = self.jobs.unwrap_or(cores);
        let shards = self.shards.unwrap_or(cores + 2).min(asked);
        let room = host.room(mechanism, shards);
        let jobs = asked.min(room.processes);
        let shards = room.shards.min(jobs);
        let jobs_limit = (jobs < asked).then_some(room.limit);

        let grace = self.grace.unwrap_or(DEFAULT_GRACE);
        let inner = Arc::new(Inner::new(jobs, shards, grace, self.kill, self.on_output));
        let throng = Throng {
            inner: inner.clone(),
            mechanism,
            jobs_limit,
            shards: Mutex::default(),
        };
        for index in 0..shards {
            // On an error the shards that have been started end with `throng`.
            let (waker, shard) = start_shard(index, mechanism, &host, &inner)?;
            inner.connect(index, waker);
            lock(&throng.shards).push(shard);
        }
        Ok(throng)
    }

    fn choose_mechanism(&self) -> Result<Mechanism, Error> {
        let unsupported = |doing: String| Error::new(ErrorKind::Unsupported, doing);
        let Some(mechanism) = self.mechanism else {
            let first = Mechanism::available().first().copied();
            return first.ok_or_else(|| unsupported("no mechanism works on this machine".into()));
        };
        match sys::probe(mechanism) {
            Ok(()) => Ok(mechanism),
            Err(why) => Err(unsupported(format!(
                "mechanism {mechanism} is not available: {why}"
            ))),
        }
    }
}

const _: fn() = || {
    fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<Throng>();
};

type StartedShard = (JoinHandle<()>, Receiver<OnlyDetachedLeft>);

/// Starts a shard's thread. The engine is made there: a kernel ties it, and every process that it
/// starts, to the thread that did it.
fn start_shard(
    index: usize,
    mechanism: Mechanism,
    host: &Arc<Host>,
    inner: &Arc<Inner>,
) -> Result<(Waker, StartedShard), Error> {
    let (ready, is_ready) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let (host, inner) = (host.clone(), inner.clone());
    let body = move || {
        match Engine::new(mechanism, host) {
            Ok(engine) => {
                // The builder is waiting for it.
                let _ = ready.send(Ok(engine.waker()));
                Shard::new(index, inner, engine, done).run();
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    };
    let doing = format!("cannot start thread {index} with mechanism {mechanism}");
    let failed = |error| Error::os(ErrorKind::System, doing.clone(), error);
    let spawned = thread::Builder::new()
        .name(format!("throng-{index}"))
        .spawn(body);
    let thread = spawned.map_err(failed)?;
    match is_ready.recv() {
        Ok(Ok(waker)) => Ok((waker, (thread, is_done))),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(Error::new(ErrorKind::System, doing)),
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("jobs", &self.jobs)
            .field("shards", &self.shards)
            .field("mechanism", &self.mechanism)
            .field("grace", &self.grace)
            .field("kill", &self.kill)
            .finish_non_exhaustive()
    }
}
