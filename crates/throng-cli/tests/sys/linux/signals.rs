//! Signals, and how much memory a run needs.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use throng_tests::{Gate, Tag, eventually, with_enough_time};

use crate::program::{
    child, finish, json, output, run, start_with_stdin, stderr, stdout, without_settings,
};

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
fn the_holder_of_a_stream_is_named() {
    // The shell does not wait until `sleep` has been executed, so allow time for that.
    let run = |grace: Duration| {
        let grace = format!("{}s", grace.as_secs());
        let script = "sleep 600 >&2 & echo $!";
        let object = json(&["--grace", &grace, "sh", "-c", script, ":::", "x"]).remove(0);
        let pid: u32 = object["stdout"].as_str().unwrap().trim().parse().unwrap();
        kill(pid, Signal::KILL);
        (object, pid)
    };
    let is_named =
        |(object, _): &(serde_json::Value, u32)| object["holders"][0]["argv"][0] == "sleep";
    let (object, pid) = with_enough_time(run, is_named);
    let (mut holders, start) = (object["holders"].clone(), &object["start"]);
    let started = holders[0]
        .as_object_mut()
        .unwrap()
        .remove("started")
        .unwrap();
    // The clock has hundredths of a second; both times are in the same second or the next.
    let minute = |time: &serde_json::Value| time.as_str().unwrap()[..16].to_owned();
    assert!(minute(&started) >= minute(start), "{started} after {start}");
    let holder = serde_json::json!({"pid": pid, "argv": ["sleep", "600"], "streams": ["stderr"]});
    assert_eq!(holders, serde_json::json!([holder]));
    assert_eq!(object["stdout_verdict"], "complete");
    assert_eq!(object["stderr_verdict"], "held");

    let run = |grace: Duration| {
        let grace = format!("{}s", grace.as_secs());
        let script = "sleep 600 & echo $!";
        let output = output(&["--grace", &grace, "sh", "-c", script, ":::", "x"]);
        let pid: u32 = stdout(&output).trim().parse().unwrap();
        kill(pid, Signal::KILL);
        let named = format!("stdout and stderr held by pid {pid} (sleep 600)");
        let is_named = stderr(&output).contains(&named);
        (output, is_named)
    };
    let (output, is_named) = with_enough_time(run, |(_, is_named)| *is_named);
    assert!(is_named, "{output:?}");
}

/// Starts this many commands with these steps, all at once, and waits until they run.
///
/// They are not shells: a shell that forks appears twice until the new process has its own command
/// line.
fn start_tagged(n: usize, options: &[&str], steps: &[&str], tag: &Tag) -> Child {
    let jobs = n.to_string();
    let words = [&["-j", &jobs], options, &[child()], steps].concat();
    // From stdin, since throng itself must not have the tag on its command line.
    let tags = format!("{tag}\n").repeat(n);
    let program = start_with_stdin(&words, tags.as_bytes());
    tag.await_count(n);
    program
}

#[test]
fn an_interrupt_ends_running_commands_and_reports_it() {
    let tag = Tag::new();
    let child = start_tagged(5, &[], &["{}", "sleep:600000"], &tag);
    kill(child.id(), Signal::INT);
    let output = finish(child);
    assert_eq!(
        output.status.signal(),
        Some(2),
        "a shell's loop ends as well"
    );
    let told = "interrupted: 0 succeeded, 0 failed, 5 ended, 0 not started";
    assert!(stderr(&output).contains(told), "{output:?}");
    assert_eq!(tag.pids(), [0; 0]);
}

#[test]
fn one_sigterm_ends_the_run_and_ended_commands_are_not_recorded() {
    let (tag, dir) = (Tag::new(), tempfile::tempdir().unwrap());
    let log = dir.path().join("log");
    let options = ["-j3", "--summary", "--joblog", log.to_str().unwrap()];
    // They catch the signal and exit with success.
    let steps = ["exit-at-term:0", "{}", "sleep:600000"];
    let tags = format!("{tag}\n").repeat(5);
    let words = [&options, &[child()][..], &steps].concat();
    let program = start_with_stdin(&words, tags.as_bytes());
    tag.await_count(3);
    kill(program.id(), Signal::TERM);
    let output = finish(program);
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    for told in [
        "interrupted: 0 succeeded, 0 failed, 3 ended, ",
        "  0 succeeded, 0 failed, 3 ended, ",
    ] {
        assert!(stderr(&output).contains(told), "{output:?}");
    }
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 1);
    tag.await_gone();
}

