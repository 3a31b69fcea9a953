//! A thread that checks a run from time to time: the file of `-j`, a timeout that follows the
//! median, memory that runs out. There is none if no option needs it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use throng::{Outcome, Throng};

use super::throttle;
use crate::histogram::Histogram;
use crate::options::control::{Control, Timeout};
use crate::options::jobs::{self, Jobs};
use crate::session::shortage::Shortage;
use crate::sys::api::Gauge;
use crate::terminal;

const TICK: Duration = Duration::from_millis(20);
/// A process that is being ended takes a while to free its memory.
const TICKS_BETWEEN_EVICTIONS: u32 = 50;
const TICKS_BETWEEN_READINGS: u32 = 10;

#[derive(Debug, Default)]
pub(super) struct Monitor {
    watch: Watch,
    /// Dropped when the run is over; then the thread ends.
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread shares with the judge.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Arc<Mutex<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    /// How long the commands that succeeded ran, in nanoseconds; kept where a timeout depends on
    /// it.
    wall: Histogram,
    timeout_percent: Option<f64>,
    /// Processes that were ended to free memory and are to be run again: the number of the command
    /// and of the attempt.
    evicted: HashSet<(u64, u32)>,
}

impl Monitor {
    pub(super) fn start(
        control: &Control,
        cores: usize,
        throng: &Arc<Throng>,
        shortage: Shortage,
    ) -> anyhow::Result<Monitor> {
        let timeout_percent = control.timeout.and_then(Timeout::percent);
        let file = JobsFile::new(&control.jobs, cores);
        let watch = Watch::default();
        watch.lock().timeout_percent = timeout_percent;
        let may_run_short = control.memfree.is_some() || control.load.is_some();
        if timeout_percent.is_none() && file.is_none() && !may_run_short {
            return Ok(Monitor::default());
        }
        let (over, is_over) = mpsc::channel();
        let mut rounds = Rounds {
            throng: Arc::downgrade(throng),
            watch: watch.clone(),
            file,
            memory_min: control.memfree.map(|min| min as f64 / 2.0),
            shortage,
            number: 0,
        };
        let thread = thread::Builder::new()
            .name("monitor".into())
            .spawn(move || {
                let goes_on = || is_over.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout);
                while goes_on() && rounds.make() {}
            })?;
        Ok(Monitor {
            watch,
            over: Some(over),
            thread: Some(thread),
        })
    }

    /// Has to get every outcome. None if there is no monitor.
    pub(super) fn watch(&self) -> Option<Watch> {
        self.thread.is_some().then(|| self.watch.clone())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

/// What the thread does in each round.
struct Rounds {
    throng: Weak<Throng>,
    watch: Watch,
    file: Option<JobsFile>,
    /// Half of what must be free for another start: with less than this, a process is ended.
    memory_min: Option<f64>,
    shortage: Shortage,
    number: u32,
}

impl Rounds {
    /// One round; `false` when the run is over.
    fn make(&mut self) -> bool {
        let Some(throng) = self.throng.upgrade() else {
            return false;
        };
        let timeout = self.watch.lock().timeout();
        if let Some(timeout) = timeout {
            throng.end_older(timeout);
        }
        if self.number.is_multiple_of(TICKS_BETWEEN_READINGS)
            && let Some(file) = &mut self.file
            && let Some(jobs) = file.changed()
        {
            throng.set_jobs(jobs);
        }
        if self.number.is_multiple_of(TICKS_BETWEEN_EVICTIONS)
            && let Some(min) = self.memory_min
            && throttle::read(Gauge::FreeMemory) < min
        {
            self.evict(&throng);
        }
        if let Some(told) = self.shortage.news(Instant::now()) {
            terminal::warn(format_args!("{told}"));
        }
        self.number = self.number.wrapping_add(1);
        true
    }

    /// Ends the youngest process, but never the last one, so that the run makes progress.
    fn evict(&self, throng: &Throng) {
        let running = throng.running(usize::MAX);
        if let [_, .., youngest] = &running[..] {
            self.watch
                .lock()
                .evicted
                .insert((youngest.seq, youngest.attempt));
            throng.end(youngest);
        }
    }
}

impl Watch {
    /// A command has ended. Returns whether it was ended to free memory, so it is run again.
    pub(super) fn ended(&self, outcome: &Outcome) -> bool {
        let mut watched = self.lock();
        if outcome.success() && watched.timeout_percent.is_some() {
            let nanoseconds = outcome.wall().as_nanos();
            watched
                .wall
                .add(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        }
        watched.evicted.remove(&(outcome.seq(), outcome.attempt())) && outcome.ended_by().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn timeout(&self) -> Option<Duration> {
        let percent = self.timeout_percent?;
        if self.wall.count() == 0 {
            return None;
        }
        let median = Duration::from_nanos(self.wall.percentile(50));
        // A time too long to be represented is no limit.
        Duration::try_from_secs_f64(median.as_secs_f64() * percent / 100.0).ok()
    }
}

/// The file of `-j FILE`.
struct JobsFile {
    path: PathBuf,
    cores: usize,
    seen: Option<(SystemTime, u64)>,
    /// The error when it was read last, so that it is reported once.
    error: String,
}

impl JobsFile {
    fn new(jobs: &Jobs, cores: usize) -> Option<JobsFile> {
        Some(JobsFile {
            path: jobs.file()?.to_owned(),
            cores,
            // Not its present state: it may have changed since it was read.
            seen: None,
            error: String::new(),
        })
    }

    /// The number in it, if the file has changed since the last call.
    fn changed(&mut self) -> Option<usize> {
        let state = std::fs::metadata(&self.path)
            .and_then(|meta| Ok((meta.modified()?, meta.len())))
            .ok();
        if state == self.seen {
            return None;
        }
        self.seen = state;
        match jobs::read(&self.path) {
            Ok(count) => {
                self.error.clear();
                Some(count.jobs(self.cores))
            }
            // It may be half written, so the number stays what it was.
            Err(error) if error == self.error => None,
            Err(error) => {
                terminal::warn(format_args!("--jobs {}: {error}", self.path.display()));
                self.error = error;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use throng::Command;

    /// The process that the test below starts: this program, running this test alone.
    #[test]
    #[ignore = "it waits to be ended"]
    fn a_process_that_waits() {
        thread::sleep(Duration::from_secs(60));
    }

    #[test]
    fn on_low_memory_the_youngest_is_killed_and_the_last_one_stays() {
        let name = "session::monitor::tests::a_process_that_waits";
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", name]);
        let throng = Arc::new(Throng::builder().jobs(3).build().unwrap());
        let mut run = throng.run(vec![command; 3]);
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while throng.running(9).len() < 3 {
            assert!(std::time::Instant::now() < deadline, "three never run");
            thread::sleep(Duration::from_millis(5));
        }
        let oldest = throng.running(9)[0].seq;
        let rounds = Rounds {
            throng: Arc::downgrade(&throng),
            watch: Watch::default(),
            file: None,
            memory_min: Some(f64::INFINITY),
            shortage: Shortage::default(),
            number: 0,
        };
        let watch = rounds.watch.clone();
        for _ in 0..2 {
            let youngest = throng.running(9).pop().unwrap().seq;
            rounds.evict(&throng);
            let outcome = run.next().unwrap();
            assert_eq!(outcome.seq(), youngest);
            assert!(watch.ended(&outcome), "it is to be run again");
            assert!(!watch.ended(&outcome), "and once");
        }
        rounds.evict(&throng);
        assert!(rounds.watch.lock().evicted.is_empty(), "the last one stays");
        assert_eq!(throng.running(9)[0].seq, oldest);
        throng.kill();
        assert!(
            !watch.ended(&run.next().unwrap()),
            "that was not to make room"
        );
    }

    #[test]
    fn a_changed_jobs_file_is_read_and_invalid_content_is_ignored() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("3");
        let jobs: Jobs = file.path().to_str().unwrap().parse().unwrap();
        let mut file = JobsFile::new(&jobs, 4).unwrap();
        assert_eq!(file.changed(), Some(3));
        assert_eq!(file.changed(), None);
        write("200%");
        assert_eq!(file.changed(), Some(8));
        write("nonsense");
        assert_eq!(file.changed(), None);
        assert!(file.error.contains("nonsense"));
        write("+1  ");
        assert_eq!(file.changed(), Some(5));
    }
}
