//! How runs end, and that nothing is left of them.

mod program;

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use program::{finish, kill, mark, marked, output, output_with_stdin, run, stderr, stdout, until};
use rustix::process::Signal;

#[test]
fn the_exit_status_counts_failures() {
    let status = |script: &str, values: &[&str]| {
        output(&[&["sh", "-c", script, ":::"], values].concat())
            .status
            .code()
    };
    assert_eq!(status("exit 0", &["1", "2"]), Some(0));
    assert_eq!(status("exit $0", &["0", "7", "1"]), Some(2));
    assert_eq!(status("kill -9 $$", &["x"]), Some(1));
    let many: String = (0..150).map(|n| format!("{n}\n")).collect();
    assert_eq!(
        output_with_stdin(&["false"], many.as_bytes()).status.code(),
        Some(101)
    );
}

#[test]
fn a_held_stream_keeps_nobody_waiting_and_its_holder_is_named() {
    let start = Instant::now();
    let output = output(&["sh", "-c", "sleep 30 & echo hi $!", ":::", "x"]);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "it waited for the holder"
    );
    let pid: u32 = stdout(&output)
        .trim()
        .strip_prefix("hi ")
        .unwrap()
        .parse()
        .unwrap();
    kill(pid, Signal::KILL);
    let named = format!("stdout and stderr held by pid {pid} (sleep 30)");
    assert!(stderr(&output).contains(&named), "{output:?}");
    assert!(output.status.success());
}

#[test]
fn a_timeout_ends_a_command_and_all_that_it_started() {
    let mark = mark();
    let script = format!("trap '' TERM; sh -c 'trap \"\" TERM; sleep 30; :' {mark} & sleep 30; :");
    let args = [
        "--timeout",
        "200ms",
        "--termseq",
        "TERM,100,KILL",
        "sh",
        "-c",
        &script,
        ":::",
        &mark,
    ];
    let output = output(&args);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("ran out of time"), "{output:?}");
    until("the tree is gone", || marked(&mark).is_empty());
}

/// Starts this many commands that sleep, and waits until all run.
fn sleepers(n: usize, script: &str, mark: &str) -> std::process::Child {
    let jobs = n.to_string();
    let mut command = run(&["-j", &jobs, "sh", "-c", script, mark, ":::"]);
    command.args((0..n).map(|i| i.to_string()));
    let child = command.spawn().unwrap();
    until("all commands run", || marked(mark).len() == n);
    child
}

#[test]
fn an_interrupt_ends_what_runs_and_says_so() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mark = mark();
        let child = sleepers(5, "sleep 30", &mark);
        kill(child.id(), signal);
        let output = finish(child);
        assert_eq!(output.status.code(), Some(code));
        assert!(
            stderr(&output).contains("interrupted: 0 succeeded, 5 failed"),
            "{output:?}"
        );
        assert_eq!(marked(&mark), [0; 0]);
    }
}

#[test]
fn a_second_interrupt_kills_what_refuses_to_end() {
    let mark = mark();
    let script = "trap '' TERM; echo ready >&2; while :; do sleep 1; done";
    let child = sleepers(3, script, &mark);
    // The traps are set when the shells have children of their own.
    until("the traps are set", || {
        marked(&mark).iter().all(|pid| {
            let children = format!("/proc/{pid}/task/{pid}/children");
            std::fs::read_to_string(children).is_ok_and(|text| !text.is_empty())
        })
    });
    kill(child.id(), Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        marked(&mark).len(),
        3,
        "they ignore TERM, and KILL comes after two seconds"
    );
    kill(child.id(), Signal::INT);
    let output = finish(child);
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(marked(&mark), [0; 0]);
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
fn a_closed_stdout_ends_the_run_quietly() {
    for mode in ["group", "line", "live", "jsonl"] {
        let mark = mark();
        let mut command = run(&[
            "--output",
            mode,
            "-j4",
            "sh",
            "-c",
            "echo $1; sleep 0.01",
            &mark,
        ]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut feed = child.stdin.take().unwrap();
        let feeder = std::thread::spawn(move || {
            use std::io::Write;
            while feed.write_all(b"y\n").is_ok() {}
        });
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        drop(out);
        let output = finish(child);
        feeder.join().unwrap();
        assert_eq!(output.status.code(), Some(141), "{mode}");
        assert_eq!(stderr(&output), "", "{mode}");
        assert_eq!(marked(&mark), [0; 0], "{mode}");
    }
}

#[test]
fn nothing_outlives_a_killed_throng() {
    let mark = mark();
    // `exec`, so that there is no tree below: that takes more than a parent-death signal.
    let child = sleepers(50, &format!("exec tail -f /dev/null {mark}"), &mark);
    kill(child.id(), Signal::KILL);
    let _ = finish(child);
    until("all are gone", || marked(&mark).is_empty());
}

#[test]
fn an_endless_source_starts_at_once_and_memory_stays_flat() {
    let mut command = run(&["-j4", "echo"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut feed = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        use std::io::Write;
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
    let feeder = std::thread::spawn(move || {
        use std::io::Write;
        while feed.write_all(b"y\n").is_ok() {}
    });
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
