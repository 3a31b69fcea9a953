//! With control groups no process escapes, not even one that has lost both its parent and its
//! environment, and no group is left however the run ends. Where groups cannot be created, this is
//! reported and everything else works as without them; in that case this is what is tested here.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use throng::os::linux::{Cgroups, probe_cgroups};
use throng_tests::{Tag, eventually, with_enough_time};

use super::trees::{await_tree, children, is_guardian, kill, start, tree};
use crate::program::{child, finish, output, run, start_with_stdin, stderr, stdout};

/// Every way to escape, and the one that only a control group finds after a timeout or a kill.
const WAYS: [&str; 5] = [
    "daemon",
    "daemon-holder",
    "quiet",
    "bare-session",
    "bare-daemon",
];

const KINDS: [&str; 2] = ["run", "command"];

const SOON: [&str; 2] = ["--termseq", "TERM,200,KILL"];

/// Whether there are control groups. If not, checks that the program reports it and goes on.
fn has_groups() -> bool {
    let Err(refusal) = probe_cgroups(Cgroups::Command) else {
        return true;
    };
    eprintln!("only the refusal is tested: {refusal}");
    for kind in KINDS {
        assert_refused(&output(&[
            "--cgroup",
            kind,
            child(),
            "outs:here",
            ":::",
            "exit:0",
        ]));
    }
    false
}

