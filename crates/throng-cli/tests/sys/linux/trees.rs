//! No process that a command has started survives an end that the command did not choose: a
//! timeout, Ctrl-C, `kill -9` of the program. What a command leaves behind when it ends normally
//! goes on.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use throng_tests::{Gate, Tag, eventually, with_enough_time};

use crate::program::{child, finish, run, start_with_stdin, stderr, stdout, without_settings};

/// The ways out of a group in which the process keeps either its environment or its parent.
const WAYS: [&str; 4] = ["daemon", "daemon-holder", "quiet", "bare-session"];

pub(super) fn kill(program: &Child, signal: Signal) {
    let pid = Pid::from_raw(program.id() as i32).unwrap();
    kill_process(pid, signal).unwrap();
}

/// A command whose tree has processes that escape in these ways; none of them ends when asked to.
pub(super) fn tree(tag: &Tag, ways: &[&str]) -> Vec<String> {
    let steps = ways.iter();
    let steps = steps.map(|way| format!("{way}:ignore-term,{tag},sleep:600000"));
    let program = [child().to_owned(), "ignore-term".into()].into_iter();
    program
        .chain(steps)
        .chain(["sleep:600000".into()])
        .collect()
}

/// Starts it with these options, and this command once; the value is the tag.
pub(super) fn start(options: &[&str], command: &[String], tag: &Tag) -> Child {
    let words = command.iter().map(String::as_str);
    let args: Vec<&str> = options.iter().copied().chain(words).collect();
    // From stdin, since throng itself must not have the tag on its command line.
    let mut words = args;
    words.insert(options.len() + 1, "{}");
    start_with_stdin(&words, format!("{tag}\n").as_bytes())
}

/// Waits until this many processes of a tree run, or it times out before that; returns whether they
/// did.
pub(super) fn await_tree(program: &mut Child, tag: &Tag, count: usize) -> bool {
    let mut is_whole = false;
    eventually("the tree is whole, or its time is over", || {
        is_whole = tag.pids().len() == count;
        is_whole || program.try_wait().unwrap().is_some()
    });
    is_whole
}

/// The children of a running program, whichever of its threads has started them.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids = lists.flat_map(|list| {
        let words = list.split_whitespace();
        words.map(|word| word.parse().unwrap()).collect::<Vec<_>>()
    });
    pids.collect()
}

pub(super) fn is_guardian(pid: u32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.ends_with(b"\0guardian\0")
}

#[test]
fn a_tree_that_times_out_ends_with_its_command() {
    let run = |timeout: Duration| {
        let tag = Tag::new();
        let timeout = timeout.as_secs().to_string();
        let options = ["--timeout", &timeout, "--termseq", "TERM,200,KILL"];
        let options = [&options[..], &["--output", "jsonl"]].concat();
        let mut program = start(&options, &tree(&tag, &WAYS), &tag);
        let was_whole = await_tree(&mut program, &tag, WAYS.len() + 1);
        let output = finish(program);
        assert_eq!(tag.pids(), [0; 0]);
        (output, was_whole)
    };
    let (output, was_whole) = with_enough_time(run, |(_, was_whole)| *was_whole);
    assert!(was_whole);
    let object: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(
        (&object["timed_out"], &object["signal"]),
        (&true.into(), &9.into())
    );
    assert!(object.get("survivors").is_none(), "{object}");
}

#[test]
fn an_interrupt_ends_even_a_process_that_lost_both_parent_and_environment() {
    let tag = Tag::new();
    let ways = [&WAYS[..], &["bare-daemon"]].concat();
    let options = ["--termseq", "TERM,200,KILL"];
    let program = start(&options, &tree(&tag, &ways), &tag);
    tag.await_deaf(ways.len() + 1);
    kill(&program, Signal::INT);
    let output = finish(program);
    assert_eq!(output.status.signal(), Some(2));
    assert_eq!(tag.pids(), [0; 0]);
    let said = stderr(&output);
    assert!(
        said.contains("interrupted: ") && !said.contains("still running"),
        "{said}"
    );
}

