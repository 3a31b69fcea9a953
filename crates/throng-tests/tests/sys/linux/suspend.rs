//! Processes that stand still are stopped, with their groups.

use throng::{Stream, Throng};
use throng_tests::{Tag, assert_complete, child, eventually, for_each_mechanism};

fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    after_name.trim_start().starts_with('T')
}

#[test]
fn processes_and_what_they_started_are_stopped_and_continued() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let go = dir.path().join("go");
        let ready = dir.path().join("ready");
        let tag = Tag::new();
        let throng = Throng::builder().mechanism(mechanism).jobs(2).build();
        let throng = throng.unwrap();
        let wait = format!("wait-file:{}", go.display());
        let inner = format!("wait-child:{tag},make-file:{},{wait}", ready.display());
        let process = throng.spawn(&child!("{tag} {inner} {wait} out:3"));
        // Who is stopped while he starts another may wait for that one, and then is not stopped.
        eventually("the inner one runs", || ready.exists());
        throng.suspend();
        eventually("both are stopped", || {
            tag.pids().into_iter().all(is_stopped)
        });
        std::fs::write(&go, "").unwrap();
        throng.resume();
        let outcome = process.wait().unwrap();
        assert_complete(&outcome);
        assert_eq!(outcome.capture().len(Stream::Stdout), 3);
    });
}
