//! The settings of a pool, and the start of its threads.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::capture::budget::{self, Budget};
use crate::capture::spill;
use crate::job::running::{Callback, Output, Stopped, StoppedCallback};
use crate::model::error::{Error, ErrorKind};
use crate::model::kill::KillSequence;
use crate::model::mechanism::Mechanism;
use crate::model::verdict::OnHeld;
use crate::pool::throng::{StartedShard, Throng};
use crate::scheduler::queue::AdmissionHook;
use crate::scheduler::shared::{Settings, Shared};
use crate::shard::Shard;
use crate::sync::lock;
use crate::sys::options::HostOptions;
use crate::sys::{self, Engine, SystemContext, Waker};

/// How long a stream may stay open after its process has ended, by default.
const DEFAULT_GRACE: Duration = Duration::from_millis(200);

/// The settings of a [`Throng`].
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    jobs: Option<usize>,
    jobs_up_to: usize,
    admit: Option<AdmissionHook>,
    shards: Option<usize>,
    mechanism: Option<Mechanism>,
    grace: Option<Duration>,
    held: OnHeld,
    kill: KillSequence,
    memory: Option<u64>,
    spill_dir: Option<PathBuf>,
    on_output: Option<Callback>,
    on_stopped: Option<StoppedCallback>,
    /// Options of this system.
    pub(crate) os: HostOptions,
}

impl Builder {
    /// Sets how many processes may be live at once; by default the number of cores. With
    /// `usize::MAX`, as many as the system allows.
    ///
    /// # Panics
    ///
    /// Panics if `jobs` is 0.
    pub fn jobs(mut self, jobs: usize) -> Builder {
        assert!(jobs > 0, "at least one process must be able to run");
        self.jobs = Some(jobs);
        self
    }

    /// Sets up to which number [`set_jobs`](Throng::set_jobs) will be called, so that enough
    /// threads are started for it. More processes than this are possible, but slower.
    pub fn jobs_up_to(mut self, jobs: usize) -> Builder {
        self.jobs_up_to = jobs;
        self
    }

