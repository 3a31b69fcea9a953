//! Everything that a process has started ends with it when it is ended, wherever it has moved, and
//! goes on when the process ends by itself.

use std::fs::File;
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use throng::{Builder, KillSequence, Mechanism, OnHeld, Outcome, Process, Signal, Throng};
use throng_tests::{
    Tag, assert_complete, assert_ended_by, child, describe, for_each_mechanism, probe, run_one,
    with_enough_time,
};

/// Every way to leave the group and the tree that keeps either the parent or the environment.
const WAYS: [&str; 4] = ["daemon", "daemon-holder", "quiet", "bare-session"];

fn throng(mechanism: Mechanism) -> Throng {
    builder(mechanism).build().unwrap()
}

pub(super) fn builder(mechanism: Mechanism) -> Builder {
    let soon = KillSequence::new(Signal::Term, Duration::from_millis(50));
    let builder = Throng::builder().mechanism(mechanism).jobs(8);
    builder.kill_sequence(soon)
}

/// A process with a descendant for each of these ways; none of them ends when asked to.
pub(super) fn tree(throng: &Throng, tag: &Tag) -> Process {
    let mut command = child!("ignore-term {tag}");
    for way in WAYS {
        command.arg(format!("{way}:ignore-term,{tag},sleep:600000"));
    }
    let process = throng.spawn(command.arg("sleep:600000"));
    tag.await_deaf(WAYS.len() + 1);
    process
}

/// No process of the tree is left at the time of its outcome, and none has survived.
#[track_caller]
fn assert_gone(outcome: &Outcome, tag: &Tag) {
    assert_eq!(tag.pids(), [0; 0], "{}", describe(outcome));
    assert!(outcome.survivors().is_empty());
}

#[test]
fn a_cancelled_tree_is_gone_when_its_outcome_arrives() {
    for_each_mechanism(|mechanism| {
        let (throng, tag) = (throng(mechanism), Tag::new());
        let process = tree(&throng, &tag);
        process.cancel();
        assert_gone(&process.wait().unwrap(), &tag);
    });
}

#[test]
fn a_killed_tree_is_gone_when_its_outcome_arrives() {
    for_each_mechanism(|mechanism| {
        let (throng, tag) = (throng(mechanism), Tag::new());
        let process = tree(&throng, &tag);
        process.kill();
        assert_gone(&process.wait().unwrap(), &tag);
    });
}

#[test]
fn a_timed_out_tree_is_gone_when_its_outcome_arrives() {
    for_each_mechanism(|mechanism| {
        let (throng, tag) = (throng(mechanism), Tag::new());
        let steps = format!("daemon:ignore-term,{tag},sleep:600000 ignore-term sleep:600000");
        let outcome = throng.spawn(child!("{steps}").timeout(Duration::from_secs(1)));
        let outcome = outcome.wait().unwrap();
        assert!(outcome.timed_out());
        assert_gone(&outcome, &tag);
    });
}

#[test]
fn a_tree_ends_with_its_handle_and_with_its_throng() {
    for_each_mechanism(|mechanism| {
        let tags = [Tag::new(), Tag::new()];
        let throng = throng(mechanism);
        let [first, second] = tags.each_ref().map(|tag| tree(&throng, tag));
        drop(first);
        tags[0].await_gone();
        assert_eq!(
            tags[1].pids().len(),
            WAYS.len() + 1,
            "one tree and no other"
        );
        drop(throng);
        assert_gone(&second.wait().unwrap(), &tags[1]);
    });
}

#[test]
fn a_process_that_ends_on_request_takes_descendants_that_ignored_it_along() {
    for_each_mechanism(|mechanism| {
        let (throng, tag) = (throng(mechanism), Tag::new());
        let steps = format!("daemon:ignore-term,{tag},sleep:600000 sleep:600000");
        let process = throng.spawn(&child!("{steps}"));
        // It handles the request to end, and goes on.
        tag.await_deaf(1);
        process.cancel();
        let outcome = process.wait().unwrap();
        assert_ended_by(&outcome, Signal::Term);
        assert_gone(&outcome, &tag);
    });
}

#[test]
fn a_descendant_that_left_the_group_is_asked_to_end_before_it_is_killed() {
    for_each_mechanism(|mechanism| {
        let patient = KillSequence::new(Signal::Term, Duration::from_secs(600));
        let builder = Throng::builder().mechanism(mechanism);
        let throng = builder.kill_sequence(patient).build().unwrap();
        let tag = Tag::new();
        for way in ["daemon", "bare-session"] {
            // It ends as soon as it is asked; the process itself does not.
            let steps = format!("ignore-term {way}:{tag},sleep:600000 sleep:600000");
            let process = throng.spawn(&child!("{steps}"));
            tag.await_count(1);
            process.cancel();
            tag.await_gone();
            process.kill();
            process.wait().unwrap();
        }
    });
}

