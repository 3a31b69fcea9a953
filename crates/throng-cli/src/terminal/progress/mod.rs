//! The progress of a run on stderr: how far it is, and which processes take long. A thread looks at
//! the run a few times a second; nothing waits for it.

mod pace;
mod snapshot;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use throng::{Outcome, Stream, Throng, Verdict};

use self::pace::Pace;
use self::snapshot::{LongRunner, Snapshot};
use super::TERMINAL;
use super::view::{self, View};
use crate::fate::Fate;
use crate::sys;

/// The time between two looks, and before the first: a run that is over by then needs no view.
const PAUSE: Duration = Duration::from_millis(200);
/// A process that has run for less gets no line.
const WORTH_A_LINE: Duration = Duration::from_secs(1);
/// How many processes are shown, at the most.
const LINES_MAX: usize = 6;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgressStyle {
    /// How far the run is, and below it the processes that take long.
    Full,
    /// How far it is, with a bar.
    Bar,
    /// How far it is.
    Line,
    /// The same, from time to time, for a stderr that is no terminal.
    Plain,
}

impl ProgressStyle {
    /// Whether it is drawn over and over in one place.
    fn is_drawn(self) -> bool {
        self != ProgressStyle::Plain
    }

    fn shows_processes(self) -> bool {
        self == ProgressStyle::Full
    }
}

/// The progress of a run, if it is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    style: ProgressStyle,
    /// The time between two looks.
    pause: Duration,
    /// Whether commands are scripts, which are shown instead of their words.
    shell: bool,
    begin: Instant,
    done: AtomicU64,
    failed: AtomicU64,
    held: AtomicU64,
    /// How many commands there will be; 0 as long as that is unknown.
    total: AtomicU64,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Progress {
    /// `interval` is the time between two lines on a stderr that is no terminal.
    pub(crate) fn new(
        style: Option<ProgressStyle>,
        interval: Duration,
        total: Option<u64>,
        shell: bool,
    ) -> Progress {
        let shared = style.map(|style| {
            Arc::new(Shared {
                style,
                pause: if style.is_drawn() { PAUSE } else { interval },
                shell,
                begin: Instant::now(),
                done: AtomicU64::new(0),
                failed: AtomicU64::new(0),
                held: AtomicU64::new(0),
                total: AtomicU64::new(total.unwrap_or(0)),
                is_over: Mutex::new(false),
                over: Condvar::new(),
            })
        });
        Progress { shared }
    }

    /// Shows this run from now on.
    pub(crate) fn follow(&self, throng: &Arc<Throng>) -> std::io::Result<()> {
        let Some(shared) = self.shared.clone() else {
            return Ok(());
        };
        if shared.style.is_drawn() {
            TERMINAL
                .view
                .get_or_init(|| View::new(sys::stderr(), view::size));
        }
        let throng = Arc::downgrade(throng);
        let watch = move || shared.watch(&throng);
        thread::Builder::new().name("view".into()).spawn(watch)?;
        Ok(())
    }

    /// All values have been read: there will be this many commands.
    pub(crate) fn set_total(&self, total: u64) {
        if let Some(shared) = &self.shared {
            shared.total.store(total, Ordering::Relaxed);
        }
    }

    /// A command has ended. If the end of the run has cut it short, it does not count as done.
    pub(crate) fn ended(&self, outcome: &Outcome, fate: Fate) {
        let Some(shared) = self.shared.as_ref().filter(|_| fate.is_done()) else {
            return;
        };
        let is_held = |stream| matches!(outcome.verdict(stream), Verdict::Held { .. });
        if Stream::ALL.into_iter().any(is_held) {
            shared.held.fetch_add(1, Ordering::Relaxed);
        }
        if fate == Fate::Failed {
            shared.failed.fetch_add(1, Ordering::Relaxed);
        }
        shared.done.fetch_add(1, Ordering::Relaxed);
    }

    /// The run is over: removes the view for good.
    pub(crate) fn clear(&self) {
        let Some(shared) = &self.shared else { return };
        *shared
            .is_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        shared.over.notify_all();
        if shared.style.is_drawn() {
            super::hide_view();
        } else {
            print(&shared.count(0, &mut Pace::default()));
        }
    }
}

impl Shared {
    fn watch(&self, throng: &Weak<Throng>) {
        let mut pace = Pace::default();
        while !self.sleep(self.pause) {
            let Some(throng) = throng.upgrade() else {
                return;
            };
            let snapshot = self.look(&throng, &mut pace);
            drop(throng);
            self.show(&snapshot);
        }
    }

    /// Sleeps; returns whether the run is over.
    fn sleep(&self, pause: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_over, _) = self
            .over
            .wait_timeout_while(is_over, pause, |is_over| !*is_over)
            .unwrap_or_else(PoisonError::into_inner);
        *is_over
    }

    /// How far the run is.
    fn count(&self, live: usize, pace: &mut Pace) -> Snapshot {
        let done = self.done.load(Ordering::Relaxed);
        let total = self.total.load(Ordering::Relaxed);
        let elapsed = self.begin.elapsed();
        pace.note(elapsed, done);
        Snapshot {
            done,
            failed: self.failed.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
            total: (total > 0).then_some(total),
            live,
            per_s: pace.per_s(),
            elapsed,
            long: Vec::new(),
        }
    }

    fn look(&self, throng: &Throng, pace: &mut Pace) -> Snapshot {
        let mut snapshot = self.count(throng.live(), pace);
        if self.style.shows_processes() {
            let now = Instant::now();
            let old = throng.running(LINES_MAX).into_iter().filter_map(|running| {
                let age = now.saturating_duration_since(running.started);
                let name = match self.shell {
                    true => sys::script(&running.command),
                    false => sys::name(&running.command),
                };
                let is_stopped = sys::is_stopped(running.pid);
                (age >= WORTH_A_LINE).then_some(LongRunner {
                    age,
                    is_stopped,
                    name,
                })
            });
            snapshot.long.extend(old);
        }
        snapshot
    }

    fn show(&self, snapshot: &Snapshot) {
        // A run that is over has been cleared, and is not drawn again.
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_over {
            return;
        }
        match TERMINAL.view.get().filter(|_| self.style.is_drawn()) {
            Some(view) => {
                let (width, height) = view::size();
                view.draw(&snapshot.lines(self.style, width, height));
            }
            None => print(snapshot),
        }
    }
}

/// Writes a line to a stderr that is no terminal. Errors are ignored.
fn print(snapshot: &Snapshot) {
    let line = snapshot.lines(ProgressStyle::Plain, 100, 1).concat() + "\n";
    let _ = sys::stderr().write_all(line.as_bytes());
}
