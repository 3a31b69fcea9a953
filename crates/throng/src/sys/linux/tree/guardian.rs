//! The guardian: a process of its own that kills what is left when this program is killed.
//!
//! The kernel kills our children when we end (`PR_SET_PDEATHSIG`), and only those: what they have
//! started goes on. So a program that is to leave nothing starts a guardian process, which reads a
//! pipe whose only writer we are. The pipe ends when we do, however that comes about, and then the
//! guardian kills what we have left (`guardian/process.rs`). When we end in good order we end the
//! guardian first.
//!
//! It is started while we prepare ourselves, and the first command is not started before it has
//! been, unless that takes longer than [`START_MAX`]: from then on it has its end of the pipe,
//! even if it has not begun to read it when we end. It has nothing of ours: /dev/null for its
//! streams, no other descriptor, a group of its own, `/` for its directory.
//!
//! Any process that runs as our user may kill or stop it. So the thread that has started it looks
//! at it from time to time: when it is gone another is started, a few times, and when it is stopped
//! it is continued. A process that kills it and then us within [`LOOK`] escapes it, and so does a
//! debugger that holds it.

mod process;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process, waitid};

use self::process::{GROUP, RUN};
use super::background::Background;
use super::census::to_pid;
use super::procfs::Procfs;

use super::cookie::RunId;
use crate::sync::lock;
use crate::sys::base::is_exhausted;
use crate::sys::options::linux::{GuardianEvent, GuardianReport};

pub(crate) use process::guard;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long commands wait for the first. Loading its program may take for ever.
const START_MAX: Duration = Duration::from_secs(5);

/// How long one that was killed is waited for.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How many times another guardian is started, or tried to be. One that is killed more often than
/// that is of no use.
const OTHERS_MAX: u32 = 3;

/// How many times a stop is reported. The guardian is continued however often that happens.
const TOLD_MAX: u32 = 3;

/// A guardian that is being started, or runs.
#[derive(Debug)]
pub(crate) struct Guardian {
    shared: Arc<Shared>,
    begun: Instant,
    report: Option<GuardianReport>,
    /// Ends the guardian when this is dropped: we end in good order, and what goes on is meant to.
    _thread: Background,
}

#[derive(Debug, Default)]
struct Shared {
    /// 0 while there is no guardian.
    pid: AtomicU32,
    /// Set when the first has been started, or could not be.
    was_started: OnceLock<()>,
    /// Whether that has taken too long, and was reported.
    is_late: Mutex<bool>,
    changed: Condvar,
}

impl Guardian {
    /// Starts a program that is to call [`guard`], on a thread of its own, which
    /// watches the program from then on.
    pub(crate) fn start(
        argv: &[OsString],
        run: &RunId,
        group: Option<&Path>,
        report: Option<GuardianReport>,
    ) -> io::Result<Guardian> {
        let Some((program, args)) = argv.split_first() else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let mut command = Command::new(program);
        command
            .args(args)
            .env(RUN, run.as_str())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match group {
            Some(group) => command.env(GROUP, group),
            None => command.env_remove(GROUP),
        };
        let shared = Arc::new(Shared::default());
        let watch = Watch {
            command,
            shared: shared.clone(),
            report: report.clone(),
            others: 0,
            told: 0,
        };
        Ok(Guardian {
            shared,
            begun: Instant::now(),
            report,
            _thread: Background::start("throng-guardian", move |stopped| watch.run(stopped))?,
        })
    }

    /// Its id, or 0 as long as it has none.
    pub(crate) fn pid(&self) -> u32 {
        self.shared.pid.load(Ordering::Relaxed)
    }

    /// Waits until it has been started, or could not be. If that takes too long it counts as a
    /// guardian that cannot be started, and is not waited for again.
    pub(crate) fn await_start(&self) {
        let was_started = &self.shared.was_started;
        if was_started.get().is_some() {
            return;
        }
        let left = START_MAX.saturating_sub(self.begun.elapsed());
        let is_late = lock(&self.shared.is_late);
        let goes_on = |is_late: &mut bool| was_started.get().is_none() && !*is_late;
        let waited = self
            .shared
            .changed
            .wait_timeout_while(is_late, left, goes_on);
        let (mut is_late, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if goes_on(&mut is_late) {
            *is_late = true;
            drop(is_late);
            self.shared.changed.notify_all();
            tell(self.report.as_ref(), GuardianEvent::Lost { pid: None });
        }
    }
}

impl Shared {
    /// The first has been started, or could not be. Returns whether that was too late.
    fn decide(&self) -> bool {
        self.was_started.get_or_init(|| ());
        // Under the lock: a thread that waits has either not looked yet, or is woken.
        let is_late = *lock(&self.is_late);
        self.changed.notify_all();
        is_late
    }
}

/// The work of the thread that has started the guardian.
struct Watch {
    command: Command,
    shared: Arc<Shared>,
    report: Option<GuardianReport>,
    /// How many were started after the first, or tried to be.
    others: u32,
    told: u32,
}

/// The state of a guardian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Runs,
    Stopped,
    Gone,
}

