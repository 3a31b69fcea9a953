//! However the program ends, no process that it started goes on.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use throng::Mechanism;
use throng_tests::{Tag, for_each_mechanism, for_some_mechanisms, probe};

/// This many are live.
const COUNT: usize = 50;

/// A probe with many processes live.
fn probe_with_many(mechanism: Mechanism, tag: &Tag) -> Child {
    let mut probe = probe!(mechanism, "leave {COUNT} with={tag}");
    probe.command.stdin(Stdio::piped());
    let mut probe = probe.spawn();
    let mut line = String::new();
    let stdout = probe.stdout.take().expect("a pipe");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("the probe says when it is ready");
    assert_eq!(line, "ready\n");
    assert_eq!(tag.pids().len(), COUNT);
    probe
}

#[test]
fn a_program_that_is_killed_leaves_no_processes() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let mut probe = probe_with_many(mechanism, &tag);
        probe.kill().unwrap();
        probe.wait().unwrap();
        tag.await_gone();
    });
}

#[test]
fn a_program_that_ends_without_dropping_anything_leaves_no_processes() {
    for_some_mechanisms(|mechanism| {
        for how in ["exit", "forget", "return"] {
            let tag = Tag::new();
            let mut probe = probe_with_many(mechanism, &tag);
            writeln!(probe.stdin.take().unwrap(), "{how}").unwrap();
            assert!(probe.wait().unwrap().success());
            tag.await_gone();
        }
    });
}
