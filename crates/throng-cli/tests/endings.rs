//! How runs end, and that they leave nothing behind.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::thread;

use crate::program::{
    child, finish, output, output_with_stdin, run, start_with_stdin, stderr, stdout,
};
use throng_tests::Tag;

#[test]
fn the_exit_status_counts_failures() {
    let status = |values: &[&str]| {
        let output = output(&[&[child(), "exit:{}", ":::"], values].concat());
        output.status.code()
    };
    assert_eq!(status(&["0", "0"]), Some(0));
    assert_eq!(status(&["0", "7", "1"]), Some(2));
    let many = "exit:1\n".repeat(120);
    let output = output_with_stdin(&["-j8", child()], many.as_bytes());
    assert_eq!(output.status.code(), Some(101));
}

#[test]
fn a_held_stream_does_not_delay_the_run() {
    let tag = Tag::new();
    let holder = format!("holder:{tag},sleep:600000");
    let output = output(&[
        "--grace",
        "1s",
        child(),
        "outs:hi",
        &holder,
        "{}",
        ":::",
        "tag:x",
    ]);
    // If it had waited for the holder, this test would have timed out.
    assert_eq!(stdout(&output), "hi");
    tag.await_count(1);
    let said = stderr(&output);
    let holder = format!("pid {} (", tag.pids()[0]);
    assert!(
        said.contains("stdout and stderr held by pid ") && said.contains(&holder),
        "{output:?}"
    );
    assert!(output.status.success());
}

#[test]
fn a_timeout_ends_a_command_and_everything_it_started() {
    let tag = Tag::new();
    let tree = format!("holder:ignore-term,{tag},sleep:600000");
    let words = ["--timeout", "500ms", "--termseq", "TERM,100,KILL", child()];
    let steps = ["ignore-term", &tree, "{}", ":::", "sleep:600000"];
    let output = output(&[&words[..], &steps].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("ran out of time"), "{output:?}");
    tag.await_gone();
}

#[test]
fn a_closed_stdout_ends_the_run_quietly() {
    for mode in ["group", "line", "live", "jsonl"] {
        let tag = Tag::new();
        let tag_step = tag.to_string();
        let mut command = run(&["--output", mode, "-j4", child(), "outs:x\n", &tag_step]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut feed = child.stdin.take().unwrap();
        let feeder = thread::spawn(move || while feed.write_all(b"sleep:10\n").is_ok() {});
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        drop(out);
        let output = finish(child);
        feeder.join().unwrap();
        assert_eq!(output.status.code(), Some(141), "{mode}: {output:?}");
        assert_eq!(stderr(&output), "", "{mode}");
        tag.await_gone();
    }
}

#[test]
fn nothing_outlives_a_killed_throng() {
    let tag = Tag::new();
    // From stdin, since throng itself must not have the tag on its command line.
    let tags = format!("{tag}\n").repeat(30);
    let mut program = start_with_stdin(&["-j30", child(), "{}", "sleep:600000"], tags.as_bytes());
    tag.await_count(30);
    program.kill().unwrap();
    let _ = finish(program);
    tag.await_gone();
}
