//! A named pipe as stdin: it is opened when it has a writer, and nothing else waits for that.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use throng::{KillSequence, Mechanism, Signal, Stdin, Throng};
use throng_tests::{
    HANG, Source, assert_complete, assert_output, check_pattern, child, describe, fill,
    for_each_mechanism, poll_once, within,
};

fn fifo(dir: &Path) -> PathBuf {
    let path = dir.join("fifo");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("it can be made");
    path
}

/// Everything on one thread, so that a wait would hold up the others.
fn throng(mechanism: Mechanism) -> Throng {
    let builder = Throng::builder().mechanism(mechanism).shards(1).jobs(8);
    let soon = KillSequence::new(Signal::Term, Duration::from_millis(50));
    builder.kill_sequence(soon).build().unwrap()
}

#[test]
fn a_later_writer_to_a_named_pipe_is_waited_for_and_read() {
    for_each_mechanism(|mechanism| {
        within(HANG / 4, "a process that reads a named pipe", move || {
            let dir = tempfile::tempdir().unwrap();
            let path = fifo(dir.path());
            let throng = throng(mechanism);
            let mut command = child!("cat");
            let process = throng.spawn(command.stdin(Stdin::File(path.clone())));
            // Nothing announces that it waits for a writer; if it does not wait yet, nothing is
            // lost.
            thread::sleep(Duration::from_millis(300));
            // If there is no reader it waits without end, so this thread is not joined.
            thread::spawn(move || {
                let mut bytes = vec![0; 100_000];
                fill(Source::Out, 0, &mut bytes);
                let mut file = File::options().write(true).open(path).unwrap();
                file.write_all(&bytes).expect("somebody reads");
            });
            let outcome = process.wait().unwrap();
            assert_complete(&outcome);
            check_pattern(Source::Out, outcome.stdout(), 100_000).unwrap();
        });
    });
}

#[test]
fn a_process_waiting_for_a_writer_blocks_no_other_and_times_out() {
    for_each_mechanism(|mechanism| {
        within(HANG / 4, "a process without a writer", move || {
            let dir = tempfile::tempdir().unwrap();
            let path = fifo(dir.path());
            let throng = throng(mechanism);
            let mut bystander = child!("out:9 sleep:600000");
            let bystander = throng.spawn(bystander.timeout(Duration::from_millis(500)));
            let mut command = child!("cat");
            command.stdin(Stdin::File(path));
            let mut waits = throng.spawn(&command);
            for _ in 0..5 {
                let outcome = throng.spawn(&child!("out:1000 err:10")).wait().unwrap();
                assert_output(&outcome, 1000, 10);
            }
            let outcome = bystander.wait().unwrap();
            assert!(outcome.timed_out(), "{}", describe(&outcome));
            let is_waiting = poll_once(&mut waits).is_pending();
            assert!(is_waiting, "it ends before anybody has written");
            let outcome = throng.spawn(command.timeout(Duration::from_millis(500)));
            let outcome = outcome.wait().unwrap();
            assert!(outcome.timed_out(), "{}", describe(&outcome));
            assert!(poll_once(&mut waits).is_pending(), "its time is not over");
        });
    });
}

#[test]
fn a_process_waiting_for_a_writer_ends_by_a_cancel_and_with_the_throng() {
    for_each_mechanism(|mechanism| {
        within(HANG / 4, "the end of one without a writer", move || {
            let dir = tempfile::tempdir().unwrap();
            let path = fifo(dir.path());
            let throng = throng(mechanism);
            let mut command = child!("cat");
            command.stdin(Stdin::File(path));
            let mut cancelled = throng.spawn(&command);
            let dropped = throng.spawn(&command);
            // It waits, or it has at least been taken from the queue before this one.
            assert_output(&throng.spawn(&child!("out:9")).wait().unwrap(), 9, 0);
            assert!(poll_once(&mut cancelled).is_pending(), "it has ended");
            cancelled.cancel();
            assert!(!cancelled.wait().unwrap().success());
            drop(throng);
            assert!(!dropped.wait().unwrap().success());
        });
    });
}
