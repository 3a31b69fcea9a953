//! The niceness of a process.

use throng::os::linux::CommandExt;
use throng::{ErrorKind, Mechanism};
use throng_tests::{assert_complete, child, for_each_mechanism, run_one};

fn said(mechanism: Mechanism, nice: Option<i32>) -> String {
    let mut command = child!("priority");
    if let Some(nice) = nice {
        command.nice(nice);
    }
    let outcome = run_one(mechanism, &command);
    assert_complete(&outcome);
    String::from_utf8_lossy(outcome.stdout()).into_owned()
}

#[test]
fn a_process_has_our_niceness_or_the_requested_one() {
    for_each_mechanism(|mechanism| {
        let ours = rustix::process::nice(0).unwrap();
        assert_eq!(said(mechanism, None), ours.to_string());
        let nicer = (ours + 3).min(19);
        assert_eq!(said(mechanism, Some(nicer)), nicer.to_string());
        assert_eq!(said(mechanism, None), ours.to_string());
    });
}

#[test]
fn a_niceness_we_may_not_set_is_a_start_error() {
    if rustix::process::getuid().is_root() {
        return; // Root may.
    }
    for_each_mechanism(|mechanism| {
        let mut command = child!("out:1");
        command.nice(-20);
        let outcome = run_one(mechanism, &command);
        let error = outcome.start_error().expect("it cannot be started");
        assert_eq!(error.kind(), ErrorKind::System);
        assert!(error.to_string().contains("set its niceness"), "{error}");
    });
}
