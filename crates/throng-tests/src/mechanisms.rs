//! Every test runs for every mechanism of the machine, and none may hang.

use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, PoisonError, RwLock};

use throng::Mechanism;

use crate::patience::{HANG, spawn_and_report};

/// Forces one mechanism, by its name.
const KNOB: &str = "THRONG_TEST_MECHANISM";

/// Whose turn it is: that of many tests at once, or of one alone.
static TURN: RwLock<()> = RwLock::new(());

/// Runs the test for each mechanism that this machine offers, one after the other. Fails at the
/// end, so that one run shows all the mechanisms that fail.
///
/// # Panics
///
/// When the test fails or hangs for any of them.
pub fn for_each_mechanism(test: impl Fn(Mechanism) + Send + Sync + 'static) {
    let _shared = TURN.read().unwrap_or_else(PoisonError::into_inner);
    run_for_each(test);
}

/// The same while no other test of this program runs. For tests that start processes by other means
/// than throng: on Windows these get whatever can be inherited at that moment, the pipes of other
/// tests included, and keep them open.
///
/// # Panics
///
/// As above.
pub fn for_each_mechanism_alone(test: impl Fn(Mechanism) + Send + Sync + 'static) {
    let _alone = TURN.write().unwrap_or_else(PoisonError::into_inner);
    run_for_each(test);
}

fn run_for_each(test: impl Fn(Mechanism) + Send + Sync + 'static) {
    let test = Arc::new(test);
    let forced = std::env::var(KNOB).ok();
    let mut failed = Vec::new();
    for mechanism in Mechanism::available() {
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
