//! Thousands of processes with a handful of threads, in flat memory.

use throng::Mechanism;
use throng_tests::{for_each_mechanism, probe};

#[test]
fn a_thousand_quiet_processes_need_no_threads_of_their_own() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let report = probe!(mechanism, "quiet 1000 {}", dir.path().display()).report();
        assert_eq!(report.get::<usize>("live"), 1000);
        assert_eq!(report.get::<usize>("whole"), 1000);
        assert_eq!(report.get::<usize>("children"), 0);
        let threads: usize = report.get("threads");
        if mechanism != Mechanism::Threads {
            let cores = std::thread::available_parallelism().unwrap().get();
            assert!(threads <= cores + 5, "{threads} threads");
        }
    });
}

#[test]
fn five_thousand_processes_take_no_more_than_the_first_five_hundred() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "flat 5000").report();
        assert_eq!(report.get::<usize>("whole"), 5000);
        assert_eq!(report.get::<usize>("children"), 0);
        let grown = |name: &str| {
            let at = |time: &str| report.get::<i64>(&format!("{name}_{time}"));
            at("end") - at("tenth")
        };
        // Those that run at the moment differ: eight at most, and each has five descriptors at
        // most and, with mechanism `threads`, two threads.
        assert!(grown("fds") <= 40, "{} descriptors more", grown("fds"));
        assert!(grown("threads") <= 16, "{} threads more", grown("threads"));
        assert!(grown("rss_kib") <= 1024, "{} KiB more", grown("rss_kib"));
    });
}