impl Watch {
    fn run(mut self, stopped: &Receiver<()>) {
        let mut first = self.start();
        let was_late = self.shared.decide();
        let mut guardian = loop {
            match first {
                Ok(guardian) => break guardian,
                Err(error) if is_exhausted(&error) && self.others < OTHERS_MAX => {
                    if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                    self.others += 1;
                    first = self.start();
                }
                Err(_) if was_late => return,
                Err(_) => return self.tell(GuardianEvent::Lost { pid: None }),
            }
        };
        while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            match state(&mut guardian) {
                State::Runs => {}
                State::Stopped => self.go_on(&guardian),
                State::Gone => match self.replace(guardian, stopped) {
                    Some(other) => guardian = other,
                    None => return,
                },
            }
        }
        // Before its pipe is closed: the end of the pipe would start its work.
        if state(&mut guardian) != State::Gone {
            let _ = guardian.kill();
        }
        see_off(&mut guardian);
    }

    fn start(&mut self) -> io::Result<Child> {
        // Without a /proc of our process namespace it would find nothing, and end at once.
        Procfs::open()?;
        let child = self.command.spawn();
        let pid = child.as_ref().map_or(0, Child::id);
        self.shared.pid.store(pid, Ordering::Relaxed);
        child
    }

    /// Starts another for the same run.
    fn replace(&mut self, mut gone: Child, stopped: &Receiver<()>) -> Option<Child> {
        let pid = gone.id();
        self.shared.pid.store(0, Ordering::Relaxed);
        see_off(&mut gone);
        while self.others < OTHERS_MAX {
            self.others += 1;
            if let Ok(other) = self.start() {
                let by = other.id();
                self.tell(GuardianEvent::Replaced { pid, by });
                return Some(other);
            }
            if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                return None;
            }
        }
        self.tell(GuardianEvent::Lost { pid: Some(pid) });
        None
    }

    fn go_on(&mut self, guardian: &Child) {
        let pid = guardian.id();
        if let Some(to) = to_pid(pid) {
            // It is our child and has just been seen there: the id is its own until we wait for it.
            let _ = kill_process(to, Signal::CONT);
        }
        if self.told < TOLD_MAX {
            self.told += 1;
            self.tell(GuardianEvent::Continued { pid });
        }
    }

    fn tell(&self, event: GuardianEvent) {
        tell(self.report.as_ref(), event);
    }
}

/// A callback that panics must not end the guardian's thread: its pipe would be closed, and it
/// would kill what runs.
fn tell(report: Option<&GuardianReport>, event: GuardianEvent) {
    if let Some(GuardianReport(report)) = report {
        let _ = panic::catch_unwind(AssertUnwindSafe(|| report(event)));
    }
}

/// Waits for a guardian that is to be over. One that is frozen, or in an uninterruptible wait, is
/// left.
fn see_off(guardian: &mut Child) {
    let deadline = Instant::now() + LAST_WAIT;
    while matches!(guardian.try_wait(), Ok(None)) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Looks without taking its status. A guardian that other code has waited for is gone as well.
fn state(guardian: &mut Child) -> State {
    let Some(pid) = to_pid(guardian.id()) else {
        return State::Gone;
    };
    let asked = WaitIdOptions::EXITED
        | WaitIdOptions::STOPPED
        | WaitIdOptions::NOHANG
        | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(pid), asked) {
        Ok(None) => State::Runs,
        Ok(Some(status)) if status.stopped() => State::Stopped,
        Ok(Some(_)) | Err(Errno::CHILD) => State::Gone,
        Err(_) => state_by_waiting(guardian),
    }
}

