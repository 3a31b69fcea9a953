//! What other processes of the same user or the same machine cannot do to a run: make throng end
//! processes that are not its own, hide from it, or disable its guardian.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use throng_tests::{Tag, eventually};

use super::trees::{children, is_guardian, kill, start, tree};
use crate::program::{child, finish, output, run, stderr, stdout, without_settings};

/// The guardian of a running program, other than this one.
fn guardian(program: &Child, other: u32) -> u32 {
    let mut guardian = 0;
    eventually("a guardian runs", || {
        let mut children = children(program.id()).into_iter();
        let found = children.find(|pid| *pid != other && is_guardian(*pid));
        guardian = found.unwrap_or(0);
        found.is_some()
    });
    guardian
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

fn state(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (_, rest) = stat.rsplit_once(") ").unwrap_or_default();
    rest.chars().take(1).collect()
}

#[test]
fn a_process_that_kills_the_guardian_does_not_escape() {
    let tag = Tag::new();
    let ways = ["daemon", "daemon-holder", "quiet"];
    let mut program = start(&[], &tree(&tag, &ways), &tag);
    tag.await_count(ways.len() + 1);
    let first = guardian(&program, 0);
    send(first, Signal::KILL);
    let second = guardian(&program, first);
    send(second, Signal::STOP);
    eventually("it is continued", || state(second) == "S");
    program.kill().unwrap();
    let output = finish(program);
    tag.await_gone();
    let said = stderr(&output);
    assert!(said.contains(&format!("(pid {first})")), "{said}");
    assert!(
        said.contains(&format!("another was started (pid {second})")),
        "{said}"
    );
    assert_eq!(said.lines().count(), 2, "{said}");
}

/// How many children of a program have ended and have not been waited for.
fn dead(pid: u32) -> usize {
    children(pid)
        .into_iter()
        .filter(|pid| state(*pid) == "Z")
        .count()
}

#[test]
fn a_process_that_keeps_forking_is_ended_or_named() {
    for way in ["hop", "bare-hop"] {
        let (tag, dir) = (Tag::new(), tempfile::tempdir().unwrap());
        let file = dir.path().join("go-on");
        fs::write(&file, "").unwrap();
        // The steps of the command are its value, which is one word.
        let args = ["-j1", "--colsep", " ", "--termseq", "KILL", child()];
        let mut program = run(&args).stdin(Stdio::piped()).spawn().unwrap();
        let mut values = program.stdin.take().unwrap();
        writeln!(values, "{tag} {way}:{}", file.display()).unwrap();
        let hops = || !tag.pids().is_empty();
        eventually("it hops", hops);
        kill(&program, Signal::INT);
        let output = finish(program);
        assert_eq!(output.status.signal(), Some(2));
        let is_named = stderr(&output).contains("was killed but is still running");
        let goes_on = (0..100).any(|_| hops());
        fs::remove_file(&file).unwrap();
        assert!(!goes_on || is_named, "{way}: {}", stderr(&output));
        tag.await_gone();
    }
}

#[test]
fn a_process_that_keeps_forking_is_ended_or_named_at_a_timeout() {
    let (tag, dir) = (Tag::new(), tempfile::tempdir().unwrap());
    let file = dir.path().join("go-on");
    fs::write(&file, "").unwrap();
    let leaves = format!("daemon:{tag},hop:{}", file.display());
    let mut program = run(&[
        "--timeout",
        "3s",
        "--termseq",
        "KILL",
        child(),
        &leaves,
        ":::",
    ]);
    let program = program.arg("sleep:600000").spawn().unwrap();
    let hops = || !tag.pids().is_empty();
    eventually("it hops", hops);
    let output = finish(program);
    let is_named = stderr(&output).contains("was killed but is still running");
    let goes_on = (0..100).any(|_| hops());
    fs::remove_file(&file).unwrap();
    assert!(!goes_on || is_named, "{}", stderr(&output));
    tag.await_gone();
}

#[test]
fn a_holder_of_a_stream_cannot_forge_our_messages() {
    let tag = Tag::new();
    let noise = "\x1b[2J\nthrong: forged\u{202e}";
    let holder = format!("holder:{tag},sleep:600000,tag:{noise}{}", "x".repeat(5000));
    let output = output(&["--grace", "1ms", child(), &holder, ":::", "exit:0"]);
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said:?}");
    assert!(said.contains("stdout and stderr held by pid "), "{said:?}");
    assert!(
        !said.contains(['\x1b', '\u{202e}']) && said.len() < 400,
        "{said:?}"
    );
    for pid in tag.pids() {
        send(pid, Signal::KILL);
    }
}

#[test]
fn names_of_programs_are_shown_as_text() {
    let output = output(&["no\x1b[31msuch\x07", ":::", "1"]);
    let said = stderr(&output);
    assert!(
        said.contains("no\\u{1b}[31msuch\\u{7}") && !said.contains('\x1b'),
        "{said:?}"
    );
}

/// The command that creates a PID namespace with these options, if that is possible here.
pub(super) fn unshare(options: &[&str]) -> Option<Command> {
    for user in [&[][..], &["--user", "--map-root-user"]] {
        let command = || {
            let mut command = Command::new("unshare");
            without_settings(&mut command);
            command.args(user).args(["--pid", "--fork"]).args(options);
            command
        };
        if command()
            .arg("true")
            .status()
            .is_ok_and(|status| status.success())
        {
            return Some(command());
        }
    }
    eprintln!("no process namespace can be made here");
    None
}

