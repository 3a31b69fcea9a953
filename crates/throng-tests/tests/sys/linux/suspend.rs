//! Suspended processes are stopped, together with everything that they have started.

use std::time::Duration;

use throng::{KillSequence, Signal, Stream, Throng};
use throng_tests::{Tag, assert_complete, child, eventually, for_each_mechanism, poll_once};

/// Every way out of a group that keeps the parent or the environment, and `quiet`, which stays.
const WAYS: [&str; 4] = ["daemon", "daemon-holder", "quiet", "bare-session"];

fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    after_name.trim_start().starts_with('T')
}

#[test]
fn processes_and_their_descendants_are_stopped_and_continued() {
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
        // A process that is stopped while it starts another may wait for that one, and then is not
        // stopped.
        eventually("the inner one runs", || ready.exists());
        assert!(throng.suspend());
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

#[test]
fn escaped_descendants_are_stopped_and_continued_and_stopped_ones_stay_stopped() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let wait = format!("wait-file:{}", dir.path().join("go").display());
        let (tag, stopped) = (Tag::new(), Tag::new());
        let throng = Throng::builder().mechanism(mechanism).jobs(2).build();
        let throng = throng.unwrap();
        let mut command = child!("{tag} daemon:{stopped},signal:STOP,{wait}");
        for way in WAYS {
            command.arg(format!("{way}:{tag},{wait}"));
        }
        // A holder is gone before that.
        command.grace(Duration::from_secs(60));
        let ready = dir.path().join("ready");
        let is_ready = format!("make-file:{}", ready.display());
        let process = throng.spawn(command.args([&is_ready, &wait, "out:3"]));
        // As above.
        eventually("all run", || ready.exists());
        tag.await_count(WAYS.len() + 1);
        stopped.await_count(1);
        let is_still = |tag: &Tag| tag.pids().into_iter().all(is_stopped);
        eventually("it has stopped itself", || is_still(&stopped));
        assert!(throng.suspend());
        // A process that has been signalled takes a moment to stop.
        eventually("all are stopped", || is_still(&tag));
        throng.resume();
        eventually("all go on", || !tag.pids().into_iter().any(is_stopped));
        assert!(is_still(&stopped), "that was not ours to continue");
        std::fs::write(dir.path().join("go"), "").unwrap();
        tag.await_gone();
        let outcome = process.wait().unwrap();
        assert_complete(&outcome);
        assert_eq!(outcome.capture().len(Stream::Stdout), 3);
    });
}

#[test]
fn a_suspended_process_receives_the_request_to_end() {
    for_each_mechanism(|mechanism| {
        let patient = KillSequence::new(Signal::Term, Duration::from_secs(600));
        let builder = Throng::builder().mechanism(mechanism);
        let throng = builder.kill_sequence(patient).build().unwrap();
        let (dir, tag) = (tempfile::tempdir().unwrap(), Tag::new());
        let ready = dir.path().join("ready");
        let mut command = child!("ignore-term");
        for way in WAYS {
            command.arg(format!("{way}:{tag},sleep:600000"));
        }
        let is_ready = format!("make-file:{}", ready.display());
        let process = throng.spawn(command.args([&is_ready, "sleep:600000"]));
        // As above.
        eventually("all run", || ready.exists());
        tag.await_count(WAYS.len());
        assert!(throng.suspend());
        eventually("all are stopped", || tag.pids().into_iter().all(is_stopped));
        process.cancel();
        tag.await_gone();
        process.kill();
        process.wait().unwrap();
    });
}

#[test]
fn descendants_left_behind_during_a_suspension_go_on() {
    for_each_mechanism(|mechanism| {
        let (tag, own) = (Tag::new(), Tag::new());
        let throng = Throng::builder().mechanism(mechanism).build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let ready = dir.path().join("ready");
        let is_ready = format!("make-file:{}", ready.display());
        let steps = format!("daemon:{tag},sleep:600000 {is_ready}");
        let process = throng.spawn(&child!("{own} {steps} sleep:600000"));
        // The process that starts the daemon holds the streams until it exits.
        eventually("the daemon is alone", || ready.exists());
        tag.await_count(1);
        assert!(throng.suspend());
        eventually("both are stopped", || {
            tag.pids().into_iter().all(is_stopped)
        });
        // Killed by another process.
        drop(own);
        process.wait().unwrap();
        eventually("it goes on", || !tag.pids().into_iter().any(is_stopped));
        tag.await_count(1);
    });
}

#[test]
fn streams_held_by_a_suspended_process_end_after_it_is_resumed() {
    for_each_mechanism(|mechanism| {
        let (tag, own) = (Tag::new(), Tag::new());
        let throng = Throng::builder().mechanism(mechanism).build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (ready, go) = (dir.path().join("ready"), dir.path().join("go"));
        let is_ready = format!("make-file:{}", ready.display());
        // In a session of its own: in ours its group would be orphaned when its parent ends, and
        // the kernel sends SIGHUP to stopped processes of an orphaned group.
        let holder = format!("daemon-holder:{tag},wait-file:{},out:3", go.display());
        let mut command = child!("{own} {holder} {is_ready} sleep:600000");
        let mut process = throng.spawn(command.grace(Duration::from_secs(600)));
        eventually("the holder is started", || ready.exists());
        tag.await_count(1);
        assert!(throng.suspend());
        drop(own);
        std::fs::write(&go, "").unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert!(tag.pids().into_iter().all(is_stopped));
        assert!(poll_once(&mut process).is_pending());
        throng.resume();
        let outcome = process.wait().unwrap();
        assert_eq!(outcome.capture().len(Stream::Stdout), 3);
    });
}