#[test]
fn a_doubled_signal_does_not_shorten_the_grace_of_ended_commands() {
    for signal in [Signal::TERM, Signal::INT] {
        let tag = Tag::new();
        let script =
            "trap 'sleep .3; echo cleaned; exit' TERM; echo $1; while :; do sleep .02; done";
        let words = ["--lb", "sh", "-c", script, "sh"];
        let mut program = start_with_stdin(&words, format!("{tag}\n").as_bytes());
        let mut stdout = BufReader::new(program.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        // Like timeout(1): to its child, and to the group.
        kill(program.id(), signal);
        std::thread::sleep(Duration::from_millis(1));
        kill(program.id(), signal);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        let output = finish(program);
        assert_eq!(rest, "cleaned\n", "{output:?}");
    }
}

#[test]
fn signals_are_handled_even_if_stderr_is_not_read() {
    for signals in [
        &[Signal::TERM][..],
        &[Signal::USR1, Signal::HUP, Signal::TERM],
    ] {
        let tag = Tag::new();
        let (reader, writer) = std::io::pipe().unwrap();
        let fill = [b'x'; 4096];
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        while rustix::io::write(&writer, &fill).is_ok() {}
        rustix::io::ioctl_fionbio(&writer, false).unwrap();
        let mut command = run(&["-j1", child(), "{}", "sleep:600000"]);
        command.stdin(Stdio::piped()).stderr(writer);
        let mut program = command.spawn().unwrap();
        drop(command);
        let mut stdin = program.stdin.take().unwrap();
        stdin
            .write_all(format!("{tag}\n{tag}\n").as_bytes())
            .unwrap();
        tag.await_count(1);
        for signal in signals {
            kill(program.id(), *signal);
            std::thread::sleep(Duration::from_millis(100));
        }
        let status = finish(program).status;
        assert_eq!(status.code(), Some(143), "{signals:?}: {status}");
        tag.await_gone();
        drop((reader, stdin));
    }
}

#[test]
fn a_timed_out_command_has_failed_whatever_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    // It catches the signal and exits with success.
    let run = |timeout: Duration| {
        let timeout = timeout.as_secs().to_string();
        let options = ["--timeout", &timeout, "--retries", "2", "--joblog", log];
        let others = ["--summary", "--output", "jsonl", "--halt", "now,fail=1"];
        let steps = [
            child(),
            "exit-at-term:0",
            "outs:ready",
            "sleep:600000",
            ":::",
            "x",
        ];
        output(&[&options[..], &others, &steps].concat())
    };
    let output = with_enough_time(run, |output| stdout(output).contains("ready"));
    assert_eq!(output.status.code(), Some(124), "{output:?}");
    let object: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(
        (&object["result"], &object["exit_code"]),
        (&"failed".into(), &0.into())
    );
    assert_eq!(
        (&object["timed_out"], &object["attempt"]),
        (&true.into(), &2.into())
    );
    for told in [
        "1 command has failed: ",
        "  0 succeeded, 1 failed (1 timed out)\n",
    ] {
        assert!(stderr(&output).contains(told), "{output:?}");
    }
    assert!(std::fs::read_to_string(log).unwrap().contains("\t-1\t15\t"));
}

#[test]
fn a_shell_loop_ends_at_ctrl_c() {
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready");
    let program = env!("CARGO_BIN_EXE_throng");
    // The second one finds the file in place, and ends.
    let claim = format!("claim:{}", ready.display());
    let script = "for i in 1 2 3; do \"$@\"; done; echo the loop goes on";
    let words = [
        "-c",
        script,
        "sh",
        program,
        "run",
        child(),
        &claim,
        "sleep:600000",
        ":::",
        "#",
    ];
    // Other shells end their loop whatever happens to the program.
    let has_bash = std::path::Path::new("/bin/bash").exists();
    let mut shell = std::process::Command::new(if has_bash { "bash" } else { "sh" });
    without_settings(&mut shell);
    shell.args(words).process_group(0);
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let shell = shell.spawn().unwrap();
    eventually("it runs", || ready.exists());
    // As a terminal does: also to the shell.
    let group = Pid::from_raw(shell.id() as i32).unwrap();
    rustix::process::kill_process_group(group, Signal::INT).unwrap();
    let output = finish(shell);
    assert_eq!(
        (output.status.signal(), stdout(&output)),
        (Some(2), ""),
        "{output:?}"
    );
}

