//! Captures that are too large for memory where the disk is full or no file can be created.

use std::path::Path;
use std::sync::Arc;

use throng::{Command, Outcome, Stdin, Throng};
use throng_tests::os::on_small_disk;
use throng_tests::{
    Gate, Report, assert_complete, child, eventually, for_each_mechanism, probe, repeat,
};

/// A stream that needs three megabytes gets one, and all others get what they need.
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
fn a_full_disk_is_a_verdict_with_a_message_and_earlier_output_is_kept() {
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
fn a_file_size_limit_is_a_verdict_with_a_message() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "full-disk").report();
        let why = "File too large (os error 27)";
        assert_kept_and_told(&report, &Throng::builder().get_spill_dir(), why);
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

#[test]
fn when_address_space_runs_out_a_stream_continues_in_a_file() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "no-memory").report();
        assert_eq!(report.text("success"), "true");
        assert_eq!(report.get::<u64>("kept"), 40_000_000);
        for name in ["counted", "spilled", "right", "merged", "refused"] {
            assert_eq!(report.text(name), "true", "{name}");
        }
        for name in ["verdict", "stderr"] {
            assert_eq!(report.text(name), "complete", "{name}");
        }
    });
}

#[test]
fn a_spill_directory_in_memory_is_filled_to_its_share_and_then_a_verdict() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let Some(starter) = on_small_disk(dir.path(), 256 << 20) else {
            return;
        };
        let probe = probe!(mechanism, "no-memory {}", dir.path().display());
        let report = probe.by_words(&starter).report();
        assert_eq!(report.text("success"), "true");
        let kept = report.get::<u64>("kept");
        assert!((35 << 20..=37 << 20).contains(&kept), "{kept}");
        for name in ["counted", "spilled", "right", "merged"] {
            assert_eq!(report.text(name), "true", "{name}");
        }
        let verdict = report.text("verdict");
        let place = format!(" in {}: this directory is in memory", dir.path().display());
        assert!(verdict.contains(&place), "{verdict}");
        assert_eq!(report.text("stderr"), "complete");
    });
}

#[test]
fn captures_are_not_spilled_to_a_temporary_directory_in_memory() {
    // A preference, not a requirement: if the other directory is just as good, that is used.
    fn is_in_memory(dir: &str) -> bool {
        rustix::fs::statfs(dir).is_ok_and(|stat| stat.f_type as u32 == 0x0102_1994)
    }
    if is_in_memory("/var/tmp") || tempfile::tempfile_in("/var/tmp").is_err() {
        return;
    }
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let mut by_env = vec!["env".to_owned(), format!("TMPDIR={}", dir.path().display())];
        let on_disk = probe!(mechanism, "spill-dir").by_words(&by_env).report();
        let own = dir.path().to_str().unwrap();
        let expected = if is_in_memory(own) { "/var/tmp" } else { own };
        assert_eq!(on_disk.text("spill_dir"), expected);
        let Some(mut starter) = on_small_disk(dir.path(), 1 << 20) else {
            return;
        };
        starter.append(&mut by_env);
        let in_memory = probe!(mechanism, "spill-dir").by_words(&starter).report();
        assert_eq!(in_memory.text("spill_dir"), "/var/tmp");
    });
}

#[test]
fn shared_stdin_bytes_are_in_memory_once_and_counted() {
    const LEN: u64 = 3_000_000;
    for_each_mechanism(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(64);
        let throng = builder.memory(LEN).build().unwrap();
        let count = repeat(8);
        let gate = Gate::new();
        let bytes: Arc<[u8]> = vec![7; LEN as usize].into();
        let mut command = child!("{} cat", gate.step());
        command.stdin(Stdin::Bytes(bytes.clone()));
        let commands: Vec<Command> = vec![command; count];
        let run = throng.run(commands);
        eventually("all run", || throng.live() == count);
        assert_eq!(throng.memory_used(), LEN);
        gate.open();
        for outcome in run {
            assert_complete(&outcome);
            assert!(*outcome.stdout() == *bytes);
        }
        assert_eq!(throng.memory_used(), 0, "no process is left");
        assert_eq!(Arc::strong_count(&bytes), 1);
        // Without room in memory they are on the disk, shared or not.
        let throng = Throng::builder().mechanism(mechanism).memory(0).build();
        let mut command = child!("cat");
        command.stdin(Stdin::Bytes(bytes.clone()));
        let outcomes: Vec<Outcome> = throng.unwrap().run(vec![command; 3]).collect();
        assert!(outcomes.iter().all(|outcome| *outcome.stdout() == *bytes));
    });
}
