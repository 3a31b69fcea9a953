//! Ending processes early: one, or all.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use throng::{
    Builder, Cause, ErrorKind, KillSequence, Mechanism, Outcome, Process, Signal, Stream, Throng,
};
use throng_tests::{
    HANG, Source, Tag, assert_complete, assert_ended_by, check_pattern, child, describe,
    eventually, for_each_mechanism, repeat, within,
};

/// A throng whose processes are ended by `TERM`, this time, `KILL`; and a counter of the bytes of
/// output received.
fn listening(mechanism: Mechanism, jobs: usize, wait: Duration) -> (Throng, Arc<AtomicUsize>) {
    let heard = Arc::new(AtomicUsize::new(0));
    let ears = heard.clone();
    let builder: Builder = Throng::builder().mechanism(mechanism).jobs(jobs);
    let builder = builder.kill_sequence(KillSequence::new(Signal::Term, wait));
    let builder = builder.on_output(move |output| {
        ears.fetch_add(output.bytes.len(), Ordering::SeqCst);
    });
    (builder.build().expect("a throng can be built"), heard)
}

fn await_heard(heard: &AtomicUsize, bytes: usize) {
    eventually("all bytes are heard", || {
        heard.load(Ordering::SeqCst) == bytes
    });
}

#[track_caller]
fn assert_cancelled(outcome: &Outcome, signal: Signal) {
    assert_eq!(
        outcome.ended_by(),
        Some(Cause::Cancel),
        "{}",
        describe(outcome)
    );
    assert_ended_by(outcome, signal);
    assert!(!outcome.timed_out());
}

#[track_caller]
fn assert_never_started(outcome: &Outcome) {
    let Some(error) = outcome.start_error() else {
        panic!("started: {}", describe(outcome))
    };
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(
        error.to_string().ends_with("was not started: cancelled"),
        "{error}"
    );
    assert_eq!(outcome.ended_by(), None);
}

#[test]
fn the_outcome_of_a_cancelled_process_has_all_its_output() {
    for_each_mechanism(|mechanism| {
        let (throng, heard) = listening(mechanism, 4, HANG);
        let process = throng.spawn(&child!("out:70000 err:30 sleep:600000"));
        await_heard(&heard, 70_030);
        process.cancel();
        let outcome = process.wait().unwrap();
        assert_cancelled(&outcome, Signal::Term);
        check_pattern(Source::Out, outcome.stdout(), 70_000).unwrap();
        check_pattern(Source::Err, outcome.stderr(), 30).unwrap();
        assert_eq!(outcome.verdict(Stream::Stdout).name(), "cut");
        assert_eq!(outcome.verdict(Stream::Stderr).name(), "cut");
    });
}

#[test]
fn a_killed_process_is_not_asked_to_end_first() {
    for_each_mechanism(|mechanism| {
        let (throng, heard) = listening(mechanism, 4, HANG);
        let process = throng.spawn(&child!("ignore-term out:5 sleep:600000"));
        await_heard(&heard, 5);
        process.kill();
        let outcome = process.wait().unwrap();
        assert_cancelled(&outcome, Signal::Kill);
        check_pattern(Source::Out, outcome.stdout(), 5).unwrap();
    });
}

#[test]
fn a_process_that_was_asked_to_end_can_still_be_killed() {
    for_each_mechanism(|mechanism| {
        for wait in [HANG, Duration::ZERO, Duration::from_millis(1)] {
            let (throng, heard) = listening(mechanism, 4, wait);
            for round in 1..=repeat(20) {
                let process = throng.spawn(&child!("ignore-term out:5 sleep:600000"));
                await_heard(&heard, 5 * round);
                process.cancel();
                process.kill();
                let outcome = process.wait().unwrap();
                assert_ended_by(&outcome, Signal::Kill);
            }
        }
    });
}

#[test]
fn cancelling_a_finished_process_changes_nothing() {
    for_each_mechanism(|mechanism| {
        let (throng, _) = listening(mechanism, 1, HANG);
        let process = throng.spawn(&child!("out:9"));
        let next = throng.spawn(&child!("out:9"));
        // With one job the second has its outcome after the first.
        assert_complete(&next.wait().unwrap());
        process.cancel();
        process.kill();
        let outcome = process.wait().unwrap();
        assert_complete(&outcome);
        assert!(outcome.success() && outcome.ended_by().is_none());
    });
}

#[test]
fn cancelling_a_held_process_ends_the_holder_and_the_wait() {
    for_each_mechanism(|mechanism| {
        let (throng, heard) = listening(mechanism, 1, HANG);
        let tag = Tag::new();
        let steps = format!("{tag} holder:{tag},out:7,sleep:600000 err:5 exit:0");
        let process = throng.spawn(child!("{steps}").grace(HANG));
        await_heard(&heard, 12);
        tag.await_count(1);
        process.cancel();
        let outcome = process.wait().unwrap();
        assert_eq!(
            outcome.ended_by(),
            Some(Cause::Cancel),
            "{}",
            describe(&outcome)
        );
        assert_eq!(outcome.verdict(Stream::Stdout).name(), "cut");
        check_pattern(Source::Err, outcome.stderr(), 5).unwrap();
        tag.await_gone();
    });
}

