//! A thousand at once, five thousand in a row: nothing grows but what the processes say.
//!
//! All of it in processes of their own: on Windows those would inherit what is being passed on to a
//! child here at the moment they are started, and hold its streams (docs/windows.md, "Starting").
//!
//! These are the numbers on Linux. On Windows the completion port and the thread pool get them, the
//! other mechanisms a tenth; under Wine, where a start takes twenty times as long, all get a tenth.

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
        // A shard and its helpers for each core, and whatever the system has.
        let allowed = 2 * cores + 5 + SLACK + of_groups + threads_that_wait(count);
        assert!(threads <= allowed, "{threads} threads");
    });
}

#[test]
fn five_thousand_processes_take_no_more_than_the_first_five_hundred() {
    for_some_mechanisms(|mechanism| {
        let count = repeat_with(mechanism, 5000);
        let report = probe!(mechanism, "flat {count}").report();
        assert_eq!(report.get::<usize>("whole"), count);
        assert_eq!(report.get::<usize>("children"), 0);
        let grown = |name: &str| {
            let at = |time: &str| report.get::<i64>(&format!("{name}_{time}"));
            at("end") - at("tenth")
        };
        // Those that run at the moment differ: eight at most, and each has five handles at most
        // and, with mechanism `threads`, two threads.
        let slack = SLACK as i64;
        let (handles, threads) = (grown("handles"), grown("threads"));
        assert!(handles <= 40 + slack, "{handles} handles more");
        assert!(threads <= 16 + slack, "{threads} threads more");
        // What leaks grows all the time; what is made when it is first needed grows once.
        let rss_kib: Vec<i64> = ["tenth", "third", "two_thirds", "end"]
            .map(|time| report.get(&format!("rss_kib_{time}")))
            .to_vec();
        let least = rss_kib.windows(2).map(|pair| pair[1] - pair[0]).min();
        assert!(least <= Some(256), "{rss_kib:?} KiB");
    });
}