#[test]
fn descendants_go_on_when_a_process_ends_by_itself() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let throng = throng(mechanism);
        let outcome = throng.spawn(&child!("daemon:{tag},sleep:600000 out:9"));
        assert_complete(&outcome.wait().unwrap());
        drop(throng);
        tag.await_count(1);
    });
}

#[test]
fn every_process_has_a_cookie_of_its_own_unless_disabled() {
    for_each_mechanism(|mechanism| {
        let said = |command: &throng::Command| {
            let outcome = run_one(mechanism, command);
            String::from_utf8_lossy(outcome.stdout()).into_owned()
        };
        let own = std::env::var("_THRONG_MARK");
        let mark = said(&child!("env:_THRONG_MARK"));
        let (run, number) = mark.rsplit_once('.').expect("a run and a number");
        assert!(run.len() >= 16 && number.parse::<u64>().is_ok(), "{mark}");
        assert_ne!(own.ok(), Some(mark.clone()));
        let with_others = said(child!("env:_THRONG_MARK outs:- env:A").env("A", "1"));
        assert!(
            with_others.ends_with("-1") && with_others.len() > 18,
            "{with_others}"
        );
        let cleared = said(child!("env:_THRONG_MARK").env_clear());
        assert_eq!(cleared, "(not set)");
        let removed = said(child!("env:_THRONG_MARK").env_remove("_THRONG_MARK"));
        assert_eq!(removed, "(not set)");
        assert_eq!(
            said(child!("env:_THRONG_MARK").env("_THRONG_MARK", "x")),
            "x"
        );
    });
}

#[test]
fn a_throng_within_a_throng_is_part_of_the_tree() {
    for_each_mechanism(|mechanism| {
        let (throng, tag) = (throng(mechanism), Tag::new());
        let inner = probe!(
            mechanism,
            "leave 1 with=daemon:ignore-term,{tag},sleep:600000"
        );
        let mut command = throng::Command::new(inner.command.get_program());
        command.args(inner.command.get_args());
        // A stdin that has no data and does not end: the inner one would end by itself.
        let dir = tempfile::tempdir().unwrap();
        let quiet = dir.path().join("quiet");
        mkfifoat(CWD, &quiet, Mode::RUSR | Mode::WUSR).unwrap();
        let _open = File::options().read(true).write(true).open(&quiet).unwrap();
        command.stdin(throng::Stdin::File(quiet));
        let process = throng.spawn(&command);
        tag.await_count(1);
        process.kill();
        assert_gone(&process.wait().unwrap(), &tag);
    });
}

#[test]
fn under_kill_a_holder_that_left_its_group_is_ended_and_the_capture_is_complete() {
    for_each_mechanism(|mechanism| {
        let (throng, tag) = (throng(mechanism), Tag::new());
        let holder = format!("daemon-holder:ignore-term,{tag},outs:daemon,sleep:600000");
        let run = |grace| {
            let mut command = child!("outs:main- {holder} exit:0");
            let command = command.on_held(OnHeld::Kill).grace(grace);
            throng.spawn(command).wait().unwrap()
        };
        let outcome = with_enough_time(run, |outcome| outcome.stdout() != b"main-");
        assert_complete(&outcome);
        assert!(outcome.success(), "{}", describe(&outcome));
        assert_eq!(outcome.stdout(), b"main-daemon");
        assert_gone(&outcome, &tag);
    });
}

#[test]
fn variables_that_resemble_the_cookie_hide_no_process() {
    for_each_mechanism(|mechanism| {
        let (throng, tag) = (throng(mechanism), Tag::new());
        let mut command = child!("daemon:ignore-term,{tag},sleep:600000 sleep:600000");
        for name in [
            "_THRONG_MARKS",
            "_THRONG_MARK_",
            "_THRONG_MARK2",
            "THRONG_JOB",
        ] {
            command.env(name, "4");
        }
        let process = throng.spawn(&command);
        tag.await_deaf(1);
        process.cancel();
        assert_gone(&process.wait().unwrap(), &tag);
    });
}

#[test]
fn orphans_may_be_in_our_own_group() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "orphans-in-our-group 20").report();
        assert_eq!(report.text("left"), "0", "{report:?}");
    });
}