#[test]
fn as_init_of_a_namespace_throng_waits_for_all_orphans() {
    let Some(mut unshare) = unshare(&["--mount-proc"]) else {
        return;
    };
    unshare.args([env!("CARGO_BIN_EXE_throng"), "run", "-j4", child()]);
    let mut outer = unshare.stdin(Stdio::piped()).spawn().unwrap();
    let mut values = outer.stdin.take().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let [begun, end] = ["begun", "end"].map(|name| dir.path().join(name));
    let daemon = format!(
        "daemon:enter:{},wait-file:{}",
        begun.display(),
        end.display()
    );
    fs::create_dir(&begun).unwrap();
    for _ in 0..200 {
        writeln!(values, "{daemon}").unwrap();
    }
    eventually("all have been left behind", || {
        fs::read_dir(&begun).unwrap().count() == 200
    });
    let inner = children(outer.id());
    assert_eq!(inner.len(), 1);
    fs::write(&end, "").unwrap();
    eventually("none of them is left, dead or alive", || {
        let children = children(inner[0]).into_iter();
        children.filter(|pid| !is_guardian(*pid)).count() == 0
    });
    assert_eq!(dead(inner[0]), 0);
    drop(values);
    assert!(outer.wait().unwrap().success());
}

/// The leader of this job's session is outside of the namespace and has no id in it.
#[test]
fn ctrl_z_stops_a_job_in_a_namespace_too() {
    let Some(mut unshare) = unshare(&["--mount-proc", "--kill-child"]) else {
        return;
    };
    let script = r#"
        set -m
        "$0" run sh -c 'kill -TSTP $PPID; sleep .1; echo done' ::: x &
        for i in $(seq 3000); do
            if grep -q 'T (stopped)' /proc/$!/status; then echo stopped; break; fi
            sleep .01
        done
        kill -CONT $!; wait -f $!"#;
    unshare.args(["bash", "-c", script, env!("CARGO_BIN_EXE_throng")]);
    unshare.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = finish(unshare.spawn().unwrap());
    assert_eq!(stdout(&output), "stopped\ndone\n", "{output:?}");
}

/// The terminal could not be taken back from a command.
#[test]
fn a_program_whose_group_is_outside_its_namespace_cannot_lend_the_terminal() {
    let Some(mut unshare) = unshare(&["--mount-proc"]) else {
        return;
    };
    unshare.args([env!("CARGO_BIN_EXE_throng"), "run", "--tty", "true"]);
    unshare.args([":::", "x"]).stderr(Stdio::piped());
    let output = finish(unshare.spawn().unwrap());
    let said = stderr(&output);
    assert!(
        said.starts_with("throng: --tty: the process group of this program is outside")
            && said.contains("(bash -m)"),
        "{said}"
    );
    assert_eq!((said.lines().count(), output.status.code()), (1, Some(255)));
}

/// In a namespace that has no /proc of its own, the ids shown there denote other processes inside.
/// So inside there is a process with every id that one of our daemons may have outside.
#[test]
fn no_process_is_mistaken_for_another_if_proc_belongs_to_another_namespace() {
    const STRANGERS: usize = 200;
    let Some(mut unshare) = unshare(&[]) else {
        return;
    };
    let (strangers, ours) = (Tag::new(), Tag::new());
    let script = r#"
        read -r last
        echo $((last + 100)) >/proc/sys/kernel/ns_last_pid || exit 9
        i=0
        while [ $i -lt 200 ]; do
            "$child" "$strangers" sleep:600000 & i=$((i + 1))
        done
        echo ready
        read -r _
        "$throng" run --timeout 2 "$child" "daemon:$ours,sleep:600000" sleep:600000 ::: exit:0
        echo "code $?"
        read -r _
    "#;
    // Not as arguments, because only the intended processes may have a tag there.
    let variables = [
        ("child", child()),
        ("throng", env!("CARGO_BIN_EXE_throng")),
        ("strangers", &strangers.to_string()),
        ("ours", &ours.to_string()),
    ];
    unshare.args(["sh", "-c", script]).envs(variables);
    unshare
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut outer = unshare.spawn().unwrap();
    let mut stdin = outer.stdin.take().unwrap();
    let mut stdout = BufReader::new(outer.stdout.take().unwrap());
    let mut line = String::new();
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    let last = load.split_whitespace().last().unwrap();
    writeln!(stdin, "{last}").unwrap();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    strangers.await_count(STRANGERS);
    writeln!(stdin).unwrap();
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(strangers.pids().len(), STRANGERS, "{line}");
    assert_eq!(line, "code 1\n");
    drop(stdin);
    let said = finish(outer);
    assert_eq!(stderr(&said).matches("there is no guardian").count(), 1);
    assert_eq!(stderr(&said).matches("guardian").count(), 1);
    // All others end with the first process of the namespace.
    strangers.await_gone();
    ours.await_gone();
}

#[test]
fn any_directory_name_is_shown_as_text() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a\nthrong: b\x1b[0m");
    fs::write(&file, "").unwrap();
    let output = output(&["--wd", file.to_str().unwrap(), child(), ":::", "exit:0"]);
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said:?}");
    assert!(
        said.contains("a\\nthrong: b") && !said.contains('\x1b'),
        "{said:?}"
    );
}
