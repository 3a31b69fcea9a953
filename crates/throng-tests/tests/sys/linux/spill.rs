//! Captures that are too much for memory where the disk is full, or no file is to be had.

use throng_tests::{for_each_mechanism, probe};

#[test]
fn a_full_disk_is_a_verdict_with_a_message_and_keeps_what_was_kept() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "full-disk").report();
        assert_eq!(
            report.text("success"),
            "true",
            "the process was read to its end"
        );
        assert_eq!(report.get::<u64>("kept"), 1 << 20);
        assert_eq!(report.get::<u64>("dropped"), 3_000_000 - (1 << 20));
        assert_eq!(report.text("right"), "true");
        let message = report.text("error");
        let dir = std::env::temp_dir();
        let expected = format!("in {}: File too large (os error 27)", dir.display());
        assert!(
            message.starts_with("cannot keep stdout of \"/"),
            "{message}"
        );
        assert!(message.ends_with(&expected), "{message}");
        assert_eq!(report.text("stderr"), "complete");
        assert_eq!(report.text("whole_after"), "true", "the others go on");
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
