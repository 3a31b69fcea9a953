//! The priority class of a process.

use throng::os::windows::{CommandExt, Priority};
use throng_tests::{assert_complete, child, for_each_mechanism, run_one};

#[test]
fn a_process_has_the_requested_priority_class() {
    for_each_mechanism(|mechanism| {
        for (priority, name) in [
            (Priority::Idle, "idle"),
            (Priority::BelowNormal, "below normal"),
            (Priority::Normal, "normal"),
            (Priority::AboveNormal, "above normal"),
            (Priority::High, "high"),
        ] {
            let mut command = child!("priority");
            command.priority(priority);
            let outcome = run_one(mechanism, &command);
            assert_complete(&outcome);
            assert_eq!(String::from_utf8_lossy(outcome.stdout()), name);
        }
        let outcome = run_one(mechanism, &child!("priority"));
        assert_eq!(String::from_utf8_lossy(outcome.stdout()), "normal");
    });
}
