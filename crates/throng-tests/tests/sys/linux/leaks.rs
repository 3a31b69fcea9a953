//! Nothing is left behind: no descriptor, no thread, no process that nobody has waited for.

use throng_tests::{Report, for_each_mechanism, probe};

#[track_caller]
fn assert_same(report: &Report, name: &str, before: &str, after: &str) {
    let at = |time: &str| report.get::<usize>(&format!("{name}_{time}"));
    assert_eq!(at(after), at(before), "{name} {after} and {before}");
}

#[test]
fn starts_that_fail_leave_no_descriptor_and_no_process() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "failing-starts 200").report();
        assert_eq!(report.get::<usize>("failed"), 200);
        assert_same(&report, "fds", "before", "after");
        assert_same(&report, "children", "before", "after");
        assert_same(&report, "threads", "before", "after");
    });
}

#[test]
fn processes_that_end_in_any_way_leave_no_descriptor_and_no_process() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "endings 20").report();
        assert_same(&report, "fds", "before", "after");
        assert_same(&report, "children", "before", "after");
        assert_same(&report, "threads", "before", "after");
    });
}

#[test]
fn a_throng_that_is_dropped_leaves_nothing() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "throngs 20").report();
        assert_same(&report, "fds", "before", "after");
        assert_same(&report, "children", "before", "after");
        assert_same(&report, "threads", "before", "after");
    });
}