    /// Sets an admission hook, for example a rate limit: it is called before each start and returns
    /// `None` if the process may be started now, or how long to wait before it is called again. It
    /// is called when there is a command to start and room for it. It returns `None` once for each
    /// command: it is not called for commands that were cancelled or whose run waits for its
    /// consumer, nor again when a start is retried. A start that fails, or is cancelled at that
    /// moment, has used its `None`.
    ///
    /// It is called by one thread at a time, and no other thread can take a command meanwhile; so
    /// it should be quick, and must not use the [`Throng`].
    ///
    /// If it panics, the running processes are ended, and the queued commands are cancelled.
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// use std::time::{Duration, Instant};
    /// // At most one start in ten milliseconds.
    /// let mut next = Instant::now();
    /// let throng = throng::Throng::builder().jobs(9).admit(move || {
    ///     let wait = next.saturating_duration_since(Instant::now());
    ///     if wait.is_zero() {
    ///         next = Instant::now() + Duration::from_millis(10);
    ///     }
    ///     (!wait.is_zero()).then_some(wait)
    /// }).build()?;
    /// assert_eq!(throng.run(vec![throng::Command::new("true"); 3]).count(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn admit(mut self, callback: impl FnMut() -> Option<Duration> + Send + 'static) -> Builder {
        self.admit = Some(AdmissionHook::new(callback));
        self
    }

    /// Sets how many threads start and capture processes; never more than [`jobs`](Builder::jobs).
    /// By default one for each core, and at least two, because a thread sleeps while a program that
    /// it started is being loaded.
    ///
    /// # Panics
    ///
    /// Panics if `shards` is 0.
    pub fn shards(mut self, shards: usize) -> Builder {
        assert!(shards > 0, "at least one thread has to do the work");
        self.shards = Some(shards);
        self
    }

    /// Sets the mechanism; by default the first that is [available](Mechanism::available).
    pub fn mechanism(mut self, mechanism: Mechanism) -> Builder {
        self.mechanism = Some(mechanism);
        self
    }

    /// Sets how long a stream may stay open after its process has ended before it counts as
    /// [held](crate::Verdict::Held); 200 ms by default. For its clock see
    /// [`Command::timeout`](crate::Command::timeout).
    pub fn grace(mut self, grace: Duration) -> Builder {
        self.grace = Some(grace);
        self
    }

    /// Sets the memory budget: how much memory all captures together may take, in bytes, both those
    /// of live processes and those of outcomes until they are dropped. By default an eighth of the
    /// memory of the machine, or of the limit of the control group or job of this program if that
    /// is less, and at least 64 MiB. In any case at most half of the address space that this
    /// process may still have (`ulimit -v`, `ulimit -d`; on Windows the limit of a job for each
    /// process).
    ///
    /// A stream that would take more is spilled to a temporary file; see
    /// [`Capture`](crate::Capture). A stream of less than 32 KiB is not worth a file and stays in
    /// memory.
    ///
    /// While the unconsumed outcomes of a [`run`](Throng::run) hold more than half of the budget,
    /// in memory or on the disk, no other command of that run is started. So a run whose outcomes
    /// are not consumed holds half of the budget and what its running processes still write.
    /// Several such runs hold that much each, in files except for small streams.
    ///
    /// If the system refuses memory although the budget allows it, a stream is spilled as well. If
    /// no file can be opened for lack of descriptors, the stream stays in memory, and opening a
    /// file is retried each time it has grown by a quarter, until captures take twice the budget,
    /// or 16 MiB more than a smaller budget. After that, or if the disk is full, the verdict is
    /// [`Failed`](crate::Verdict::Failed) with [`ErrorKind::Storage`]: what was stored until then
    /// is kept; the rest is read, counted and dropped.
    pub fn memory(mut self, bytes: u64) -> Builder {
        self.memory = Some(bytes);
        self
    }

    /// The memory budget in bytes: what was set, or the default on this machine, restricted to what
    /// this process may have. Useful when several pools share a budget.
    ///
    /// ```
    /// use throng::Throng;
    /// let builder = Throng::builder();
    /// let own = builder.memory_limit() / 8;
    /// let builder = builder.memory(7 * own);
    /// assert_eq!(builder.memory_limit(), 7 * own);
    /// ```
    pub fn memory_limit(&self) -> u64 {
        budget::limit_of(self.memory)
    }

    /// Sets the spill directory, for the files of spilled captures. The files have no name there
    /// (on Windows: no other process can open them), and are removed with their capture, or when
    /// this program ends for whatever reason.
    ///
    /// By default it is the system's directory for temporary files (`TMPDIR`, or /tmp), unless that
    /// is in memory (tmpfs): then it is /var/tmp, if that is usable and not in memory. On Windows
    /// it is the directory for temporary files.
    ///
    /// A directory that was set is used even if it is in memory. Then, or if there is no other,
    /// spilled captures still take memory; so they are counted, and together they may take half of
    /// the memory that the machine, or the control group, has beyond the
    /// [budget](Builder::memory). A stream that would take more has the verdict
    /// [`Failed`](crate::Verdict::Failed) with [`ErrorKind::Storage`].
    pub fn spill_dir(mut self, dir: impl Into<PathBuf>) -> Builder {
        self.spill_dir = Some(dir.into());
        self
    }

    /// The spill directory: what was set, or the default on this machine. Useful for other
    /// temporary files that should not be in memory either.
    ///
    /// ```
    /// let dir = throng::Throng::builder().get_spill_dir();
    /// let throng = throng::Throng::builder().build().unwrap();
    /// assert_eq!(throng.spill_dir(), dir);
    /// ```
    pub fn get_spill_dir(&self) -> PathBuf {
        spill::choose(self.spill_dir.clone()).0
    }

    /// Sets what to do about streams that are held; [`OnHeld::Keep`] by default.
    ///
    /// ```
    /// # fn main() -> Result<(), throng::Error> {
    /// use throng::{Command, OnHeld, Throng};
    /// let throng = Throng::builder().on_held(OnHeld::Kill).build()?;
    /// let mut command = Command::new("sh");
    /// let outcome = throng.spawn(command.args(["-c", "echo started; sleep 600 &"])).wait()?;
    /// assert!(outcome.success() && outcome.is_complete());
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_held(mut self, held: OnHeld) -> Builder {
        self.held = held;
        self
    }

    /// Sets how processes are ended; by default `TERM`, two seconds, `KILL`. For its clock see
    /// [`Command::timeout`](crate::Command::timeout).
    pub fn kill_sequence(mut self, sequence: KillSequence) -> Builder {
        self.kill = sequence;
        self
    }

    /// Sets a callback that is called with each piece of output, on the thread that has read it.
    /// That thread reads from no other process meanwhile, so the callback should be quick. If it
    /// panics, the verdict of that stream is [`Failed`](crate::Verdict::Failed) with
    /// [`ErrorKind::Callback`].
    pub fn on_output(mut self, callback: impl Fn(Output<'_>) + Send + Sync + 'static) -> Builder {
        self.on_output = Some(Box::new(callback));
        self
    }

    /// Sets a callback for processes that were stopped (by `SIGSTOP`, or because they tried to read
    /// from a terminal in the background). It is called each time that happens, on the thread that
    /// has noticed it, at most 200 ms later while no more than a few thousand processes are live. A
    /// stopped process continues when it receives `SIGCONT`, or is ended by its timeout. Processes
    /// stopped by [`suspend`](Throng::suspend) are not reported. Costs a system call for each live
    /// process every 200 ms. On Windows processes are not stopped, and the callback is never
    /// called.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # fn main() -> Result<(), throng::Error> {
    /// use throng::{Command, Throng};
    /// let (told, stopped) = std::sync::mpsc::channel();
    /// let throng = Throng::builder().on_stopped(move |stopped| {
    ///     let _ = told.send((stopped.pid, stopped.signal));
    /// }).build()?;
    /// let process = throng.spawn(Command::new("sh").args(["-c", "kill -STOP $$"]));
    /// assert_eq!(stopped.recv().unwrap().1, 19);
    /// process.kill();
    /// assert_eq!(process.wait()?.status().unwrap().signal(), Some(9));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// ```
    pub fn on_stopped(mut self, callback: impl Fn(Stopped<'_>) + Send + Sync + 'static) -> Builder {
        self.on_stopped = Some(Box::new(callback));
        self.os.watch_stops();
        self
    }

    /// Builds the pool and starts its threads.
    ///
    /// On Linux, raises the soft limit of this program on open files (`RLIMIT_NOFILE`) to the hard
    /// one; processes get the original limit. If `SIGCHLD` is ignored, sets it to its default,
    /// because the system keeps no exit statuses otherwise.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadDirectory`] if [`spill_dir`](Builder::spill_dir) is not a directory,
    /// [`ErrorKind::Unsupported`] if a mechanism or a setting was requested that this machine does
    /// not offer, [`ErrorKind::System`] if threads or descriptors are not available.
    pub fn build(self) -> Result<Throng, Error> {
        let mechanism = self.choose_mechanism()?;
        if let Some(dir) = self.spill_dir.as_ref().filter(|dir| !dir.is_dir()) {
            let doing = format!("cannot spill to {}: it is not a directory", dir.display());
            return Err(Error::new(ErrorKind::BadDirectory, doing));
        }
        let budget = Arc::new(Budget::new(self.memory, self.spill_dir));
        let host = Arc::new(SystemContext::new(&self.os, budget.clone())?);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let asked = self.jobs.unwrap_or(cores);
        let most = asked.max(self.jobs_up_to);
        let shards = self.shards.unwrap_or(cores.max(2)).min(most);
        let room = host.capacity(mechanism, shards);
        let jobs = asked.min(room.processes);
        let shards = room.shards.min(most.min(room.processes));

        let settings = Settings {
            grace: self.grace.unwrap_or(DEFAULT_GRACE),
            held: self.held,
            kill: Arc::new(self.kill),
            on_output: self.on_output,
            on_stopped: self.on_stopped,
            budget,
        };
        let shared = Arc::new(Shared::new(jobs, shards, settings));
        if let Some(admit) = self.admit {
            shared.queue.set_admit(admit);
        }
        let throng = Throng {
            shared: shared.clone(),
            mechanism,
            room,
            asked: AtomicUsize::new(asked),
            host: host.clone(),
            shards: Mutex::default(),
        };
        for index in 0..shards {
            // On an error the shards that have been started end with `throng`.
            let (waker, shard) = start_shard(index, mechanism, &host, &shared)?;
            shared.connect(index, waker);
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

/// Starts the thread of a shard. The engine is made there, because kernels tie it, and each process
/// that it starts, to the thread that did so.
fn start_shard(
    index: usize,
    mechanism: Mechanism,
    host: &Arc<SystemContext>,
    shared: &Arc<Shared>,
) -> Result<(Waker, StartedShard), Error> {
    let (ready, is_ready) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let (host, shared) = (host.clone(), shared.clone());
    let body = move || {
        match Engine::new(mechanism, host) {
            Ok(engine) => {
                // The builder is waiting for it.
                let _ = ready.send(Ok(engine.waker()));
                Shard::new(index, shared, engine, done).run();
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
            .field("held", &self.held)
            .field("memory", &self.memory)
            .field("spill_dir", &self.spill_dir)
            .field("kill", &self.kill)
            .field("os", &self.os)
            .finish_non_exhaustive()
    }
}
