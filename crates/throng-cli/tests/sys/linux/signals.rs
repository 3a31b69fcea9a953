//! Signals, and how much memory a run needs.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use throng_tests::{Tag, eventually};

use crate::program::{finish, json, output, run, start_with_stdin, stderr, stdout};

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn a_signal_that_ends_a_command_is_a_failure_with_a_number() {
    let killed = &json(&["sh", "-c", "kill -9 $$", ":::", "x"])[0];
    assert_eq!(killed["signal"], 9);
    assert!(killed.get("exit_code").is_none());
    let output = output(&["sh", "-c", "kill -9 $$", ":::", "x"]);
    assert_eq!(output.status.code(), Some(1));
    let slow = &json(&["--timeout", "0.1", "sleep", ":::", "30"])[0];
    assert_eq!(
        (&slow["timed_out"], &slow["signal"]),
        (&true.into(), &15.into())
    );
}

#[test]
fn who_holds_a_stream_is_named() {
    let object = &json(&[
        "--grace",
        "1s",
        "sh",
        "-c",
        "sleep 30 >&2 & echo $!",
        ":::",
        "x",
    ])[0];
    let pid: u32 = object["stdout"].as_str().unwrap().trim().parse().unwrap();
    kill(pid, Signal::KILL);
    let (mut holders, start) = (object["holders"].clone(), &object["start"]);
    let started = holders[0]
        .as_object_mut()
        .unwrap()
        .remove("started")
        .unwrap();
    // Its clock has hundredths of a second; both are times of the same second or the next.
    let minute = |time: &serde_json::Value| time.as_str().unwrap()[..16].to_owned();
    assert!(minute(&started) >= minute(start), "{started} after {start}");
    let holder = serde_json::json!({"pid": pid, "argv": ["sleep", "30"], "streams": ["stderr"]});
    assert_eq!(holders, serde_json::json!([holder]));
    assert_eq!(object["stdout_verdict"], "complete");
    assert_eq!(object["stderr_verdict"], "held");

    let output = output(&[
        "--grace",
        "1s",
        "sh",
        "-c",
        "sleep 30 & echo $!",
        ":::",
        "x",
    ]);
    let pid: u32 = stdout(&output).trim().parse().unwrap();
    kill(pid, Signal::KILL);
    let named = format!("stdout and stderr held by pid {pid} (sleep 30)");
    assert!(stderr(&output).contains(&named), "{output:?}");
}

/// Starts this many commands that sleep, and waits until all run.
fn sleepers(n: usize, script: &str, tag: &Tag) -> std::process::Child {
    let jobs = n.to_string();
    // From stdin, for throng itself must not have the tag on its command line.
    let tags = format!("{tag}\n").repeat(n);
    let child = start_with_stdin(&["-j", &jobs, "sh", "-c", script], tags.as_bytes());
    tag.await_count(n);
    child
}

#[test]
fn an_interrupt_ends_what_runs_and_says_so() {
    let tag = Tag::new();
    let child = sleepers(5, "sleep 30", &tag);
    kill(child.id(), Signal::INT);
    let output = finish(child);
    assert_eq!(output.status.code(), Some(130));
    assert!(
        stderr(&output).contains("interrupted: 0 succeeded, 5 failed"),
        "{output:?}"
    );
    assert_eq!(tag.pids(), [0; 0]);
}

/// Starts two commands that wait for a file, with more to come, and waits until they run.
fn waiters(tag: &Tag, gate: &std::path::Path) -> std::process::Child {
    let script = format!(
        "until [ -e {} ]; do sleep 0.02; done; echo done",
        gate.display()
    );
    let tags = format!("{tag}\n").repeat(400);
    let child = start_with_stdin(&["-j2", "sh", "-c", &script], tags.as_bytes());
    tag.await_count(2);
    child
}

#[test]
fn sigterm_and_sighup_let_what_runs_finish_and_start_no_more() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let (tag, dir) = (Tag::new(), tempfile::tempdir().unwrap());
        let gate = dir.path().join("gate");
        let mut child = waiters(&tag, &gate);
        let mut complaints = BufReader::new(child.stderr.take().unwrap());
        kill(child.id(), signal);
        let mut line = String::new();
        complaints.read_line(&mut line).unwrap();
        let expected = "no more commands are started; 2 still run, and are ended by SIGTERM";
        assert!(line.contains(expected), "{line}");
        std::fs::write(&gate, "").unwrap();
        let output = finish(child);
        assert_eq!(stdout(&output), "done\ndone\n");
        assert_eq!(output.status.code(), Some(code));
        let mut rest = String::new();
        complaints.read_to_string(&mut rest).unwrap();
        assert!(
            rest.contains("interrupted: 2 succeeded, 0 failed"),
            "{rest}"
        );
    }
}

