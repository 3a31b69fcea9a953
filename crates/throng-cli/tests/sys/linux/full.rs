//! If something cannot be written, the run ends with a line that names it; nothing is dropped
//! silently.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use throng_tests::os::on_small_disk;
use throng_tests::{Source, check_pattern, eventually};

use crate::program::{child, finish, output, run, stderr, stdout};

/// Runs the program with one megabyte of disk in this directory. Its streams are ours, except those
/// that these shell words redirect. `None` if no file system can be mounted.
fn output_on_small_disk(dir: &Path, streams: &str, args: &[&str]) -> Option<Output> {
    let starter = on_small_disk(dir, 1 << 20)?;
    let program = run(args);
    let mut command = Command::new(&starter[0]);
    let script = format!("exec \"$@\" {streams}");
    command
        .args(&starter[1..])
        .args(["sh", "-c", &script, "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    for (key, value) in program.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command.current_dir(dir.parent().unwrap());
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(finish(command.spawn().unwrap()))
}

/// A directory to mount it at, inside one that is removed with everything in it.
fn place() -> (tempfile::TempDir, std::path::PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("disk");
    fs::create_dir(&dir).unwrap();
    (outer, dir)
}

/// Values of which each takes a third of the disk, and others that are not waited for.
const THIRDS: [&str; 7] = [
    "out:350000",
    "out:350001",
    "out:350002",
    "out:350003",
    "sleep:600000",
    "sleep:600001",
    "sleep:600002",
];

fn is_refused(output: &Output, named: &str) {
    assert_eq!(output.status.code(), Some(255), "{output:?}");
    assert!(stderr(output).contains(named), "{output:?}");
    assert_eq!(stderr(output).lines().count(), 1, "{output:?}");
}

#[test]
fn a_log_on_a_full_disk_is_refused_before_anything_starts() {
    let refused = output(&["--joblog", "/dev/full", child(), ":::", "outs:x"]);
    is_refused(&refused, "cannot write --joblog /dev/full: No space left");
    assert_eq!(stdout(&refused), "");
}

#[test]
fn a_disk_that_fills_up_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.csv");
    symlink("/dev/full", &path).unwrap();
    let path = path.to_str().unwrap();
    let words = ["-j1", "--results", path, child(), ":::", "outs:x"];
    let ended = output(&[&words[..], &["sleep:30000"; 9]].concat());
    is_refused(
        &ended,
        &format!("cannot write --results {path}: No space left"),
    );
}

#[test]
fn a_capture_on_a_full_disk_is_reported_in_one_line_and_by_the_exit_status() {
    let (_outer, dir) = place();
    let shown = dir.to_str().unwrap();
    let words = ["-j1", "-k", "--memory", "0", "--tmpdir", shown];
    // The third value needs no disk, since the second may not have freed its space yet.
    let values = [":::", "out:20000", "out:3000000", "out:20000", "exit:1"];
    let args = [&words[..], &[child()], &values].concat();
    let Some(output) = output_on_small_disk(&dir, "", &args) else {
        return;
    };
    let expected = format!(
        "throng: \"{} out:3000000\": stdout failed: cannot keep stdout of \"{}\" in {shown}: \
         No space left on device (os error 28)\n",
        child(),
        child()
    );
    assert_eq!(stderr(&output), expected);
    assert_eq!(output.status.code(), Some(255), "and not 1");
    let (first, rest) = output.stdout.split_at(20_000);
    let (kept, last) = rest.split_at(1 << 20);
    check_pattern(Source::Out, first, 20_000).unwrap();
    check_pattern(Source::Out, kept, 1 << 20).unwrap();
    check_pattern(Source::Out, last, 20_000).unwrap();
}

#[test]
fn output_that_could_not_be_kept_has_a_reason_in_json_and_no_record() {
    let (outer, dir) = place();
    let shown = dir.to_str().unwrap();
    let words = [
        "--output", "jsonl", "--memory", "0", "--tmpdir", shown, "-j1",
    ];
    let [log, results] = ["log", "results"].map(|name| outer.path().join(name));
    let records = [
        "--joblog",
        log.to_str().unwrap(),
        "--results",
        results.to_str().unwrap(),
    ];
    let args = [
        &words[..],
        &records,
        &[child(), ":::", "out:3000000", "out:7"],
    ]
    .concat();
    let Some(output) = output_on_small_disk(&dir, "", &args) else {
        return;
    };
    assert_eq!(output.status.code(), Some(255), "{}", stderr(&output));
    let objects: Vec<serde_json::Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects[0]["stdout_verdict"], "failed");
    let why = objects[0]["stdout_error"].as_str().unwrap();
    assert!(
        why.contains(shown) && why.contains("No space left"),
        "{why}"
    );
    assert!(objects[0].get("stderr_error").is_none() && objects[1].get("stdout_error").is_none());
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(
        log.lines().count(),
        2,
        "a run that resumes this one has it to do: {log}"
    );
    assert!(!results.join("1/out:3000000/stdout").exists());
    assert!(results.join("1/out:7/stdout").exists());
}

