//! Waiting for what must happen, with a limit that only a hanging test reaches.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::sys;

/// Anything that takes longer than this hangs, even on a loaded machine.
pub const HANG: Duration = sys::LONGEST_TEST;

/// The first time limit that [`with_enough_time`] tries. A fast machine needs no more.
const BRIEF: Duration = Duration::from_secs(1);

/// Polls until the condition holds.
///
/// # Panics
///
/// When it does not hold for so long that the test itself would soon time out.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANG / 4 * 3;
    while !is_so() {
        assert!(Instant::now() < deadline, "never comes about: {what}");
        thread::sleep(Duration::from_millis(3));
    }
}

/// Waits until a number has not changed for a third of a second, and returns it.
pub fn stable(number: impl Fn() -> u64) -> u64 {
    let (mut last, mut since) = (number(), Instant::now());
    while since.elapsed() < Duration::from_millis(333) {
        thread::sleep(Duration::from_millis(10));
        let now = number();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

/// For a state that has to be reached within a time, as by a process before its timeout: tries with
/// one second and, as long as the state is not reached, with four times as long each time. Returns
/// the last result: on a machine that is fast enough that is the first one, and if it is the
/// program that makes no progress, more time makes no difference.
pub fn with_enough_time<T>(
    mut work: impl FnMut(Duration) -> T,
    has_come_far: impl Fn(&T) -> bool,
) -> T {
    let mut time = BRIEF;
    loop {
        let result = work(time);
        if has_come_far(&result) || time > HANG / 8 {
            return result;
        }
        time *= 4;
    }
}

/// Runs something that might never end, on a thread that is left behind if it does not.
///
/// # Panics
///
/// When it takes longer than this, or panics.
#[track_caller]
pub fn within<T: Send + 'static>(
    limit: Duration,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (result, thread) = spawn_and_report(work);
    match result.recv_timeout(limit) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("hangs: {what}"),
        Err(RecvTimeoutError::Disconnected) => {
            let panicked = thread.join().expect_err("it has not reported");
            std::panic::resume_unwind(panicked)
        }
    }
}

/// Runs work on a thread of its own, which reports when it is done.
pub(crate) fn spawn_and_report<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> (Receiver<T>, JoinHandle<()>) {
    let (report, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        // The receiver is gone if it has taken too long.
        let _ = report.send(work());
    });
    (result, thread)
}