#[test]
fn a_second_sigterm_ends_what_runs_and_a_second_sighup_does_not() {
    let (tag, dir) = (Tag::new(), tempfile::tempdir().unwrap());
    let mut child = waiters(&tag, &dir.path().join("gate"));
    let mut complaints = BufReader::new(child.stderr.take().unwrap());
    kill(child.id(), Signal::HUP);
    complaints.read_line(&mut String::new()).unwrap();
    kill(child.id(), Signal::HUP);
    kill(child.id(), Signal::USR1);
    // The list comes after the second request, and both still run.
    for _ in 0..2 {
        let mut line = String::new();
        complaints.read_line(&mut line).unwrap();
        assert!(line.contains(" pid "), "{line}");
    }
    kill(child.id(), Signal::TERM);
    let output = finish(child);
    assert_eq!(stdout(&output), "");
    assert_eq!(output.status.code(), Some(129));
    tag.await_gone();
}

#[test]
fn sigusr1_lists_what_runs() {
    let (tag, dir) = (Tag::new(), tempfile::tempdir().unwrap());
    let gate = dir.path().join("gate");
    let mut child = waiters(&tag, &gate);
    let mut complaints = BufReader::new(child.stderr.take().unwrap());
    kill(child.id(), Signal::USR1);
    let pids = tag.pids();
    for seq in 1..=2 {
        let mut line = String::new();
        complaints.read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[..3], ["throng:", &seq.to_string(), "pid"], "{line}");
        assert!(pids.contains(&words[3].parse().unwrap()), "{line}");
        assert!(
            words[4].ends_with('s') && line.contains(&tag.to_string()),
            "{line}"
        );
    }
    kill(child.id(), Signal::TERM);
    std::fs::write(&gate, "").unwrap();
    assert_eq!(stdout(&finish(child)), "done\ndone\n");
}

#[test]
fn a_second_interrupt_kills_what_refuses_to_end() {
    let tag = Tag::new();
    let script = "trap '' TERM; echo ready >&2; while :; do sleep 1; done";
    let child = sleepers(3, script, &tag);
    // The traps are set when the shells have children of their own.
    eventually("the traps are set", || {
        tag.pids().iter().all(|pid| {
            let children = format!("/proc/{pid}/task/{pid}/children");
            std::fs::read_to_string(children).is_ok_and(|text| !text.is_empty())
        })
    });
    kill(child.id(), Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        tag.pids().len(),
        3,
        "they ignore TERM, and KILL comes after two seconds"
    );
    kill(child.id(), Signal::INT);
    let output = finish(child);
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(tag.pids(), [0; 0]);
}

#[test]
fn an_interrupt_takes_no_more_values() {
    let mut command = run(&["-j2", "sleep"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    // The source stays open and silent, as a terminal does.
    std::thread::sleep(Duration::from_millis(200));
    kill(child.id(), Signal::INT);
    assert_eq!(finish(child).status.code(), Some(130));
    drop(stdin);
}

#[test]
fn an_endless_source_starts_at_once_and_memory_stays_flat() {
    let mut command = run(&["-j4", "echo"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut feed = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        let lines = b"y\n".repeat(4096);
        while feed.write_all(&lines).is_ok() {}
    });
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut resident = Vec::new();
    let mut two = [0; 2];
    for n in 1..=4000 {
        out.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"y\n");
        if n == 400 || n == 4000 {
            resident.push(resident_kib(child.id()));
        }
    }
    drop(out);
    let _ = finish(child);
    feeder.join().unwrap();
    assert!(
        resident[1] < resident[0] + 2048,
        "KiB at a tenth and at the end: {resident:?}"
    );
}

#[test]
fn a_reader_that_does_not_read_stops_the_run_and_does_not_grow_it() {
    let mut command = run(&["-j4", "head", "-c", "1000000", "/dev/zero", "#"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut feed = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || while feed.write_all(b"y\n").is_ok() {});
    // `head` complains about a file named "#", and writes a megabyte of zeros first.
    std::thread::sleep(Duration::from_secs(2));
    let resident = resident_kib(child.id());
    drop(child.stdout.take());
    drop(child.stderr.take());
    let _ = finish(child);
    feeder.join().unwrap();
    assert!(resident < 256 * 1024, "{resident} KiB");
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    after_name.trim_start().starts_with('T')
}

#[test]
fn at_ctrl_z_the_commands_stop_with_us_and_their_time_stands_still() {
    let tag = Tag::new();
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let wait = format!("while ! test -e {}; do sleep 0.01; done", go.display());
    let script = format!("{wait}; echo done");
    let args = ["-j3", "--timeout", "6s", "sh", "-c", &script];
    let tags = format!("{tag}\n").repeat(3);
    let started = start_with_stdin(&args, tags.as_bytes());
    let pid = started.id();
    tag.await_count(3);
    kill(pid, Signal::TSTP);
    eventually("all is stopped", || {
        is_stopped(pid) && tag.pids().into_iter().all(is_stopped)
    });
    // Longer than the commands have.
    std::thread::sleep(Duration::from_millis(6500));
    assert!(is_stopped(pid));
    std::fs::write(&go, "").unwrap();
    kill(pid, Signal::CONT);
    let output = finish(started);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        (stdout(&output), stderr(&output)),
        ("done\ndone\ndone\n", "")
    );
}