#[test]
fn a_record_on_a_disk_that_fills_up_ends_the_run_with_a_message() {
    let (_outer, dir) = place();
    let shown = dir.to_str().unwrap();
    let (table, log) = (format!("{shown}/x.csv"), format!("{shown}/log"));
    // As long as a line of the log will be.
    let long = format!("tag:{}", "x".repeat(100_000));
    let runs: [(&[&str], &[&str], &str); 3] = [
        (
            &["--results", shown],
            &[],
            "--results \"DISK/1/out:350002/stdout\"",
        ),
        (
            &["--output", "none", "--results", &table],
            &[],
            "--results DISK/x.csv",
        ),
        (&["--joblog", &log], &[&long], "--joblog DISK/log"),
    ];
    for (record, steps, named) in runs {
        let many = ["out:1"; 12];
        let values = if steps.is_empty() { &[][..] } else { &many };
        let words = [&["-j1"], record, &[child()], steps, &["{}", ":::"], values];
        let args = [&words.concat()[..], &THIRDS].concat();
        let Some(output) = output_on_small_disk(&dir, "", &args) else {
            return;
        };
        let named = named.replace("DISK", shown);
        is_refused(&output, &format!("cannot write {named}: No space left"));
    }
}

#[test]
fn stdout_on_a_disk_that_fills_up_ends_the_run_with_a_message() {
    let (_outer, dir) = place();
    for mode in ["group", "line", "live", "jsonl"] {
        let words = ["-j1", "--output", mode, child(), ":::"];
        let args = [&words[..], &THIRDS].concat();
        let Some(output) = output_on_small_disk(&dir, "> disk/out", &args) else {
            return;
        };
        is_refused(
            &output,
            "throng: cannot write to stdout: No space left on device",
        );
    }
}

#[test]
fn stderr_on_a_disk_that_fills_up_is_reported_by_the_exit_status_alone() {
    let (_outer, dir) = place();
    let words = ["-j1", child(), ":::", "err:700000", "err:700001", "out:5"];
    let Some(output) = output_on_small_disk(&dir, "2> disk/err", &words) else {
        return;
    };
    assert_eq!(output.status.code(), Some(255), "{output:?}");
    assert_eq!(output.stdout.len(), 5, "all others are run");
}

#[test]
fn output_that_has_to_wait_but_cannot_be_kept_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let [spool, begun, go] = ["spool", "begun", "go"].map(|name| dir.path().join(name));
    fs::create_dir(&spool).unwrap();
    let begin = format!("make-file:{}", begun.display());
    let wait = format!("wait-file:{}", go.display());
    let never = format!("wait-file:{}", dir.path().join("never").display());
    let words = [
        "-j2",
        "-k",
        "--memory",
        "1",
        "--tmpdir",
        spool.to_str().unwrap(),
    ];
    let steps = [
        child(),
        "{1}",
        "{2}",
        "outs:x",
        ":::",
        &begin,
        &wait,
        ":::+",
        &never,
        "tag:x",
    ];
    let throng = run(&[&words[..], &steps].concat()).spawn().unwrap();
    eventually("the first command runs", || begun.exists());
    fs::remove_dir(&spool).unwrap();
    fs::write(&go, "").unwrap();
    let named = "--keep-order: what waits for an earlier command cannot be kept in ";
    is_refused(&finish(throng), &format!("{named}{}", spool.display()));
}
