//! A thousand at once, five thousand in a row: nothing grows except the output.
//!
//! All of it runs in separate processes: on Windows these tests' processes would inherit handles
//! that are being passed on to a child of another test when they are started, and hold its streams
//! (docs/windows.md, "Starting").
//!
//! These are the numbers on Linux. On Windows they apply to the completion port and the thread
//! pool, and the other mechanisms run a tenth; under Wine, where a start takes twenty times as
//! long, all run a tenth.

use throng::Mechanism;
use throng_tests::{SLACK, for_some_mechanisms, probe, repeat_with, threads_that_wait};

#[test]
fn a_thousand_quiet_processes_need_no_threads_of_their_own() {
    for_some_mechanisms(|mechanism| {
        let count = repeat_with(mechanism, 1000);
        let report = probe!(mechanism, "quiet {count}").report();
        assert_eq!(report.get::<usize>("live"), count);
        assert_eq!(report.get::<usize>("whole"), count);
        assert_eq!(report.get::<usize>("children"), 0);
        let threads: usize = report.get("threads");
        let cores = std::thread::available_parallelism().unwrap().get();
        let of_groups = match mechanism {
            Mechanism::Threads => return,
            Mechanism::Events => count.div_ceil(21),
            _ => 0,
        };
        // A shard and its helper threads for each core, and the system's own threads.
        let allowed = 2 * cores + 5 + SLACK + of_groups + threads_that_wait(count);
        assert!(threads <= allowed, "{threads} threads");
    });
}

#[test]
fn five_thousand_processes_use_no_more_than_the_first_five_hundred() {
    for_some_mechanisms(|mechanism| {
        let count = repeat_with(mechanism, 5000);
        let report = probe!(mechanism, "flat {count}").report();
        assert_eq!(report.get::<usize>("whole"), count);
        assert_eq!(report.get::<usize>("children"), 0);
        let grown = |name: &str| {
            let at = |time: &str| report.get::<i64>(&format!("{name}_{time}"));
            at("end") - at("tenth")
        };
        // The processes running at the moment make a difference: eight at most, and each has at
        // most five handles and, with mechanism `threads`, two threads.
        let slack = SLACK as i64;
        let (handles, threads) = (grown("handles"), grown("threads"));
        assert!(handles <= 40 + slack, "{handles} handles more");
        assert!(threads <= 16 + slack, "{threads} threads more");
        // A leak grows all the time; what is created on first use grows once.
        let rss_kib: Vec<i64> = ["tenth", "third", "two_thirds", "end"]
            .map(|time| report.get(&format!("rss_kib_{time}")))
            .to_vec();
        let least = rss_kib.windows(2).map(|pair| pair[1] - pair[0]).min();
        assert!(least <= Some(256), "{rss_kib:?} KiB");
    });
}
