//! Every test runs with every mechanism of the machine, and none may hang.

use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use throng::Mechanism;

use crate::patience::{HANG, spawn_and_report};
use crate::sys::repeat;

/// Forces one mechanism by name.
const KNOB: &str = "THRONG_TEST_MECHANISM";

/// Held shared by tests that may run at once, and exclusively by one that must run alone.
static TURN: RwLock<()> = RwLock::new(());

/// Runs the test for each mechanism that this machine offers, one after the other. Fails at the
/// end, so that one run shows all the mechanisms that fail.
///
/// # Panics
///
/// When the test fails or hangs for any of them.
pub fn for_each_mechanism(test: impl Fn(Mechanism) + Send + Sync + 'static) {
    let _shared = TURN.read().unwrap_or_else(PoisonError::into_inner);
    run_for(Mechanism::available(), test);
}

/// The same for tests of code above the mechanisms, which is the same for each: where starting a
/// process is slow, runs with the default mechanism and one other, which differs from test to test.
///
/// # Panics
///
/// As above.
pub fn for_some_mechanisms(test: impl Fn(Mechanism) + Send + Sync + 'static) {
    let all = Mechanism::available();
    let is_cheap = repeat(10) == 10;
    let name = thread::current().name().unwrap_or_default().len();
    let other = 1 + name % (all.len() - 1).max(1);
    let is_wanted = move |index: usize| is_cheap || index == 0 || index == other;
    let _shared = TURN.read().unwrap_or_else(PoisonError::into_inner);
    let some = all.into_iter().enumerate();
    let some = some.filter(|(index, _)| is_wanted(*index));
    run_for(some.map(|(_, mechanism)| mechanism), test);
}

/// The same as the first while no other test of this program runs. For tests that start processes
/// by other means than throng: on Windows these inherit every handle that is inheritable at that
/// moment, including the pipes of other tests, and keep them open.
///
/// # Panics
///
/// As above.
pub fn for_each_mechanism_alone(test: impl Fn(Mechanism) + Send + Sync + 'static) {
    let _alone = TURN.write().unwrap_or_else(PoisonError::into_inner);
    run_for(Mechanism::available(), test);
}

fn run_for(
    mechanisms: impl IntoIterator<Item = Mechanism>,
    test: impl Fn(Mechanism) + Send + Sync + 'static,
) {
    let test = Arc::new(test);
    let forced = std::env::var(KNOB).ok();
    let mut failed = Vec::new();
    for mechanism in mechanisms {
        if forced.as_ref().is_some_and(|name| name != mechanism.name()) {
            continue;
        }
        let test = test.clone();
        let (result, thread) = spawn_and_report(move || test(mechanism));
        match result.recv_timeout(HANG) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => failed.push(format!("{mechanism} (hangs)")),
            Err(RecvTimeoutError::Disconnected) => {
                drop(thread.join());
                failed.push(mechanism.to_string());
            }
        }
    }
    assert!(
        failed.is_empty(),
        "fails with mechanism {}",
        failed.join(", ")
    );
}
