//! Processes that run for too long are ended with everything that they have started, and what they
//! have written so far is kept.

use std::time::Duration;

use throng::{Cause, Command, KillSequence, Mechanism, Outcome, Signal, Stream, Throng};
use throng_tests::{
    HANG, Source, Tag, assert_complete, assert_ended_by, assert_output, check_pattern, child,
    describe, for_each_mechanism, repeat, run_all, run_one, with_enough_time, within,
};

const STEP: Duration = Duration::from_millis(200);

/// Runs a command under a timeout, to be ended by `TERM`, a moment, `KILL`. The timeout is long
/// enough for the command to get this far; it is returned as well.
fn run_briefly(
    mechanism: Mechanism,
    command: &Command,
    has_come_far: impl Fn(&Outcome) -> bool,
) -> (Outcome, Duration) {
    let sequence = KillSequence::new(Signal::Term, STEP);
    let throng = Throng::builder()
        .mechanism(mechanism)
        .kill_sequence(sequence)
        .build();
    let throng = throng.expect("a throng can be built");
    let run = |timeout| {
        let mut command = command.clone();
        let process = throng.spawn(command.timeout(timeout));
        (process.wait().expect("the outcome comes"), timeout)
    };
    with_enough_time(run, |(outcome, _)| has_come_far(outcome))
}

/// Whether a process has written this many bytes.
fn said(bytes: usize) -> impl Fn(&Outcome) -> bool {
    move |outcome| outcome.merged().len() >= bytes
}

#[track_caller]
fn assert_timed_out((outcome, timeout): &(Outcome, Duration)) {
    assert!(outcome.timed_out(), "{}", describe(outcome));
    assert_eq!(outcome.ended_by(), Some(Cause::Timeout));
    assert_ended_by(outcome, Signal::Term);
    assert!(
        outcome.wall() >= *timeout,
        "not before its time: {}",
        describe(outcome)
    );
}

#[test]
fn a_process_that_times_out_is_ended_and_its_output_is_kept() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let command = child!("{tag} out:1000 err:50 sleep:600000");
        let ended = run_briefly(mechanism, &command, said(1050));
        assert_timed_out(&ended);
        let (outcome, _) = ended;
        for stream in Stream::ALL {
            assert_eq!(
                outcome.verdict(stream).name(),
                "cut",
                "{}",
                describe(&outcome)
            );
        }
        check_pattern(Source::Out, outcome.stdout(), 1000).unwrap();
        check_pattern(Source::Err, outcome.stderr(), 50).unwrap();
        tag.await_gone();
    });
}

#[test]
fn a_stream_that_ended_before_the_timeout_is_complete() {
    for_each_mechanism(|mechanism| {
        let command = child!("out:10 close:out err:20 sleep:600000");
        let ended = run_briefly(mechanism, &command, said(30));
        assert_timed_out(&ended);
        let (outcome, _) = ended;
        assert_eq!(outcome.verdict(Stream::Stdout).name(), "complete");
        assert_eq!(outcome.verdict(Stream::Stderr).name(), "cut");
    });
}

#[test]
fn everything_a_process_has_started_is_ended_with_it() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let long = format!("{tag},sleep:600000");
        let steps = format!("quiet:{long} holder:{long} {tag} out:5 sleep:600000");
        assert_timed_out(&run_briefly(mechanism, &child!("{steps}"), said(5)));
        tag.await_gone();
    });
}

#[test]
fn a_descendant_that_ignores_the_first_signal_and_holds_the_streams_is_killed() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let steps = format!("holder:{tag},ignore-term,out:1,sleep:600000 sleep:600000");
        let ended = run_briefly(mechanism, &child!("{steps}"), said(1));
        assert_timed_out(&ended);
        assert_eq!(ended.0.verdict(Stream::Stdout).name(), "cut");
        tag.await_gone();
    });
}

