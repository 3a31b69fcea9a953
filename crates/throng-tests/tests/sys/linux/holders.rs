//! The holders of a stream: the processes that can write to it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::process::{Command, Stdio};

use throng::{Stream, Throng, Verdict};
use throng_tests::{Tag, child, describe, for_each_mechanism, run_one};

/// The descriptor of this program for the other end of a pipe, by its name in /proc.
fn own_end_of(pipe: &OsString) -> String {
    let fds = fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    let is_end = |path: &std::path::Path| fs::read_link(path).is_ok_and(|name| name == *pipe);
    let mut paths = fds.filter_map(|fd| Some(fd.ok()?.path()));
    let path = paths.find(|path| is_end(path)).expect("throng reads it");
    path.display().to_string()
}

#[test]
fn holders_are_named_with_their_command_lines() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let outcome = run_one(mechanism, &child!("holder:{tag},sleep:30000 exit:0"));
        let verdict = outcome.verdict(Stream::Stdout);
        let Verdict::Held { holders } = verdict else {
            panic!("not held: {}", describe(&outcome));
        };
        assert_eq!(holders[0].argv.last().unwrap(), "sleep:30000");
        // The line for display is cut short.
        let text = verdict.to_string();
        let begin = format!("held by pid {} (", holders[0].pid);
        assert!(text.starts_with(&begin) && text.ends_with(')'), "{text}");
    });
}

#[test]
fn a_process_that_can_only_read_a_stream_does_not_hold_it() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let gate = dir.path().join("gate");
        let throng = Throng::builder().mechanism(mechanism).build().unwrap();
        let tag = Tag::new();
        let steps = format!("holder:{tag},sleep:600000 wait-file:{}", gate.display());
        let process = throng.spawn(&child!("{steps}"));
        tag.await_count(1);
        let holder = tag.pids()[0];
        let pipe = fs::read_link(format!("/proc/{holder}/fd/1")).unwrap();
        // Like a process that a thread is just starting: it shares our descriptors for a moment.
        // This one stays.
        let end = File::open(own_end_of(&pipe.into_os_string())).unwrap();
        let reader = Tag::new();
        let mut other = Command::new(env!("CARGO_BIN_EXE_child"));
        other.args([reader.to_string().as_str(), "sleep:600000"]);
        let mut other = other.stdin(Stdio::from(end)).spawn().unwrap();
        File::create(&gate).unwrap();
        let outcome = process.wait().unwrap();
        other.kill().unwrap();
        other.wait().unwrap();
        let Verdict::Held { holders } = outcome.verdict(Stream::Stdout) else {
            panic!("not held: {}", describe(&outcome));
        };
        let pids: Vec<u32> = holders.iter().map(|holder| holder.pid).collect();
        assert_eq!(pids, [holder], "{}", describe(&outcome));
    });
}
