//! Jobs: what a process starts ends with it, even if this program is in a job itself; what it has
//! left behind ends with this program, if that is requested; and no limit known beforehand applies
//! to how many can be captured at once.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use throng::os::windows::BuilderExt;
use throng::{Mechanism, Throng};
use throng_tests::{
    Tag, assert_output, child, describe, for_each_mechanism, for_each_mechanism_alone, probe,
};

#[test]
fn a_program_in_a_job_ends_everything_its_processes_have_started() {
    for_each_mechanism_alone(|mechanism| {
        let report = probe!(mechanism, "in-a-job").report();
        assert_eq!(report.get::<usize>("whole"), 20);
        assert_eq!(report.text("contained"), "true");
        assert_eq!(report.text("gone"), "true");
    });
}

#[test]
fn a_tree_of_processes_ends_with_its_root() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let throng = Throng::builder().mechanism(mechanism).build().unwrap();
        let branch = format!("quiet:{tag},sleep:600000");
        let steps = format!("{tag} {branch} {branch} holder:{tag},sleep:600000 sleep:600000");
        let process = throng.spawn(&child!("{steps}"));
        tag.await_count(4);
        process.cancel();
        let outcome = process.wait().unwrap();
        assert!(outcome.is_contained() && outcome.ended_by().is_some());
        tag.await_gone();
    });
}

#[test]
fn the_requested_number_of_jobs_is_granted() {
    for_each_mechanism(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(100_000);
        let throng = builder.build().unwrap();
        assert_eq!((throng.jobs(), throng.jobs_limit()), (100_000, None));
        assert_output(&throng.spawn(&child!("out:5")).wait().unwrap(), 5, 0);
    });
}

/// A probe of which one process has ended and left another one behind.
fn probe_that_has_left_one(mechanism: Mechanism, how: &str, tag: &Tag) -> Child {
    let mut probe = probe!(mechanism, "left-behind {how} with={tag}");
    probe.command.stdin(Stdio::piped());
    let mut probe = probe.spawn();
    let mut line = String::new();
    let stdout = probe.stdout.take().expect("a pipe");
    let mut stdout = BufReader::new(stdout);
    stdout
        .read_line(&mut line)
        .expect("it says when it is ready");
    assert_eq!(line, "ready\n");
    tag.await_count(1);
    probe
}

#[test]
fn processes_left_behind_end_with_a_killed_program_that_has_a_guardian() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let mut probe = probe_that_has_left_one(mechanism, "kept", &tag);
        probe.kill().unwrap();
        probe.wait().unwrap();
        tag.await_gone();
        let tag = Tag::new();
        let mut probe = probe_that_has_left_one(mechanism, "kept", &tag);
        writeln!(probe.stdin.take().unwrap(), "exit").unwrap();
        assert!(probe.wait().unwrap().success());
        tag.await_gone();
    });
}

#[test]
fn processes_left_behind_outlive_a_program_without_guardian_or_with_a_normal_end() {
    for_each_mechanism(|mechanism| {
        let unkept = Tag::new();
        let mut probe = probe_that_has_left_one(mechanism, "free", &unkept);
        probe.kill().unwrap();
        probe.wait().unwrap();
        let kept = Tag::new();
        let mut probe = probe_that_has_left_one(mechanism, "kept", &kept);
        writeln!(probe.stdin.take().unwrap(), "return").unwrap();
        assert!(probe.wait().unwrap().success());
        assert_eq!((unkept.pids().len(), kept.pids().len()), (1, 1));
    });
}

#[test]
fn with_a_guardian_a_sweep_ends_everything_left_behind() {
    for_each_mechanism(|mechanism| {
        let leave = |throng: &Throng, tag: &Tag, count| {
            let left = format!("quiet:{tag},sleep:600000");
            let outcome = throng.spawn(&child!("{left} {left}")).wait().unwrap();
            assert!(outcome.success(), "{}", describe(&outcome));
            tag.await_count(count);
        };
        let (kept, free) = (Tag::new(), Tag::new());
        let with = Throng::builder()
            .mechanism(mechanism)
            .guardian(true)
            .build();
        let without = Throng::builder().mechanism(mechanism).build();
        let (with, without) = (with.unwrap(), without.unwrap());
        leave(&with, &kept, 2);
        leave(&with, &kept, 4);
        leave(&without, &free, 2);
        assert_eq!(without.kill_leftovers().unwrap(), []);
        assert_eq!(with.kill_leftovers().unwrap(), []);
        kept.await_gone();
        assert_eq!(free.pids().len(), 2);
        // It runs others as before.
        assert_output(&with.spawn(&child!("out:5")).wait().unwrap(), 5, 0);
    });
}
