//! A run may end before its commands do: it is dropped or stopped, its throng is dropped or
//! cancelled, or the iterator panics.

use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use throng::{Cause, Command, ErrorKind, Mechanism, Throng};
use throng_tests::{
    HANG, Tag, assert_complete, assert_output, child, describe, eventually, for_some_mechanisms,
    repeat, within,
};

fn throng(mechanism: Mechanism, jobs: usize) -> Throng {
    let builder = Throng::builder().mechanism(mechanism).jobs(jobs);
    builder.build().expect("a throng can be built")
}

/// The same command endlessly, and how many have been taken. The count also tells whether the
/// iterator still exists, since only the iterator shares it.
fn endless(command: Command) -> (impl Iterator<Item = Command> + Send, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let counter = taken.clone();
    let commands = iter::repeat_with(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        command.clone()
    });
    (commands, taken)
}

fn is_dropped(taken: &Arc<AtomicU64>) -> bool {
    Arc::strong_count(taken) == 1
}

#[test]
fn dropping_a_run_does_not_wait_for_its_iterator() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 4);
        let (give, commands) = mpsc::channel::<Command>();
        give.send(child!("out:5")).unwrap();
        let mut run = throng.run(commands);
        assert_output(&run.next().unwrap(), 5, 0);
        drop(run);
        assert_output(&throng.spawn(&child!("out:6")).wait().unwrap(), 6, 0);
        drop(throng);
        drop(give);
    });
}

#[test]
fn a_panic_of_the_iterator_comes_after_all_outcomes() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 4);
        // Repeatedly, and for half of them while the outcomes are waited for: the iterator's thread
        // ends a little later than the outcomes do.
        for round in 0..repeat(100) {
            let (say, all_are_taken) = mpsc::channel();
            let commands = (0..4).map(move |n| {
                if n == 3 && round % 2 == 0 {
                    all_are_taken.recv().expect("somebody takes them");
                    std::thread::sleep(Duration::from_millis(2));
                }
                assert!(n < 3, "the iterator is asked to panic");
                child!("out:{n}")
            });
            let mut count = 0;
            let result = catch_unwind(AssertUnwindSafe(|| {
                for outcome in throng.run(commands) {
                    assert_complete(&outcome);
                    count += 1;
                    if count == 3 {
                        // The iterator may be gone already.
                        let _ = say.send(());
                    }
                }
            }));
            assert_eq!(count, 3);
            let payload = result.expect_err("the panic is passed on");
            let message = payload.downcast_ref::<&str>().copied();
            assert_eq!(message, Some("the iterator is asked to panic"));
        }
        assert_output(&throng.spawn(&child!("out:6")).wait().unwrap(), 6, 0);
    });
}

#[test]
fn a_run_without_further_commands_yields_its_outcomes_and_ends() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 4);
        let (commands, taken) = endless(child!("out:10"));
        let mut run = throng.run(commands);
        for _ in 0..20 {
            assert_output(&run.next().unwrap(), 10, 0);
        }
        run.stop_feeding();
        let mut count = 20;
        for outcome in run {
            assert_output(&outcome, 10, 0);
            count += 1;
        }
        eventually("the iterator is dropped", || is_dropped(&taken));
        let taken = taken.load(Ordering::SeqCst);
        assert!(
            count == taken || count + 1 == taken,
            "{count} outcomes of {taken} taken"
        );
    });
}

#[test]
fn dropping_a_run_midway_leaves_no_processes() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 8);
        let tag = Tag::new();
        let commands = (0..100).map({
            let step = tag.to_string();
            move |n| {
                if n < 5 {
                    child!("out:{n}")
                } else {
                    child!("{step} sleep:600000")
                }
            }
        });
        let mut run = throng.run(commands);
        (0..5).for_each(|_| assert_complete(&run.next().unwrap()));
        tag.await_count(8);
        drop(run);
        tag.await_gone();
        eventually("nothing is live", || throng.live() == 0);
        assert_output(&throng.spawn(&child!("out:6")).wait().unwrap(), 6, 0);
        tag.await_gone();
    });
}

#[test]
fn a_run_whose_throng_is_cancelled_ends() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 4);
        let (commands, taken) = endless(child!("out:1 sleep:600000"));
        let run = throng.run(commands);
        eventually("four are live", || throng.live() == 4);
        throng.cancel();
        let mut ended = 0;
        for outcome in run {
            match outcome.start_error() {
                None => ended += usize::from(outcome.ended_by() == Some(Cause::Cancel)),
                Some(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
            }
        }
        assert_eq!(ended, 4);
        eventually("the iterator is dropped", || is_dropped(&taken));
    });
}

#[test]
fn a_run_whose_throng_is_dropped_ends() {
    for_some_mechanisms(|mechanism| {
        // Repeatedly: the iterator's thread may be anywhere.
        for round in 0..repeat(100) {
            let throng = throng(mechanism, 2);
            let (commands, taken) = endless(child!("out:1"));
            let mut run = throng.run(commands);
            let before = round % 5;
            (0..before).for_each(|_| assert_output(&run.next().unwrap(), 1, 0));
            drop(throng);
            within(HANG / 2, "the end of the run", move || {
                for outcome in run {
                    let cancelled = outcome.start_error().map(|error| error.kind());
                    let fine = matches!(cancelled, None | Some(ErrorKind::Cancelled));
                    assert!(fine, "{}", describe(&outcome));
                }
            });
            eventually("the iterator is dropped", || is_dropped(&taken));
        }
    });
}

#[test]
fn a_command_still_being_built_when_the_throng_is_dropped_ends_as_well() {
    struct Slow(mpsc::Sender<()>, mpsc::Receiver<()>);
    impl From<Slow> for Command {
        fn from(Slow(begun, finish): Slow) -> Command {
            begun.send(()).expect("the test waits for it");
            finish.recv().expect("the test says when");
            child!("out:1")
        }
    }
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 2);
        let (begun, has_begun) = mpsc::channel();
        let (say, finish) = mpsc::channel();
        let run = throng.run(iter::once(Slow(begun, finish)));
        has_begun.recv().unwrap();
        drop(throng);
        say.send(()).unwrap();
        within(HANG / 2, "the end of the run", move || {
            for outcome in run {
                let error = outcome.start_error().map(|error| error.kind());
                assert_eq!(error, Some(ErrorKind::Cancelled), "{}", describe(&outcome));
            }
        });
    });
}
