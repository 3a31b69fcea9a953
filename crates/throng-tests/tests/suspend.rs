//! Suspension: nothing is started, no clock runs, and afterwards everything goes on.

use std::fs::File;
use std::path::Path;
use std::task::Poll;
use std::thread::sleep;
use std::time::{Duration, Instant};

use throng::{KillSequence, Outcome, Signal, Throng};
use throng_tests::{
    HANG, Tag, assert_ended_by, assert_output, child, eventually, for_each_mechanism, poll_once,
    with_enough_time, within,
};

fn wait_file(path: &Path) -> String {
    format!("wait-file:{}", path.display())
}

#[test]
fn while_suspended_nothing_is_started_and_nothing_times_out() {
    for_each_mechanism(|mechanism| {
        let throng = Throng::builder().mechanism(mechanism).jobs(4).build();
        let throng = throng.unwrap();
        let run = |timeout: Duration| {
            let dir = tempfile::tempdir().unwrap();
            let (ready, go) = (dir.path().join("ready"), dir.path().join("go"));
            let wait = wait_file(&go);
            let mut command = child!("out:7 make-file:{} {wait}", ready.display());
            let begun = Instant::now();
            let first = throng.spawn(command.timeout(timeout));
            eventually("it runs or has no time left", || {
                ready.exists() || begun.elapsed() > timeout
            });
            assert!(throng.suspend());
            assert!(throng.suspend());
            let second = throng.spawn(&child!("out:5"));
            // Time has to pass here: it is this time that does not count.
            sleep(timeout + timeout / 3);
            let live = throng.live();
            throng.resume();
            File::create(&go).unwrap();
            assert_output(&second.wait().unwrap(), 5, 0);
            throng.resume();
            (first.wait().unwrap(), live, timeout)
        };
        let in_time = |(first, ..): &(Outcome, usize, Duration)| !first.timed_out();
        let (first, live, timeout) = with_enough_time(run, in_time);
        assert_output(&first, 7, 0);
        assert_eq!(live, 1, "nothing is started");
        assert!(
            first.wall() > timeout,
            "the pause is a part of the wall time"
        );
    });
}

#[test]
fn a_suspended_throng_can_be_cancelled_and_dropped() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let sequence = KillSequence::new(Signal::Term, Duration::from_millis(50));
        let builder = Throng::builder().mechanism(mechanism).jobs(2);
        let throng = builder.kill_sequence(sequence).build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let ready = dir.path().join("ready");
        let ready_step = format!("make-file:{}", ready.display());
        let process = throng.spawn(&child!("{tag} ignore-term {ready_step} sleep:600000"));
        eventually("it ignores TERM", || ready.exists());
        assert!(throng.suspend());
        throng.cancel();
        let outcome = process.wait().unwrap();
        assert_ended_by(&outcome, Signal::Kill);
        assert!(throng.suspend());
        drop(throng);
        tag.await_count(0);
    });
}

#[test]
fn a_timeout_after_a_suspension_still_takes_effect() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let throng = Throng::builder().mechanism(mechanism).build().unwrap();
        let mut command = child!("{tag} sleep:600000");
        let mut process = throng.spawn(command.timeout(Duration::from_millis(1500)));
        // If that takes too long, it is over before there is a pause.
        let mut over = None;
        eventually("it runs, or is over", || {
            if let Poll::Ready(outcome) = poll_once(&mut process) {
                over = Some(outcome);
            }
            over.is_some() || tag.pids().len() == 1
        });
        assert!(throng.suspend());
        throng.resume();
        let outcome = over.unwrap_or_else(|| process.wait());
        assert!(outcome.unwrap().timed_out());
    });
}

#[test]
fn a_process_that_is_cancelled_or_ends_while_suspended_has_its_outcome() {
    for_each_mechanism(|mechanism| {
        let (stays, ends) = (Tag::new(), Tag::new());
        let throng = Throng::builder().mechanism(mechanism).jobs(3).build();
        let throng = throng.unwrap();
        let stays_on = throng.spawn(&child!("{stays} sleep:600000"));
        let dir = tempfile::tempdir().unwrap();
        let ready = dir.path().join("ready");
        let quiet = format!("quiet:{ends},make-file:{},sleep:600000", ready.display());
        let is_cancelled = throng.spawn(&child!("{ends} {quiet} sleep:600000"));
        stays.await_count(1);
        eventually("both run", || ready.exists());
        assert!(throng.suspend());
        is_cancelled.cancel();
        let outcome = within(HANG / 2, "the outcome of who was cancelled", move || {
            is_cancelled.wait().unwrap()
        });
        assert_ended_by(&outcome, Signal::Term);
        ends.await_count(0);
        stays.await_count(1);
        throng.resume();
        drop(stays_on);
    });
}