#[test]
fn a_run_that_was_asked_to_end_does_not_wait_for_a_reader_for_ever() {
    let mut program = run(&[child(), "out:1000000", ":::", "#"]).spawn().unwrap();
    let stdout = program.stdout.take().unwrap();
    let waiting = || rustix::io::ioctl_fionread(&stdout).unwrap();
    eventually("the pipe is full", || waiting() >= 64 * 1024);
    kill(program.id(), Signal::TERM);
    let output = finish(program);
    drop(stdout);
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    assert!(stderr(&output).contains("stdout is not read"), "{output:?}");
}

/// Two commands that wait for the gate, with more to come.
struct Waiters {
    program: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Waiters {
    /// Starts them and waits until the program has output from both, so that it counts both.
    fn start(tag: &Tag, gate: &Gate) -> Waiters {
        let gate = gate.step();
        let words = ["-j2", "--output", "line", child()];
        let steps = ["{}", "outs:runs\n", &gate, "outs:done\n"];
        let tags = format!("{tag}\n").repeat(400);
        let mut program = start_with_stdin(&[words, steps].concat(), tags.as_bytes());
        let mut stdout = BufReader::new(program.stdout.take().unwrap());
        let stderr = BufReader::new(program.stderr.take().unwrap());
        for _ in 0..2 {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            assert_eq!(line, "runs\n");
        }
        Waiters {
            program,
            stdout,
            stderr,
        }
    }

    fn signal(&self, signal: Signal) {
        kill(self.program.id(), signal);
    }

    /// The next line on stderr.
    fn complaint(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    /// Waits for it to end; returns its exit code and the rest of its output on both streams.
    fn finish(mut self) -> (Option<i32>, String, String) {
        let code = finish(self.program).status.code();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        (code, stdout, stderr)
    }
}

#[test]
fn sighup_lets_running_commands_finish_and_starts_no_more() {
    let (tag, gate) = (Tag::new(), Gate::new());
    let mut waiters = Waiters::start(&tag, &gate);
    waiters.signal(Signal::HUP);
    let line = waiters.complaint();
    let expected = "no more commands are started; 2 still run, and are ended by SIGTERM";
    assert!(line.contains(expected), "{line}");
    gate.open();
    let (ended_with, stdout, stderr) = waiters.finish();
    assert_eq!((ended_with, &*stdout), (Some(129), "done\ndone\n"));
    let summary = "interrupted: 2 succeeded, 0 failed, 0 ended, ";
    assert!(stderr.contains(summary), "{stderr}");
}

#[test]
fn after_sighup_sigterm_ends_running_commands_but_a_second_sighup_does_not() {
    let (tag, gate) = (Tag::new(), Gate::new());
    let mut waiters = Waiters::start(&tag, &gate);
    waiters.signal(Signal::HUP);
    waiters.complaint();
    waiters.signal(Signal::HUP);
    waiters.signal(Signal::USR1);
    // The list is printed after the second request, and both still run.
    for _ in 0..2 {
        let line = waiters.complaint();
        assert!(line.contains(" pid "), "{line}");
    }
    waiters.signal(Signal::TERM);
    let (code, stdout, _) = waiters.finish();
    assert_eq!((code, &*stdout), (Some(143), ""));
    tag.await_gone();
}

#[test]
fn sigusr1_lists_running_commands() {
    let (tag, gate) = (Tag::new(), Gate::new());
    let mut waiters = Waiters::start(&tag, &gate);
    waiters.signal(Signal::USR1);
    let pids = tag.pids();
    for seq in 1..=2 {
        let line = waiters.complaint();
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[..3], ["throng:", &seq.to_string(), "pid"], "{line}");
        assert!(pids.contains(&words[3].parse().unwrap()), "{line}");
        assert!(
            words[4].ends_with('s') && line.contains(&tag.to_string()),
            "{line}"
        );
    }
    waiters.signal(Signal::HUP);
    waiters.complaint();
    gate.open();
    let (code, stdout, _) = waiters.finish();
    assert_eq!((code, &*stdout), (Some(129), "done\ndone\n"));
}

#[test]
fn a_second_interrupt_kills_commands_that_ignore_the_first() {
    let tag = Tag::new();
    let steps = ["ignore-term", "{}", "sleep:600000"];
    let options = ["--termseq", "TERM,600000,KILL"];
    let mut child = start_tagged(3, &options, &steps, &tag);
    eventually("they catch TERM", || {
        tag.pids().into_iter().all(catches_term)
    });
    kill(child.id(), Signal::INT);
    // Of two pending signals the program may see only one, and in any order. When it has answered a
    // second time, it has seen all that arrived before its first answer.
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    for _ in 0..2 {
        kill(child.id(), Signal::USR1);
        for _ in 0..3 {
            let mut line = String::new();
            stderr.read_line(&mut line).unwrap();
            assert!(line.contains(" pid "), "they ignore TERM: {line}");
        }
    }
    // Two that come at once are one request.
    std::thread::sleep(Duration::from_millis(500));
    kill(child.id(), Signal::INT);
    let output = finish(child);
    assert_eq!(output.status.signal(), Some(2));
    // If waiting for them takes too long the program exits, and what it has started ends with it.
    tag.await_gone();
}

fn catches_term(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    caught & 1 << (Signal::TERM.as_raw() - 1) != 0
}

#[test]
fn after_an_interrupt_no_more_values_are_read() {
    let mut command = run(&["-j2", "--output", "line", "echo"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that has run a command also receives signals.
    stdin.write_all(b"one\n").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    // The source stays open and silent, like a terminal.
    kill(child.id(), Signal::INT);
    assert_eq!(finish(child).status.signal(), Some(2));
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
fn a_blocked_reader_stops_the_run_and_memory_does_not_grow() {
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
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    after_name.is_some_and(|rest| rest.starts_with('T'))
}

#[test]
fn ctrl_z_stops_commands_with_throng_and_suspends_their_timeouts() {
    let stopped = |timeout: Duration| {
        let (tag, gate) = (Tag::new(), Gate::new());
        let steps = ["{}", &gate.step(), "outs:done\n"];
        let timeout_s = timeout.as_secs().to_string();
        let words = [&["-j3", "--timeout", &timeout_s, child()], &steps[..]].concat();
        // In a group of its own, which this test can continue as a shell continues a job.
        let mut command = run(&words);
        command.process_group(0).stdin(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let mut values = program.stdin.take().unwrap();
        values
            .write_all(format!("{tag}\n").repeat(3).as_bytes())
            .unwrap();
        drop(values);
        let pid = program.id();
        // If this takes too long, they have ended before.
        let mut comes = |what: &str, is_so: &dyn Fn() -> bool| {
            let mut is_over = false;
            eventually(what, || {
                is_over = program.try_wait().unwrap().is_some();
                is_over || is_so()
            });
            !is_over
        };
        if !comes("they run", &|| tag.pids().len() == 3) {
            return (finish(program), false);
        }
        kill(pid, Signal::TSTP);
        let are_stopped = || is_stopped(pid) && tag.pids().into_iter().all(is_stopped);
        if !comes("all is stopped", &are_stopped) {
            return (finish(program), false);
        }
        // Longer than the timeout of the commands.
        std::thread::sleep(timeout + timeout / 4);
        let stands_still = is_stopped(pid);
        gate.open();
        kill(pid, Signal::CONT);
        (finish(program), stands_still)
    };
    let (output, stands_still) = with_enough_time(stopped, |(output, _)| output.status.success());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stands_still);
    assert_eq!(
        (stdout(&output), stderr(&output)),
        ("done\ndone\ndone\n", "")
    );
}

/// There is no process that could continue it.
#[test]
fn a_program_in_an_orphaned_group_is_not_stopped() {
    let mut setsid = std::process::Command::new("setsid");
    crate::program::without_settings(&mut setsid);
    // The program leads the session, so no process of its session is in another group.
    setsid.args(["--wait", env!("CARGO_BIN_EXE_throng")]);
    let script = "kill -TSTP $PPID; sleep .2; echo done";
    setsid.args(["run", "sh", "-c", script, ":::", "x"]);
    setsid.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = finish(setsid.spawn().unwrap());
    assert_eq!(stdout(&output), "done\n", "{output:?}");
}