#[test]
fn a_descendant_that_ignores_the_first_signal_and_holds_nothing_is_killed() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let dir = tempfile::tempdir().unwrap();
        let ready = dir.path().join("ready");
        let quiet = format!("quiet:{tag},ignore-term,make-file:{}", ready.display());
        let command = child!("{quiet},sleep:600000 sleep:600000");
        assert_timed_out(&run_briefly(mechanism, &command, |_| ready.exists()));
        tag.await_gone();
    });
}

#[test]
fn a_long_grace_period_does_not_keep_a_descendant_from_being_killed() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let steps = format!("holder:{tag},ignore-term,out:1,sleep:600000 sleep:600000");
        let mut command = child!("{steps}");
        command.grace(Duration::from_secs(3600));
        let what = "the end of a process over its time";
        let ended = within(HANG / 2, what, move || {
            run_briefly(mechanism, &command, said(1))
        });
        assert_timed_out(&ended);
        tag.await_gone();
    });
}

#[test]
fn a_process_that_has_closed_both_streams_is_ended_too() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let steps =
            format!("{tag} quiet:{tag},sleep:600000 out:5 close:out close:err sleep:600000");
        let command = child!("{steps}");
        let ended = run_briefly(mechanism, &command, Outcome::is_complete);
        assert_timed_out(&ended);
        let (outcome, _) = ended;
        assert_complete(&outcome);
        check_pattern(Source::Out, outcome.stdout(), 5).unwrap();
        tag.await_gone();
    });
}

#[test]
fn a_process_that_ends_in_time_is_not_touched() {
    for_each_mechanism(|mechanism| {
        let mut command = child!("out:10 sleep:20 err:10");
        command.timeout(Duration::from_secs(600));
        for outcome in run_all(mechanism, vec![command; repeat(20)]) {
            assert_output(&outcome, 10, 10);
            assert!(!outcome.timed_out() && outcome.ended_by().is_none());
        }
    });
}

#[test]
fn a_process_that_ended_in_time_is_held_and_not_timed_out() {
    for_each_mechanism(|mechanism| {
        // The timeout is reached during the grace period.
        let run = |timeout| {
            let tag = Tag::new();
            let mut command = child!("holder:{tag},sleep:600000 exit:0");
            command.timeout(timeout).grace(timeout + STEP);
            (run_one(mechanism, &command), tag)
        };
        let (outcome, tag) = with_enough_time(run, |(outcome, _)| !outcome.timed_out());
        assert!(
            outcome.success() && !outcome.timed_out(),
            "{}",
            describe(&outcome)
        );
        assert_eq!(outcome.verdict(Stream::Stdout).name(), "held");
        // The holder is not ours to end.
        tag.await_count(1);
    });
}

#[test]
fn a_zero_timeout_ends_a_process_at_once() {
    for_each_mechanism(|mechanism| {
        let command = child!("sleep:600000").timeout(Duration::ZERO).clone();
        for outcome in run_all(mechanism, vec![command; repeat(30)]) {
            assert!(outcome.timed_out(), "{}", describe(&outcome));
        }
    });
}

#[test]
fn many_timeouts_are_each_honoured() {
    for_each_mechanism(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(40)
            .build()
            .unwrap();
        let commands = (0..40u64).map(|n| {
            let mut command = child!("sleep:600000");
            command
                .timeout(Duration::from_millis(100 + 20 * (n * 7 % 40)))
                .clone()
        });
        let mut count = 0;
        for outcome in throng.run(commands) {
            assert!(outcome.timed_out(), "{}", describe(&outcome));
            assert!(outcome.wall() >= Duration::from_millis(100 + 20 * (outcome.seq() * 7 % 40)));
            count += 1;
        }
        assert_eq!(count, 40);
    });
}

#[test]
fn the_longest_possible_timeout_is_no_limit() {
    for_each_mechanism(|mechanism| {
        let mut command = child!("out:10 holder:sleep:30 err:10");
        command.timeout(Duration::MAX).grace(Duration::MAX);
        assert_complete(&run_one(mechanism, &command));
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        command.timeout(century).grace(century);
        assert_complete(&run_one(mechanism, &command));
    });
}
