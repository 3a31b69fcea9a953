//! Ends that take more than one signal, since a process may ignore the first, stop itself, or leave
//! the group that signals go to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use throng::{Cause, Command, KillSequence, Mechanism, Outcome, Signal, Stream, Throng};
use throng_tests::{
    HANG, Source, Tag, assert_ended_by, check_pattern, child, describe, eventually,
    for_each_mechanism, with_enough_time, within,
};

use super::stranger::Stranger;

const STEP: Duration = Duration::from_millis(200);

/// Runs a command that first writes this many bytes, with a timeout; it is ended by `TERM`, a
/// moment, `KILL`. Also returns the timeout.
fn run_briefly(mechanism: Mechanism, command: &Command, bytes: usize) -> (Outcome, Duration) {
    let sequence = KillSequence::new(Signal::Term, STEP);
    let builder = Throng::builder()
        .mechanism(mechanism)
        .kill_sequence(sequence);
    let throng = builder.build().expect("a throng can be built");
    let run = |timeout| {
        let mut command = command.clone();
        let process = throng.spawn(command.timeout(timeout));
        (process.wait().expect("the outcome comes"), timeout)
    };
    with_enough_time(run, |(outcome, _)| outcome.merged().len() >= bytes)
}

#[track_caller]
fn assert_timed_out((outcome, timeout): &(Outcome, Duration), signal: Signal) {
    assert!(outcome.timed_out(), "{}", describe(outcome));
    assert_ended_by(outcome, signal);
    assert!(outcome.wall() >= *timeout, "{}", describe(outcome));
}

#[test]
fn a_process_that_ignores_the_first_signal_gets_the_next() {
    for_each_mechanism(|mechanism| {
        let ended = run_briefly(mechanism, &child!("ignore-term out:7 sleep:600000"), 7);
        assert_timed_out(&ended, Signal::Kill);
        let (outcome, timeout) = ended;
        assert!(outcome.wall() >= timeout + STEP, "{:?}", outcome.wall());
        check_pattern(Source::Out, outcome.stdout(), 7).unwrap();
    });
}

#[test]
fn output_after_the_first_signal_is_kept() {
    for_each_mechanism(|mechanism| {
        let long = KillSequence::new(Signal::Term, HANG);
        let throng = Throng::builder()
            .mechanism(mechanism)
            .kill_sequence(long)
            .build()
            .unwrap();
        // The signal does not cut sleeps short, so it writes between the two.
        let run = |timeout: Duration| {
            let before = format!("ignore-term out:7 sleep:{}", (timeout + STEP).as_millis());
            let mut command = child!("{before} out:100000 exit:3");
            throng.spawn(command.timeout(timeout)).wait().unwrap()
        };
        let outcome = with_enough_time(run, |outcome| outcome.stdout().len() > 7);
        assert!(outcome.timed_out());
        assert_eq!(
            outcome.status().unwrap().code(),
            Some(3),
            "{}",
            describe(&outcome)
        );
        assert_eq!(outcome.verdict(Stream::Stdout).name(), "cut");
        check_pattern(Source::Out, outcome.stdout(), 100_007).unwrap();
    });
}

#[test]
fn a_process_that_has_stopped_itself_is_ended() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let command = child!("{tag} out:5 signal:STOP sleep:600000");
        assert_timed_out(&run_briefly(mechanism, &command, 5), Signal::Term);
        tag.await_gone();
    });
}

#[test]
fn a_process_that_has_left_its_group_is_ended() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let stranger = Stranger::in_own_group();
        let group = stranger.pid();
        let command = child!("{tag} join-group:{group} out:5 sleep:600000");
        let what = "the end of a process over its time";
        let ended = within(HANG / 2, what, move || run_briefly(mechanism, &command, 5));
        assert_timed_out(&ended, Signal::Term);
        tag.await_gone();
        assert!(stranger.is_unhurt());
    });
}

#[test]
fn a_cancelled_process_that_does_not_end_is_killed() {
    for_each_mechanism(|mechanism| {
        let heard = Arc::new(AtomicUsize::new(0));
        let ears = heard.clone();
        let wait = Duration::from_millis(100);
        let builder = Throng::builder().mechanism(mechanism);
        let builder = builder.kill_sequence(KillSequence::new(Signal::Term, wait));
        let builder = builder.on_output(move |output| {
            ears.fetch_add(output.bytes.len(), Ordering::SeqCst);
        });
        let throng = builder.build().unwrap();
        let tag = Tag::new();
        let process = throng.spawn(&child!("{tag} ignore-term out:5 sleep:600000"));
        eventually("it has spoken", || heard.load(Ordering::SeqCst) == 5);
        let asked = Instant::now();
        process.cancel();
        process.cancel();
        let outcome = process.wait().unwrap();
        assert_eq!(outcome.ended_by(), Some(Cause::Cancel));
        assert_ended_by(&outcome, Signal::Kill);
        assert!(asked.elapsed() >= wait);
        tag.await_gone();
    });
}
