//! Exits that are not noticed in the usual way: other code of the program takes the status, or no
//! descriptor is available to announce it.

use throng::Mechanism;
use throng_tests::os::not_tested;
use throng_tests::{Report, for_each_mechanism, probe};

use super::refusals::{EXPECTED, LIMIT};

/// What the probe reports, which must have run to its end.
#[track_caller]
fn report(probe: throng_tests::Probe) -> Report {
    let (report, ended) = probe.report_within(LIMIT);
    assert!(ended.is_ok(), "{ended:?}: {report:?}");
    report
}

/// What is expected when the exit status is unpredictable.
fn without_status(expected: &str) -> String {
    let mut words: Vec<&str> = expected.split(' ').collect();
    if matches!(words[..], ["exit" | "signal", _, "by", ..]) {
        words.splice(..2, ["ended"]);
    }
    words.join(" ")
}

#[test]
fn outcomes_arrive_at_once_even_if_other_code_waits_for_all_children() {
    for_each_mechanism(|mechanism| {
        let report = report(probe!(mechanism, "scenarios-reaped"));
        let mut wrong = String::new();
        for (name, expected) in EXPECTED {
            let found = report.find(name).unwrap_or("(nothing was reported)");
            if found != without_status(expected) {
                wrong += &format!("{name}: {found}\n");
            }
        }
        assert!(wrong.is_empty(), "\n{wrong}");
        assert!(report.get::<usize>("unknown") > 0, "nobody took a status");
    });
}

/// A PID namespace in which nothing else is started.
fn in_own_pids(probe: throng_tests::Probe) -> throng_tests::Probe {
    let words = "unshare --pid --fork --kill-child --mount-proc sh -c";
    let mut words: Vec<&str> = words.split(' ').collect();
    words.extend(["\"$@\"; exit $?", "sh"]);
    probe.by_words(&words)
}

#[test]
fn a_process_that_reuses_the_id_of_one_reaped_by_other_code_is_not_signalled() {
    for_each_mechanism(|mechanism: Mechanism| {
        if !rustix::process::geteuid().is_root() {
            return not_tested("process ids that come again, for only root can choose them");
        }
        let report = report(in_own_pids(probe!(mechanism, "reused")));
        if let Some(why) = report.find("skipped") {
            return not_tested(why);
        }
        for name in ["killed-stranger", "asked-stranger"] {
            assert_eq!(report.text(name), "unhurt", "{report:?}");
        }
        for name in ["killed-left", "asked-left"] {
            assert_eq!(report.text(name), "0", "{report:?}");
        }
    });
}

#[test]
fn outcomes_arrive_even_if_the_program_has_used_up_its_descriptors() {
    for_each_mechanism(|mechanism| {
        let report = report(probe!(mechanism, "exits-without-descriptors 20"));
        assert_eq!(report.text("right"), "10");
        assert_eq!(report.text("held"), "10");
        assert_eq!(report.text("left"), "0", "of trees that were killed");
    });
}
