//! What happens to a held stream: it is kept, its holder is ended or waited for, or it is a
//! failure.

use std::fs::File;
use std::time::Duration;

use throng::{Command, KillSequence, OnHeld, Status, Stream, Throng};
use throng_tests::{
    Source, Tag, assert_complete, check_pattern, child, describe, for_each_mechanism,
    with_enough_time,
};

/// What holders sleep for. A process that is held has its outcome long before.
const LONG_MS: u64 = 600_000;

/// A command that leaves a child of its own behind, and what it writes: 3000 bytes and 40.
fn leaves_behind(tag: &Tag) -> Command {
    child!("out:3000 holder:{tag},sleep:{LONG_MS} err:40 exit:0")
}

#[test]
fn under_kill_the_holder_is_ended_and_the_capture_is_complete() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let builder = Throng::builder().mechanism(mechanism).on_held(OnHeld::Kill);
        let throng = builder.kill_sequence(KillSequence::immediate()).build();
        let outcome = throng.unwrap().spawn(&leaves_behind(&tag)).wait().unwrap();
        assert_complete(&outcome);
        assert!(outcome.success(), "{}", describe(&outcome));
        assert_eq!(outcome.ended_by(), None, "it ended by itself");
        check_pattern(Source::Out, outcome.stdout(), 3000).unwrap();
        check_pattern(Source::Err, outcome.stderr(), 40).unwrap();
        tag.await_count(0);
    });
}

#[test]
fn under_wait_the_holder_has_unlimited_time() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let go = dir.path().join("go");
        let tag = Tag::new();
        let wait = format!("wait-file:{}", go.display());
        let steps = format!("holder:{tag},{wait},outs:late exit:3");
        let throng = Throng::builder().mechanism(mechanism).jobs(2).build();
        let throng = throng.unwrap();
        let mut patient = child!("{steps}");
        patient
            .on_held(OnHeld::Wait)
            .grace(Duration::from_millis(1));
        let patient = throng.spawn(&patient);
        let mut hasty = child!("{steps}");
        let hasty = throng.spawn(hasty.grace(Duration::from_millis(500)));
        // By then a grace period, which the first command should not have, is over.
        let hasty = hasty.wait().unwrap();
        assert_eq!(hasty.verdict(Stream::Stdout).name(), "held");
        File::create(&go).unwrap();
        let patient = patient.wait().unwrap();
        assert_complete(&patient);
        assert_eq!(patient.stdout(), b"late");
        assert_eq!(patient.status().unwrap().code(), Some(3));
        // The other holder checks for the file as well, and would do so for ever if it were gone.
        tag.await_count(0);
    });
}

#[test]
fn under_wait_the_timeout_of_the_command_ends_the_holder() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let builder = Throng::builder().mechanism(mechanism);
        let throng = builder.kill_sequence(KillSequence::immediate()).build();
        let throng = throng.unwrap();
        // It must have written everything by then, and have ended.
        let run = |timeout| {
            let mut command = leaves_behind(&tag);
            let command = command.timeout(timeout).on_held(OnHeld::Wait);
            throng.spawn(command).wait().unwrap()
        };
        let outcome = with_enough_time(run, |outcome| outcome.status() == Some(Status::Exited(0)));
        assert!(outcome.timed_out(), "{}", describe(&outcome));
        assert_eq!(outcome.verdict(Stream::Stdout).name(), "cut");
        check_pattern(Source::Out, outcome.stdout(), 3000).unwrap();
        tag.await_count(0);
    });
}

#[test]
fn under_fail_a_command_that_leaves_a_holder_fails() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let builder = Throng::builder().mechanism(mechanism).on_held(OnHeld::Fail);
        let throng = builder.build().unwrap();
        let outcome = throng.spawn(&leaves_behind(&tag)).wait().unwrap();
        assert_eq!(outcome.status().unwrap().code(), Some(0));
        assert!(!outcome.success(), "{}", describe(&outcome));
        tag.await_count(1);
        let tag = Tag::new();
        let mut lenient = leaves_behind(&tag);
        let outcome = throng.spawn(lenient.on_held(OnHeld::Keep)).wait().unwrap();
        assert!(outcome.success(), "the command has the last word");
        let clean = throng.spawn(&child!("out:5 exit:0")).wait().unwrap();
        assert!(clean.success());
    });
}
