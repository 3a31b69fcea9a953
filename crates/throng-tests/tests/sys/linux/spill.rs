//! Captures that are too much for memory where the disk is full, or no file is to be had.

use std::path::Path;

use throng_tests::os::on_small_disk;
use throng_tests::{Report, for_each_mechanism, probe};

/// Who needs three megabytes gets one, and all others what they need.
#[track_caller]
fn assert_kept_and_told(report: &Report, dir: &Path, why: &str) {
    assert_eq!(
        report.text("success"),
        "true",
        "the process was read to its end"
    );
    assert_eq!(report.get::<u64>("kept"), 1 << 20);
    assert_eq!(report.get::<u64>("dropped"), 3_000_000 - (1 << 20));
    assert_eq!(report.text("right"), "true");
    let message = report.text("error");
    assert!(
        message.starts_with("cannot keep stdout of \"/"),
        "{message}"
    );
    let expected = format!("in {}: {why}", dir.display());
    assert!(message.ends_with(&expected), "{message}");
    assert_eq!(report.text("stderr"), "complete");
    assert_eq!(report.text("whole_meanwhile"), "true");
    assert_eq!(report.text("whole_after"), "true", "the others go on");
}

#[test]
fn a_full_disk_is_a_verdict_with_a_message_and_keeps_what_was_kept() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let Some(starter) = on_small_disk(dir.path(), 1 << 20) else {
            return;
        };
        let probe = probe!(mechanism, "full-disk {}", dir.path().display());
        let report = probe.by_words(&starter).report();
        let why = "No space left on device (os error 28)";
        assert_kept_and_told(&report, dir.path(), why);
    });
}

#[test]
fn so_is_a_file_that_may_not_become_larger() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "full-disk").report();
        let why = "File too large (os error 27)";
        assert_kept_and_told(&report, &std::env::temp_dir(), why);
    });
}

#[test]
fn a_capture_that_finds_no_descriptor_stays_in_memory_and_is_spilled_later() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "no-file").report();
        assert!(report.get::<u64>("memory_used") >= 1_000_001);
        assert_eq!(report.text("whole"), "true");
        assert_eq!(report.text("spilled"), "true");
    });
}