#[test]
fn a_queued_command_that_is_cancelled_never_starts() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let (gate, trace) = (dir.path().join("gate"), dir.path().join("trace"));
        let (throng, _) = listening(mechanism, 1, HANG);
        let first = throng.spawn(&child!("wait-file:{}", gate.display()));
        let cancelled = throng.spawn(&child!("make-file:{}", trace.display()));
        let killed = throng.spawn(&child!("make-file:{}", trace.display()));
        cancelled.cancel();
        killed.kill();
        File::create(&gate).unwrap();
        assert_complete(&first.wait().unwrap());
        assert_never_started(&cancelled.wait().unwrap());
        assert_never_started(&killed.wait().unwrap());
        assert!(!trace.exists());
    });
}

#[test]
fn a_queued_command_that_is_cancelled_has_its_outcome_at_once() {
    for_each_mechanism(|mechanism| {
        let (throng, heard) = listening(mechanism, 1, HANG);
        let first = throng.spawn(&child!("out:1 sleep:600000"));
        await_heard(&heard, 1);
        let queued = throng.spawn(&child!(""));
        queued.cancel();
        let what = "the outcome of a cancelled command, while all places are taken";
        let outcome = within(HANG / 2, what, move || queued.wait());
        assert_never_started(&outcome.unwrap());
        first.kill();
        assert_cancelled(&first.wait().unwrap(), Signal::Kill);
    });
}

#[test]
fn cancelling_all_ends_running_processes_and_starts_nothing_more() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let trace = dir.path().join("trace");
        let (throng, heard) = listening(mechanism, 6, HANG);
        let live: Vec<Process> = (0..6)
            .map(|_| throng.spawn(&child!("out:3 sleep:600000")))
            .collect();
        let queued: Vec<Process> = (0..6)
            .map(|_| throng.spawn(&child!("make-file:{}", trace.display())))
            .collect();
        await_heard(&heard, 18);
        throng.cancel();
        let later = throng.spawn(&child!("make-file:{}", trace.display()));
        for process in live {
            let outcome = process.wait().unwrap();
            assert_cancelled(&outcome, Signal::Term);
            check_pattern(Source::Out, outcome.stdout(), 3).unwrap();
        }
        for process in queued {
            assert_never_started(&process.wait().unwrap());
        }
        assert_never_started(&later.wait().unwrap());
        let run = throng.run(vec![child!("make-file:{}", trace.display()); 5]);
        run.for_each(|outcome| assert_never_started(&outcome));
        assert!(!trace.exists());
        assert_eq!(throng.live(), 0);
    });
}

#[test]
fn killing_all_asks_no_process_first_even_after_a_cancel() {
    for_each_mechanism(|mechanism| {
        for cancel_first in [false, true] {
            let (throng, heard) = listening(mechanism, 6, HANG);
            let live: Vec<Process> = (0..6)
                .map(|_| throng.spawn(&child!("ignore-term out:3 sleep:600000")))
                .collect();
            await_heard(&heard, 18);
            if cancel_first {
                throng.cancel();
            }
            throng.kill();
            for process in live {
                assert_cancelled(&process.wait().unwrap(), Signal::Kill);
            }
        }
    });
}

#[test]
fn dropping_the_throng_ends_everything_before_it_returns() {
    for_each_mechanism(|mechanism| {
        let (throng, heard) = listening(mechanism, 12, Duration::from_millis(100));
        let tag = Tag::new();
        let mut processes: Vec<Process> = Vec::new();
        for _ in 0..5 {
            processes.push(throng.spawn(&child!("{tag} out:1 sleep:600000")));
            processes.push(throng.spawn(&child!("{tag} ignore-term out:1 sleep:600000")));
        }
        let of_holder = Tag::new();
        let steps = format!("holder:{of_holder},out:1,sleep:600000 exit:0");
        processes.push(throng.spawn(child!("{steps}").grace(HANG)));
        let run = throng.run(vec![child!("{tag} sleep:600000"); 30]);
        await_heard(&heard, 11);
        drop(throng);
        assert_eq!(tag.pids(), [0u32; 0], "nobody is left when it has returned");
        // It was killed, but it is not a child of this program, so it cannot be waited for.
        of_holder.await_gone();
        for process in processes {
            assert_eq!(process.wait().unwrap().ended_by(), Some(Cause::Cancel));
        }
        drop(run);
    });
}

#[test]
fn a_throng_can_be_dropped_in_the_middle_of_floods() {
    for_each_mechanism(|mechanism| {
        for round in 0..repeat(40) {
            let (throng, heard) = listening(mechanism, 8, Duration::from_millis(100));
            let flood = child!("flood").keep_output(false).clone();
            let floods: Vec<Process> = (0..4).map(|_| throng.spawn(&flood)).collect();
            let quiet: Vec<Process> = (0..4)
                .map(|_| throng.spawn(&child!("out:1 sleep:600000")))
                .collect();
            eventually("they are read", || {
                heard.load(Ordering::SeqCst) > round * 300_000
            });
            drop(throng);
            for process in floods.into_iter().chain(quiet) {
                let outcome = process.wait().unwrap();
                let was_cancelled = outcome
                    .start_error()
                    .is_some_and(|error| error.kind() == ErrorKind::Cancelled);
                assert!(
                    was_cancelled || outcome.ended_by() == Some(Cause::Cancel),
                    "{}",
                    describe(&outcome)
                );
            }
        }
    });
}

#[test]
fn dropping_an_idle_throng_does_not_wait() {
    for_each_mechanism(|mechanism| {
        for shards in 1..=4 {
            drop(
                Throng::builder()
                    .mechanism(mechanism)
                    .jobs(8)
                    .shards(shards)
                    .build()
                    .unwrap(),
            );
        }
    });
}
