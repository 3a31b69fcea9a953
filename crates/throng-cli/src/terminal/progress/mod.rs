//! What is seen of a run while it lasts, on stderr: how far it is, and what takes long. Looks at
//! the run a few times a second; nothing waits for it.
//!
//! Whoever writes to the terminal does it within [`aside`], so that the view is out of the way.

mod facts;
mod pace;
mod screen;
mod shape;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use throng::{Outcome, Stream, Throng, Verdict};

use self::facts::{Facts, LongRunner};
use self::pace::Pace;
use self::screen::Screen;
pub(crate) use self::shape::Shape;
use crate::fate::Fate;
use crate::{sys, text};

/// Between two looks. The first is after one: what is over by then needs no view.
const PAUSE: Duration = Duration::from_millis(200);
/// What has run for less is not worth a line.
const WORTH_A_LINE: Duration = Duration::from_secs(1);
/// So many of those that run, at most.
const LINES_MAX: usize = 6;

/// The screen of this program, for those who have something else to say there.
static SCREEN: OnceLock<Arc<Screen>> = OnceLock::new();

/// Writes something to the terminal, with the view out of its way.
pub(crate) fn aside<R>(write: impl FnOnce() -> R) -> R {
    aside_with(b"\n", write)
}

/// The same for these bytes: where they leave a line open, the view waits for its end.
pub(crate) fn aside_with<R>(bytes: &[u8], write: impl FnOnce() -> R) -> R {
    match SCREEN.get() {
        Some(screen) => screen.aside(bytes, write),
        None => write(),
    }
}

/// Takes the view away until it is drawn again, as when all stands still.
pub(crate) fn hide() {
    if let Some(screen) = SCREEN.get() {
        screen.hide();
    }
}

/// Shown, or not; the rest of the program does not care.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    shape: Shape,
    /// Between two looks.
    pause: Duration,
    /// Whether commands are scripts, and known by them.
    shell: bool,
    begin: Instant,
    done: AtomicU64,
    failed: AtomicU64,
    held: AtomicU64,
    /// How many commands there will be, and 0 as long as nobody knows.
    total: AtomicU64,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Progress {
    /// In a log there is a line at most every so often.
    pub(crate) fn new(
        shape: Option<Shape>,
        interval: Duration,
        total: Option<u64>,
        shell: bool,
    ) -> Progress {
        let shared = shape.map(|shape| {
            Arc::new(Shared {
                shape,
                pause: if shape.is_drawn() { PAUSE } else { interval },
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
        if shared.shape.is_drawn() {
            SCREEN.get_or_init(|| Arc::new(Screen::new(sys::stderr(), screen::size)));
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

    /// A command has ended like this. What the end of the run has cut short is not done.
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

    /// The run is over: takes the view away for good.
    pub(crate) fn clear(&self) {
        let Some(shared) = &self.shared else { return };
        *shared
            .is_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        shared.over.notify_all();
        if shared.shape.is_drawn() {
            hide();
        } else {
            say(&shared.count(0, &mut Pace::default()));
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
            let facts = self.look(&throng, &mut pace);
            drop(throng);
            self.show(&facts);
        }
    }

    /// Sleeps; says whether the run is over.
    fn sleep(&self, pause: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_over, _) = self
            .over
            .wait_timeout_while(is_over, pause, |is_over| !*is_over)
            .unwrap_or_else(PoisonError::into_inner);
        *is_over
    }

    /// How far it is.
    fn count(&self, live: usize, pace: &mut Pace) -> Facts {
        let done = self.done.load(Ordering::Relaxed);
        let total = self.total.load(Ordering::Relaxed);
        let elapsed = self.begin.elapsed();
        pace.note(elapsed, done);
        Facts {
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

    fn look(&self, throng: &Throng, pace: &mut Pace) -> Facts {
        let mut facts = self.count(throng.live(), pace);
        if self.shape.shows_processes() {
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
            facts.long.extend(old);
        }
        facts
    }

    fn show(&self, facts: &Facts) {
        // A run that is over has been cleared, and is not drawn again.
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_over {
            return;
        }
        match SCREEN.get().filter(|_| self.shape.is_drawn()) {
            Some(screen) => {
                let (width, height) = screen::size();
                screen.draw(&facts.lines(self.shape, width, height));
            }
            None => say(facts),
        }
    }
}

/// A line for a stderr that is no terminal. Nothing is done about one that cannot be written.
fn say(facts: &Facts) {
    let line = facts.lines(Shape::Plain, 100, 1).concat() + "\n";
    let _ = sys::stderr().write_all(line.as_bytes());
}

/// A name as it is shown: on one line, whatever is in it.
fn shown(name: &[u8]) -> String {
    text::on_one_line(name)
}