#[track_caller]
fn assert_refused(output: &Output) {
    let said = stderr(output);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stdout(output), "here");
    assert!(
        said.starts_with("throng: control groups cannot be used: "),
        "{said}"
    );
    assert!(said.ends_with("; the run goes on without\n"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// Starts a tree in which no process ends when asked to; returns the group of its run as well.
fn start_tree(options: &[&str], tag: &Tag) -> (Child, PathBuf) {
    let program = start(&[&SOON[..], options].concat(), &tree(tag, &WAYS), tag);
    tag.await_count(WAYS.len() + 1);
    let group = tag.group_of_run();
    assert!(group.exists());
    (program, group)
}

fn await_guardian(program: &Child) {
    let guardian = || {
        children(program.id())
            .into_iter()
            .find(|pid| is_guardian(*pid))
    };
    let group = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    // The process has left the group of the run.
    eventually("the guardian runs", || {
        guardian().is_some_and(|pid| !group(pid).contains("/throng-"))
    });
}

#[test]
fn no_process_survives_a_timeout_if_each_command_has_a_group() {
    if !has_groups() {
        return;
    }
    let run = |timeout: Duration| {
        let tag = Tag::new();
        let timeout = timeout.as_secs().to_string();
        let options = ["--cgroup", "command", "--timeout", &timeout];
        let options = [&SOON[..], &options, &["--output", "jsonl"]].concat();
        let mut program = start(&options, &tree(&tag, &WAYS), &tag);
        let was_whole = await_tree(&mut program, &tag, WAYS.len() + 1);
        let group = tag.find_group_of_run().filter(|_| was_whole);
        let output = finish(program);
        assert_eq!(tag.pids(), [0; 0]);
        (output, group)
    };
    let (output, group) = with_enough_time(run, |(_, group)| group.is_some());
    let group = group.expect("it was there before the time was over");
    let object: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(object["timed_out"], true);
    assert!(object.get("survivors").is_none(), "{object}");
    assert_eq!(stderr(&output), "");
    assert!(!group.exists());
}

#[test]
fn no_process_survives_a_kill_of_the_program_and_the_guardian_removes_the_groups() {
    if !has_groups() {
        return;
    }
    for kind in KINDS {
        let tag = Tag::new();
        let (mut program, group) = start_tree(&["--cgroup", kind], &tag);
        await_guardian(&program);
        program.kill().unwrap();
        finish(program);
        tag.await_gone();
        eventually("the groups are removed", || !group.exists());
    }
}

#[test]
fn an_interrupt_leaves_no_process_and_no_group() {
    if !has_groups() {
        return;
    }
    for kind in KINDS {
        let tag = Tag::new();
        let (program, group) = start_tree(&["--cgroup", kind], &tag);
        kill(&program, Signal::INT);
        let output = finish(program);
        assert_eq!(output.status.signal(), Some(2));
        assert_eq!(tag.pids(), [0; 0], "{kind}");
        assert!(!stderr(&output).contains("still running"), "{output:?}");
        assert!(!group.exists(), "{kind}");
    }
}

#[test]
fn processes_left_behind_go_on_in_the_group_of_the_program() {
    if !has_groups() {
        return;
    }
    for kind in KINDS {
        let tag = Tag::new();
        let value = format!("bare-daemon:{tag},sleep:600000\n");
        let program = start_with_stdin(&["--cgroup", kind, child()], value.as_bytes());
        let output = finish(program);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(stderr(&output), "");
        assert_eq!(tag.control_groups(), [home()], "{kind}");
    }
}

/// Four cases of one program within another: the inner one is a command of the outer one, and its
/// groups are below those of the outer one.
#[test]
fn a_throng_within_a_throng_has_its_groups_below() {
    if !has_groups() {
        return;
    }
    let kinds = KINDS.iter();
    for (outer, inner) in kinds.flat_map(|outer| KINDS.map(|inner| (*outer, inner))) {
        // Ends by itself: what is left behind goes on in the group in which the outer one was
        // started.
        let tag = Tag::new();
        let values = format!("bare-daemon:{tag},sleep:600000");
        let output = finish(start_nested(&["--cgroup", outer], inner, &values));
        assert!(output.status.success(), "{output:?}");
        assert_eq!(stderr(&output), "");
        assert_eq!(tag.control_groups(), [home()], "{outer} {inner}");

        // Is killed as a part of the outer one's tree, together with its guardian.
        let run = |timeout: Duration| {
            let tag = Tag::new();
            let values = format!("bare-daemon:ignore-term,{tag},sleep:600000 sleep:600000");
            let timeout = timeout.as_secs().to_string();
            let options = [&SOON[..], &["--timeout", &timeout, "--cgroup", outer]].concat();
            let mut program = start_nested(&options, inner, &values);
            await_tree(&mut program, &tag, 1);
            let groups = (tag.find_group_of_run(), tag.control_groups().pop());
            (finish(program), tag, groups)
        };
        let run = with_enough_time(run, |(.., groups)| groups.1.is_some());
        let (output, tag, (Some(group), Some(below))) = run else {
            panic!("no group before the time was over: {run:?}");
        };
        let levels = below.strip_prefix(home()).unwrap().iter();
        let runs = levels.filter(|name| name.as_encoded_bytes().starts_with(b"throng-"));
        assert_eq!(runs.count(), 2, "{below:?}");
        assert_eq!(output.status.code(), Some(1));
        // With a group for the run alone, this process is not found and goes on in its own group.
        if outer == "command" {
            assert_eq!(tag.pids(), [0; 0], "{outer} {inner}");
        }
        assert!(tag.control_groups().iter().all(|group| *group == home()));
        assert!(!group.exists(), "{outer} {inner}");
    }
}

/// Runs, with these options, a throng that runs a throng with these values.
fn start_nested(options: &[&str], inner: &str, values: &str) -> Child {
    let (program, child) = (env!("CARGO_BIN_EXE_throng"), child());
    let line = format!("{program} run -j9 --cgroup {inner} {child} ::: {values}\n");
    start_with_stdin(options, line.as_bytes())
}

fn home() -> PathBuf {
    probe_cgroups(Cgroups::Run).unwrap()
}

#[test]
fn without_control_groups_this_is_reported_and_commands_run_as_usual() {
    if !has_groups() {
        return;
    }
    // A group that must have no groups below it.
    let full = home().join(format!("full-{}", std::process::id()));
    fs::create_dir(&full).unwrap();
    let _removed = Removed(&full);
    fs::write(full.join("cgroup.max.descendants"), "0").unwrap();
    for kind in KINDS {
        let program = run(&["--cgroup", kind, child(), "outs:here", ":::", "exit:0"]);
        let mut command = Command::new("sh");
        let script = "echo 0 > \"$0/cgroup.procs\" && exec \"$@\"";
        command.arg("-c").arg(script).arg(&full);
        command.arg(program.get_program()).args(program.get_args());
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        assert_refused(&finish(command.spawn().unwrap()));
    }
}

struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        // A process that has just ended may be in it for a moment.
        eventually("it is empty", || fs::remove_dir(self.0).is_ok());
    }
}
