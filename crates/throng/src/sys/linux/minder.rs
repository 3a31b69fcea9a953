//! Starts that do not come to an end: a program on a file system that does not answer.
//!
//! A thread that starts a process sleeps in the kernel until the program is loaded, and does
//! nothing for its other processes meanwhile. So that these are not frozen for ever, a thread that
//! does nothing else looks at all starts a few times a second, and kills the process of one that
//! has taken longer than it may. Most such waits can be ended by a kill, not all: docs/linux.md.
//!
//! A start pays for it with one exchange of a number: the kernel itself writes down who is being
//! started (`CLONE_PARENT_SETTID`).

use std::io;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::lock::lock;

/// How often starts are looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// What has not been loaded in this time is not there.
const LONGEST_START: Duration = Duration::from_secs(30);

/// The start that a shard is in, if it is in one.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Who is being started; 0 when nobody is, and negative when he is being killed.
    pid: AtomicI32,
    limit_ms: AtomicU32,
    killing: Mutex<()>,
}

/// The thread that looks at clocks.
#[derive(Debug)]
pub(super) struct Minder {
    clocks: Arc<Mutex<Vec<Weak<Clock>>>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    /// A start may take as long as its command, and not for ever.
    pub(super) fn set_limit(&self, timeout: Option<Duration>) -> Duration {
        let limit = timeout.map_or(LONGEST_START, |timeout| timeout.min(LONGEST_START));
        // Half a minute fits.
        self.limit_ms
            .store(limit.as_millis() as u32, Ordering::Relaxed);
        limit
    }

    /// Where the kernel writes who is being started.
    pub(super) fn place(&self) -> *mut i32 {
        self.pid.as_ptr()
    }

    /// The start is over. Says whether it was ended because it took too long; until this has
    /// returned its process has not been waited for, so nobody else was killed in its place.
    pub(super) fn finish(&self) -> bool {
        let was_killed = self.pid.swap(0, Ordering::AcqRel) < 0;
        if was_killed {
            drop(lock(&self.killing));
        }
        was_killed
    }

    fn kill(&self, pid: i32) {
        let _killing = lock(&self.killing);
        let (from, to) = (Ordering::AcqRel, Ordering::Relaxed);
        if self.pid.compare_exchange(pid, -pid, from, to).is_ok()
            && let Some(pid) = Pid::from_raw(pid)
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Minder {
    pub(super) fn start() -> io::Result<Minder> {
        let clocks: Arc<Mutex<Vec<Weak<Clock>>>> = Arc::default();
        let (stop, stopped) = mpsc::channel();
        let seen = clocks.clone();
        let mind = move || {
            // For each clock who was being started at the last look, and since when.
            let mut last: Vec<(i32, Instant)> = Vec::new();
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                let clocks = lock(&seen).clone();
                let now = Instant::now();
                last.resize(clocks.len(), (0, now));
                for (clock, last) in clocks.iter().zip(&mut last) {
                    let Some(clock) = clock.upgrade() else {
                        continue;
                    };
                    let pid = clock.pid.load(Ordering::Acquire);
                    let limit = clock.limit_ms.load(Ordering::Relaxed);
                    if pid != last.0 {
                        *last = (pid, now);
                    } else if pid > 0 && now - last.1 >= Duration::from_millis(limit.into()) {
                        clock.kill(pid);
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("throng-minder".into());
        Ok(Minder {
            clocks,
            stop: Some(stop),
            thread: Some(thread.spawn(mind)?),
        })
    }

    /// A clock for one more shard.
    pub(super) fn clock(&self) -> Arc<Clock> {
        let clock = Arc::new(Clock::default());
        lock(&self.clocks).push(Arc::downgrade(&clock));
        clock
    }
}

impl Drop for Minder {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
