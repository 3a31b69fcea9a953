//! What cannot be written ends the run with a line that names it; nothing is given up quietly.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;

use throng_tests::eventually;

use crate::program::{child, finish, output, run, stderr, stdout};

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
fn a_disk_that_gets_full_ends_the_run() {
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
fn what_has_to_wait_and_cannot_be_kept_ends_the_run() {
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
    let named = "--keep-order: what waits for an earlier command cannot be kept";
    is_refused(&finish(throng), named);
}
