//! When descriptors run out, fewer processes run at once and later ones wait; nothing is lost.

use std::sync::atomic::{AtomicU32, Ordering};

use throng_tests::{for_each_mechanism, probe};

#[test]
fn few_descriptors_lower_the_concurrency_and_lose_nothing() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "limits 64 2000").report();
        assert_eq!(report.get::<usize>("whole"), 2000);
        let jobs: usize = report.get("jobs");
        assert!(
            (1..=20).contains(&jobs),
            "64 descriptors are not enough for {jobs}"
        );
        assert_eq!(
            report.text("jobs_limit"),
            "the limit of 64 open files (ulimit -n)"
        );
    });
}

#[test]
fn even_the_fewest_descriptors_suffice_for_one_process_at_a_time() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "limits 40 50").report();
        assert_eq!(report.get::<usize>("whole"), 50);
    });
}

#[test]
fn a_command_that_finds_no_descriptor_waits_until_one_becomes_free() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "relieve").report();
        assert_eq!(report.text("whole"), "true");
        assert!(report.get::<u32>("retries") > 0);
        assert!(
            report.get::<u64>("latency_ms") >= 200,
            "it includes the waiting"
        );
    });
}

#[test]
fn a_command_fails_for_lack_of_descriptors_only_long_after_everything_else_ended() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "starve").report();
        assert_eq!(report.text("kind"), "Exhausted");
        let message = report.text("message");
        assert!(
            message.ends_with("Too many open files (os error 24)"),
            "{message}"
        );
        assert!(message.starts_with("cannot start \"/"), "{message}");
        assert!(report.get::<u64>("waited_ms") >= 5000);
        assert!(report.get::<u32>("retries") > 2, "again and again");
        assert_eq!(
            report.text("whole_after"),
            "true",
            "the next one is not affected"
        );
    });
}

#[test]
fn a_command_that_waits_for_a_descriptor_can_be_cancelled() {
    for_each_mechanism(|mechanism| {
        // If it were waited for until it is given up, that would be a different error.
        let report = probe!(mechanism, "cancel-waiting").report();
        assert_eq!(
            (report.text("first"), report.text("second")),
            ("Cancelled", "Cancelled")
        );
    });
}

/// A program that limits the processes and threads of the one it starts so that a thousand cannot
/// live at once. The limit counts all processes of a user (getrlimit(2)) and does not apply to
/// root: so it becomes a user that has no other processes, where that is allowed, or adds some to
/// the number that this user has.
fn with_few_processes() -> String {
    if rustix::process::geteuid().is_root() {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Other tests run at the same time, in this process and in others.
        let user = 100_000 + 16 * std::process::id() + NEXT.fetch_add(1, Ordering::Relaxed);
        return format!("setpriv --reuid={user} --clear-groups prlimit --nproc=100");
    }
    let own = rustix::process::geteuid().as_raw();
    let is_ours = |dir: &std::fs::DirEntry| {
        dir.metadata()
            .is_ok_and(|dir| std::os::unix::fs::MetadataExt::uid(&dir) == own)
    };
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(is_ours);
    let threads =
        processes.filter_map(|dir| Some(std::fs::read_dir(dir.path().join("task")).ok()?.count()));
    format!("prlimit --nproc={}", threads.sum::<usize>() + 100)
}

#[test]
fn a_low_process_limit_lowers_the_concurrency_and_loses_nothing() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "few-processes 1500")
            .by(&with_few_processes())
            .report();
        assert_eq!(report.get::<usize>("whole"), 1500);
        assert!(report.get::<u64>("retries") > 0, "the limit was never met");
    });
}

#[test]
fn a_run_that_gets_no_thread_takes_its_commands_anyway() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "no-thread 300")
            .by(&with_few_processes())
            .report();
        assert_eq!(report.text("refused"), "true");
        assert_eq!(report.get::<usize>("whole"), 300);
    });
}
