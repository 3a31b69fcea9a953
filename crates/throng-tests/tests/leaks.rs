//! Nothing is left behind: no handle, no thread, no process that has not been waited for.

use throng_tests::{Report, SLACK, for_some_mechanisms, probe, repeat};

#[track_caller]
fn assert_nothing_left(report: &Report) {
    for (name, slack) in [("handles", SLACK), ("threads", SLACK), ("children", 0)] {
        let at = |time: &str| report.get::<usize>(&format!("{name}_{time}"));
        let (before, after) = (at("before"), at("after"));
        assert!(
            (before - slack.min(before)..=before + slack).contains(&after),
            "{before} {name} before, {after} after"
        );
    }
}

#[test]
fn starts_that_fail_leave_no_handle_and_no_process() {
    for_some_mechanisms(|mechanism| {
        let report = probe!(mechanism, "failing-starts 200").report();
        assert_eq!(report.get::<usize>("failed"), 200);
        assert_nothing_left(&report);
    });
}

#[test]
fn processes_that_end_in_any_way_leave_no_handle_and_no_process() {
    for_some_mechanisms(|mechanism| {
        let report = probe!(mechanism, "endings {}", repeat(20).max(4)).report();
        assert_nothing_left(&report);
    });
}

#[test]
fn a_throng_that_is_dropped_leaves_nothing() {
    for_some_mechanisms(|mechanism| {
        let report = probe!(mechanism, "throngs {}", repeat(20).max(4)).report();
        assert_nothing_left(&report);
    });
}