/// Where `waitid` is refused: takes its status, and does not see whether it is stopped.
fn state_by_waiting(guardian: &mut Child) -> State {
    match guardian.try_wait() {
        Ok(Some(_)) => State::Gone,
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => State::Gone,
        Ok(None) | Err(_) => State::Runs,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;

    use super::*;
    use crate::model::mechanism::Mechanism;
    use crate::pool::throng::Throng;
    use crate::slots::Slots;
    use crate::sys::linux::engine::Engine;
    use crate::sys::linux::host::SystemContext;
    use crate::sys::os::linux::BuilderExt;

    /// Starts a process with this program as the guardian, and shows the guardian's id as it is
    /// then.
    fn guardian_at_the_first_start(program: &str, look: impl FnOnce(u32)) {
        let options = Throng::builder().guardian([program]).os;
        let host = Arc::new(SystemContext::new(&options, Arc::default()).unwrap());
        let mut engine = Engine::new(Mechanism::Threads, host.clone()).unwrap();
        let id = Slots::new().insert(());
        engine
            .start(id, &crate::job::command::Command::new("true"))
            .unwrap();
        look(host.trees.guardian_pid());
    }

    /// The command line of a process that has been started. When its start has returned to the
    /// caller, the kernel may still be about to note the command line.
    fn command_line(pid: u32) -> Vec<u8> {
        let begun = Instant::now();
        loop {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            if !line.is_empty() || begun.elapsed() > Duration::from_secs(60) {
                return line;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn no_process_is_started_before_the_guardian_has_been() {
        // Repeatedly, because it may be in time by chance.
        for _ in 0..30 {
            guardian_at_the_first_start("cat", |guardian| {
                assert_eq!(command_line(guardian), b"cat\0", "{guardian}");
            });
        }
    }

    #[test]
    fn a_guardian_that_cannot_be_started_delays_no_start() {
        guardian_at_the_first_start("/nonexistent/guardian", |guardian| assert_eq!(guardian, 0));
    }

    /// A guardian that does nothing but read, and the events that are reported for it.
    fn told_of(program: &str) -> (Guardian, Receiver<GuardianEvent>) {
        let (tell, told) = mpsc::channel();
        let report = GuardianReport(Arc::new(move |event| {
            tell.send(event).unwrap();
            // A panic of the callback does not affect the guardian.
            panic::resume_unwind(Box::new("this is part of a test"));
        }));
        let argv = [OsString::from(program)];
        let guardian = Guardian::start(&argv, &RunId::random().unwrap(), None, Some(report));
        let guardian = guardian.unwrap();
        guardian.await_start();
        (guardian, told)
    }

    fn signal(guardian: &Guardian, signal: Signal) -> u32 {
        let pid = guardian.pid();
        kill_process(to_pid(pid).unwrap(), signal).unwrap();
        pid
    }

    #[test]
    fn a_killed_guardian_has_successors_and_each_is_reported() {
        let (guardian, told) = told_of("cat");
        let mut last = guardian.pid();
        for _ in 0..OTHERS_MAX {
            assert_eq!(signal(&guardian, Signal::KILL), last);
            let event = told.recv().unwrap();
            let by = guardian.pid();
            assert_eq!(event, GuardianEvent::Replaced { pid: last, by });
            assert_eq!(command_line(by), b"cat\0");
            last = by;
        }
        signal(&guardian, Signal::KILL);
        assert_eq!(
            told.recv().unwrap(),
            GuardianEvent::Lost { pid: Some(last) }
        );
        assert_eq!(guardian.pid(), 0);
        drop(guardian);
        assert!(told.recv().is_err(), "nothing more is told");
    }

    #[test]
    fn a_guardian_that_is_stopped_is_continued() {
        let (guardian, told) = told_of("cat");
        let pid = guardian.pid();
        for _ in 0..TOLD_MAX {
            signal(&guardian, Signal::STOP);
            assert_eq!(told.recv().unwrap(), GuardianEvent::Continued { pid });
        }
        // Repeatedly; but it is not reported for ever.
        signal(&guardian, Signal::STOP);
        let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let begun = Instant::now();
        while stat().contains(") T ") {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", stat());
            thread::sleep(Duration::from_millis(5));
        }
        drop(guardian);
        assert!(told.recv().is_err());
        assert!(fs::exists(format!("/proc/{pid}")).is_ok_and(|exists| !exists));
    }

    #[test]
    fn a_guardian_that_cannot_be_started_is_reported() {
        let (_guardian, told) = told_of("/nonexistent/guardian");
        assert_eq!(told.recv().unwrap(), GuardianEvent::Lost { pid: None });
    }

    #[test]
    fn a_guardian_whose_start_does_not_end_is_reported_once_and_delays_no_start() {
        let (tell, told) = mpsc::channel();
        let report = GuardianReport(Arc::new(move |event| tell.send(event).unwrap()));
        let (go, held) = mpsc::channel::<()>();
        let guardian = Guardian {
            shared: Arc::default(),
            begun: Instant::now().checked_sub(START_MAX).unwrap(),
            report: Some(report),
            _thread: Background::start("test", move |_| {
                let _ = held.recv();
            })
            .unwrap(),
        };
        let guardian = Arc::new(guardian);
        let waiting = guardian.clone();
        thread::spawn(move || {
            waiting.await_start();
            waiting.await_start();
            // It is started in the end.
            assert!(waiting.shared.decide(), "too late");
            waiting.await_start();
        });
        let limit = Duration::from_secs(60);
        let event = told.recv_timeout(limit);
        assert_eq!(event, Ok(GuardianEvent::Lost { pid: None }));
        drop(go);
        drop(guardian);
        assert!(told.recv_timeout(limit).is_err(), "nothing more is told");
    }

    #[test]
    fn the_wait_for_a_guardian_that_does_not_end_is_limited() {
        let mut deaf = Command::new("sleep").arg("600").spawn().unwrap();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            see_off(&mut deaf);
            tell.send(deaf).unwrap();
        });
        let left = told.recv_timeout(Duration::from_secs(60));
        let mut deaf = left.expect("the wait has an end");
        assert_eq!(state(&mut deaf), State::Runs);
        assert_eq!(state_by_waiting(&mut deaf), State::Runs);
        deaf.kill().unwrap();
        see_off(&mut deaf);
        assert_eq!(state_by_waiting(&mut deaf), State::Gone);
        assert_eq!(state(&mut deaf), State::Gone);
    }
}
