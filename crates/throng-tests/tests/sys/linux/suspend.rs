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
        let tag = Tag::new();
        let throng = Throng::builder().mechanism(mechanism).jobs(2).build();
        let throng = throng.unwrap();
        let wait = format!("wait-file:{}", go.display());
        let process = throng.spawn(&child!("{tag} wait-child:{tag},{wait} {wait} out:3"));
        tag.await_count(2);
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
