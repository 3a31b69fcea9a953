//! What a fork of a program can do with its `Throng` while other threads hold every lock.
//!
//! The fork is only pretended here, and the same thread holds the locks itself: code that takes one
//! hangs. A real fork is tested in `sys/linux`.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::Owner;
use crate::job::command::Command;
use crate::job::outcome::Outcome;
use crate::job::running::Running;
use crate::model::error::ErrorKind;
use crate::pool::handle::Process;
use crate::pool::run::Run;
use crate::pool::throng::Throng;
use crate::scheduler::results::Next;

/// The thread that pretends to be a fork, and whether it does so now.
static PRETENDER: OnceLock<ThreadId> = OnceLock::new();
static PRETENDS: AtomicBool = AtomicBool::new(false);

/// The process that this thread pretends to be in.
pub(super) fn pretended() -> Option<Owner> {
    let pretends = PRETENDS.load(Ordering::SeqCst);
    let is_it = || PRETENDER.get() == Some(&thread::current().id());
    (pretends && is_it()).then(|| Owner(std::process::id() + 1))
}

/// Objects that belong to another process, and that may be used here.
pub(crate) struct Inherited {
    pub(crate) throng: Throng,
    pub(crate) processes: [Process; 6],
    pub(crate) run: Run,
    /// An outcome of that run.
    pub(crate) outcome: Outcome,
    pub(crate) running: Vec<Running>,
}

impl Inherited {
    /// Calls every function of the API, and checks that it has no effect.
    pub(crate) fn use_all(self) {
        let Inherited {
            throng,
            processes,
            mut run,
            outcome,
            running,
        } = self;
        let program = Command::new("throng-no-such-program");
        let is_refused = |outcome: &Outcome| {
            let error = outcome.start_error().unwrap();
            assert_eq!(error.kind(), ErrorKind::Forked);
            let text = error.to_string();
            assert!(text.contains("build another after fork"), "{text}");
        };
        let refused = throng.spawn(&program);
        refused.cancel();
        refused.kill();
        is_refused(&refused.wait().unwrap());
        let mut count = 0;
        for outcome in throng.run(vec![program.clone(); 500]) {
            is_refused(&outcome);
            count += 1;
        }
        assert_eq!(count, 500);
        drop(throng.run([program.clone()]));

        let [waited, polled, cancelled, killed, detached, dropped] = processes;
        assert_eq!(waited.wait().unwrap_err().kind(), ErrorKind::Forked);
        let mut context = Context::from_waker(Waker::noop());
        let poll = pin!(polled).poll(&mut context);
        assert!(matches!(poll, Poll::Ready(Err(error)) if error.kind() == ErrorKind::Forked));
        cancelled.cancel();
        killed.kill();
        detached.detach();
        drop((cancelled, killed, dropped));

        assert!(run.is_ready() && run.next().is_none());
        drop(outcome);
        run.stop_feeding();
        drop(run);

        assert!(running.iter().all(|running| !throng.end(running)));
        assert!(throng.running(9).is_empty());
        assert_eq!(
            throng.kill_leftovers().unwrap_err().kind(),
            ErrorKind::Forked
        );
        assert_eq!(throng.set_jobs(throng.jobs() + 1), throng.jobs());
        assert!(!throng.suspend());
        throng.resume();
        throng.end_older(Duration::ZERO);
        throng.start_no_more();
        throng.cancel();
        throng.kill();
        assert!(!throng.is_cancelled() && !throng.starts_no_more());
        drop(throng);
    }
}

/// Commands that cannot be started have outcomes as well, so no process is needed. Some handles are
/// kept after their outcomes have arrived.
pub(crate) fn inherited(command: &Command) -> Inherited {
    let throng = Throng::builder().jobs(9).shards(2).build().unwrap();
    let processes = [(); 6].map(|()| throng.spawn(command));
    let mut is_first = true;
    let judge = move |_: &Outcome| match std::mem::take(&mut is_first) {
        true => Next::RunAgain(Duration::from_secs(3600)),
        false => Next::Continue,
    };
    let mut run = throng.run_judged(vec![Command::new("throng-no-such-program"); 9], judge);
    let outcome = run.next().unwrap();
    Inherited {
        running: throng.running(9),
        throng,
        processes,
        run,
        outcome,
    }
}

#[test]
fn nothing_in_a_fork_takes_a_lock_that_another_thread_may_have_held() {
    let (report, result) = mpsc::channel();
    let test = move || {
        let inherited = inherited(&Command::new("throng-no-such-program"));
        let shared = inherited.throng.shared.clone();
        let oneshots = inherited.processes.each_ref().map(Process::oneshot);
        let results = inherited.run.results();
        let locks = (
            shared.hold_locks(),
            oneshots.each_ref().map(|oneshot| oneshot.hold()),
            results.hold(),
        );
        PRETENDER.set(thread::current().id()).unwrap();
        PRETENDS.store(true, Ordering::SeqCst);
        inherited.use_all();
        PRETENDS.store(false, Ordering::SeqCst);
        drop(locks);
        // The shards were forgotten and not joined; they end with this program, or here.
        shared.ask_all(|| crate::scheduler::shared::Request::Close);
        report.send(()).unwrap();
    };
    let begun = Instant::now();
    let thread = thread::spawn(test);
    if let Err(error) = result.recv_timeout(Duration::from_secs(60)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "hangs: {error}");
        std::panic::resume_unwind(thread.join().unwrap_err());
    }
}