#[test]
fn an_interrupt_ends_processes_left_behind_by_commands_that_had_already_ended() {
    let tag = Tag::new();
    let daemons = format!("daemon:ignore-term,{tag},sleep:600000");
    let bare = format!("bare-daemon:{tag},sleep:600000");
    let mut command = run(&["-j1", "--termseq", "TERM,100,KILL", child()]);
    let mut program = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut values = program.stdin.take().unwrap();
    writeln!(values, "{daemons}\n{bare}\nexit:0").unwrap();
    tag.await_count(2);
    kill(&program, Signal::INT);
    assert_eq!(finish(program).status.signal(), Some(2));
    assert_eq!(tag.pids(), [0; 0]);
    drop(values);
}

#[test]
fn nothing_is_left_when_the_program_is_killed() {
    let tag = Tag::new();
    let ways = ["daemon", "daemon-holder", "quiet"];
    let mut program = start(&[], &tree(&tag, &ways), &tag);
    tag.await_count(ways.len() + 1);
    let pid = program.id();
    eventually("the guardian runs", || {
        children(pid).into_iter().any(is_guardian)
    });
    program.kill().unwrap();
    // Its streams are closed when all processes that had them have ended.
    finish(program);
    tag.await_gone();
}

#[test]
fn processes_left_behind_go_on_and_the_guardian_ends() {
    let tag = Tag::new();
    let mut command = run(&["-j1", child()]);
    let mut program = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut values = program.stdin.take().unwrap();
    writeln!(values, "daemon:{tag},sleep:600000").unwrap();
    tag.await_count(1);
    let mut guardian = None;
    eventually("the guardian runs", || {
        guardian = children(program.id())
            .into_iter()
            .find(|pid| is_guardian(*pid));
        guardian.is_some()
    });
    let guardian = guardian.unwrap();
    for (fd, what) in [(0, "pipe:"), (1, "/dev/null"), (2, "/dev/null")] {
        let link = fs::read_link(format!("/proc/{guardian}/fd/{fd}")).unwrap();
        assert!(link.to_str().unwrap().starts_with(what), "{fd}: {link:?}");
    }
    drop(values);
    assert_eq!(finish(program).status.code(), Some(0));
    assert_eq!(tag.pids().len(), 1);
    assert!(!is_guardian(guardian));
}

/// A pipe that the guardian kept open would not end, and its reader would wait for ever.
#[test]
fn the_guardian_inherits_nothing_even_if_close_range_is_refused() {
    let own = Path::new(env!("CARGO_BIN_EXE_throng"));
    let confine = own.with_file_name("confine");
    for refusals in ["-", "close_range=EPERM", "close_range=ENOSYS"] {
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec 9</etc/passwd; exec "$@""#, "sh"]);
        command.arg(&confine).args([refusals, "--"]).arg(own);
        command.args(["run", child(), ":::", "sleep:600000"]);
        without_settings(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let program = command.spawn().unwrap();
        let what_it_has = |guardian: u32| {
            let entries = fs::read_dir(format!("/proc/{guardian}/fd"))
                .unwrap()
                .flatten();
            let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
            links.collect::<Vec<_>>()
        };
        let mut found = Vec::new();
        eventually("the guardian has closed what is not its own", || {
            let guardian = children(program.id())
                .into_iter()
                .find(|pid| is_guardian(*pid));
            found = guardian.map(what_it_has).unwrap_or_default();
            // It opens /proc when everything is closed.
            found.contains(&PathBuf::from("/proc"))
        });
        let passwd = Path::new("/etc/passwd");
        assert!(
            !found.iter().any(|link| link == passwd),
            "{refusals}: {found:?}"
        );
        kill(&program, Signal::INT);
        finish(program);
    }
}

#[test]
fn ended_orphans_are_reaped_during_the_run() {
    let mut command = run(&["-j1", child()]);
    let mut program = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut values = program.stdin.take().unwrap();
    let gate = Gate::new();
    for _ in 0..20 {
        writeln!(values, "daemon:{}", gate.step()).unwrap();
    }
    let pid = program.id();
    let orphans = || {
        children(pid)
            .into_iter()
            .filter(|pid| !is_guardian(*pid))
            .count()
    };
    eventually("orphans come", || orphans() == 20);
    gate.open();
    eventually("all are gone", || orphans() == 0);
    drop(values);
    assert_eq!(finish(program).status.code(), Some(0));
}
