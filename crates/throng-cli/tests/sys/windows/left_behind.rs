//! What commands leave behind goes on after a run that ends normally, and after no other.

use std::io::Write;
use std::process::{Child, ChildStdin, Stdio};

use throng_tests::{Tag, eventually};

use crate::program::{child, finish, run, stdout};

/// A run with these options that has one command after the other; the first has left a process with
/// this tag behind and has ended. More commands can be added.
fn run_that_has_left_one(options: &[&str], tag: &Tag) -> (Child, ChildStdin) {
    let dir = tempfile::tempdir().unwrap();
    let ended = dir.path().join("ended");
    let mut program = run(&[&["-j1"], options, &[child()]].concat());
    let mut program = program.stdin(Stdio::piped()).spawn().unwrap();
    let mut values = program.stdin.take().unwrap();
    writeln!(values, "quiet:{tag},sleep:600000").unwrap();
    // The next one starts when the first has ended.
    writeln!(values, "make-file:{}", ended.display()).unwrap();
    eventually("the first command is over", || ended.exists());
    tag.await_count(1);
    (program, values)
}

#[test]
fn nothing_is_left_when_the_program_is_killed() {
    let tag = Tag::new();
    let (mut program, values) = run_that_has_left_one(&[], &tag);
    program.kill().unwrap();
    finish(program);
    tag.await_gone();
    drop(values);
}

#[test]
fn an_immediate_halt_leaves_nothing() {
    let tag = Tag::new();
    let (program, mut values) = run_that_has_left_one(&["--halt", "now,fail=1"], &tag);
    writeln!(values, "exit:3").unwrap();
    drop(values);
    assert_eq!(finish(program).status.code(), Some(3));
    tag.await_gone();
}

#[test]
fn processes_left_behind_outlive_a_run_that_ends_normally() {
    let tag = Tag::new();
    let (program, mut values) = run_that_has_left_one(&[], &tag);
    writeln!(values, "outs:last").unwrap();
    drop(values);
    let output = finish(program);
    assert_eq!((stdout(&output), output.status.code()), ("last", Some(0)));
    assert_eq!(tag.pids().len(), 1);
}
