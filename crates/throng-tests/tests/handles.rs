//! The handle of one process: waiting for it, awaiting it, letting it go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

use throng::{Mechanism, Outcome, Process, Throng};
use throng_tests::{
    HANG, Tag, assert_output, block_on, child, describe, eventually, for_each_mechanism, poll_once,
    repeat, within,
};

fn throng(mechanism: Mechanism, jobs: usize) -> Throng {
    let builder = Throng::builder().mechanism(mechanism).jobs(jobs);
    builder.build().expect("a throng can be built")
}

#[test]
fn outcomes_can_be_waited_for_in_any_order() {
    for_each_mechanism(|mechanism| {
        let throng = throng(mechanism, 4);
        let processes: Vec<Process> = (0..repeat(30).max(8))
            .map(|n| throng.spawn(&child!("out:{n} err:{}", n * 2)))
            .collect();
        for (n, process) in processes.into_iter().enumerate().rev() {
            assert_output(&process.wait().unwrap(), n, n * 2);
        }
    });
}

#[test]
fn outcomes_can_be_waited_for_on_other_threads() {
    for_each_mechanism(|mechanism| {
        let throng = throng(mechanism, 4);
        std::thread::scope(|scope| {
            for n in 0..10 {
                let process = throng.spawn(&child!("sleep:10 out:{n}"));
                scope.spawn(move || assert_output(&process.wait().unwrap(), n, 0));
            }
        });
    });
}

#[test]
fn commands_can_be_given_on_many_threads_at_once() {
    for_each_mechanism(|mechanism| {
        let throng = throng(mechanism, 4);
        std::thread::scope(|scope| {
            for n in 0..8 {
                let throng = &throng;
                scope.spawn(move || {
                    for m in 0..repeat(20) {
                        let process = throng.spawn(&child!("out:{n} err:{m}"));
                        assert_output(&process.wait().unwrap(), n, m);
                    }
                });
            }
        });
    });
}

#[test]
fn a_process_can_be_awaited() {
    for_each_mechanism(|mechanism| {
        let throng = throng(mechanism, 4);
        let outcome = block_on(throng.spawn(&child!("out:10 sleep:50 err:10"))).unwrap();
        assert_output(&outcome, 10, 10);
        let all = async {
            let processes: Vec<Process> = (0..20)
                .map(|n| throng.spawn(&child!("sleep:{} out:{n}", n % 5)))
                .collect();
            let mut outcomes: Vec<Outcome> = Vec::new();
            for process in processes {
                outcomes.push(process.await.unwrap());
            }
            outcomes
        };
        for (n, outcome) in block_on(all).iter().enumerate() {
            assert_output(outcome, n, 0);
        }
    });
}

#[test]
fn a_future_that_was_polled_and_dropped_loses_nothing() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let gate = dir.path().join("gate");
        let throng = throng(mechanism, 4);
        let command = child!("out:5000 wait-file:{} err:10", gate.display());
        let (mut awaited, mut waited) = (throng.spawn(&command), throng.spawn(&command));
        for process in [&mut awaited, &mut waited] {
            for _ in 0..3 {
                let mut future = &mut *process;
                assert!(poll_once(&mut future).is_pending());
            }
        }
        std::fs::File::create(&gate).unwrap();
        assert_output(&block_on(async { (&mut awaited).await }).unwrap(), 5000, 10);
        assert_output(&waited.wait().unwrap(), 5000, 10);
    });
}

#[test]
fn the_latest_waker_is_the_one_that_is_woken() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let gate = dir.path().join("gate");
        let throng = throng(mechanism, 1);
        let mut process = throng.spawn(&child!("wait-file:{}", gate.display()));
        let counts = [0, 0, 0].map(|n| Arc::new(Count(AtomicUsize::new(n))));
        for count in &counts {
            let waker = Waker::from(count.clone());
            let mut context = std::task::Context::from_waker(&waker);
            let pinned = std::pin::Pin::new(&mut process);
            assert!(Future::poll(pinned, &mut context).is_pending());
        }
        std::fs::File::create(&gate).unwrap();
        eventually("the waker is woken", || {
            counts[2].0.load(Ordering::SeqCst) > 0
        });
        let woken = [0, 1, 2].map(|n: usize| counts[n].0.load(Ordering::SeqCst));
        assert_eq!(woken, [0, 0, 1]);
        assert!(poll_once(&mut process).is_ready());
    });
}

#[test]
fn a_handle_that_has_given_its_outcome_may_be_dropped_but_not_polled() {
    for_each_mechanism(|mechanism| {
        let throng = throng(mechanism, 1);
        let mut process = throng.spawn(&child!("out:5"));
        let mut polled = Poll::Pending;
        eventually("the outcome comes", || {
            polled = poll_once(&mut process);
            polled.is_ready()
        });
        let Poll::Ready(outcome) = polled else {
            unreachable!("it has come")
        };
        assert_output(&outcome.unwrap(), 5, 0);
        let again = catch_unwind(AssertUnwindSafe(|| poll_once(&mut process)));
        assert!(again.is_err(), "as documented");
        drop(process);
        assert_output(&throng.spawn(&child!("out:6")).wait().unwrap(), 6, 0);
    });
}

#[test]
fn dropping_a_handle_ends_the_process() {
    for_each_mechanism(|mechanism| {
        let throng = throng(mechanism, 4);
        let tag = Tag::new();
        let process = throng.spawn(&child!("{tag} quiet:{tag},sleep:600000 sleep:600000"));
        tag.await_count(2);
        drop(process);
        tag.await_gone();
        eventually("it is not live", || throng.live() == 0);
        assert_output(&throng.spawn(&child!("out:6")).wait().unwrap(), 6, 0);
    });
}

#[test]
fn dropping_the_handle_of_a_queued_command_means_that_it_never_starts() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let (gate, trace) = (dir.path().join("gate"), dir.path().join("trace"));
        let throng = throng(mechanism, 1);
        let first = throng.spawn(&child!("wait-file:{}", gate.display()));
        let queued = throng.spawn(&child!("make-file:{}", trace.display()));
        let last = throng.spawn(&child!("out:3"));
        drop(queued);
        std::fs::File::create(&gate).unwrap();
        assert_output(&first.wait().unwrap(), 0, 0);
        assert_output(&last.wait().unwrap(), 3, 0);
        assert!(!trace.exists(), "it came before the last one");
    });
}

#[test]
fn a_detached_process_goes_on_and_is_read_to_the_end() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let (gate, trace) = (dir.path().join("gate"), dir.path().join("trace"));
        let throng = throng(mechanism, 4);
        // More than a pipe holds: if it is not read, the process never gets to the end.
        let steps = format!(
            "wait-file:{} both:1000000 make-file:{}",
            gate.display(),
            trace.display()
        );
        throng.spawn(&child!("{steps}")).detach();
        std::fs::File::create(&gate).unwrap();
        eventually("it has done its work", || trace.exists());
        eventually("it is not live", || throng.live() == 0);
    });
}

#[test]
fn a_detached_process_outlives_the_throng() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let (gate, trace) = (dir.path().join("gate"), dir.path().join("trace"));
        let throng = throng(mechanism, 4);
        let tag = Tag::new();
        let steps = format!(
            "wait-file:{} both:1000000 make-file:{}",
            gate.display(),
            trace.display()
        );
        throng.spawn(&child!("{tag} {steps}")).detach();
        let stays = throng.spawn(&child!("{tag} sleep:600000"));
        tag.await_count(2);
        drop(throng);
        assert_eq!(tag.pids().len(), 1, "only the other one has been ended");
        assert!(stays.wait().unwrap().ended_by().is_some());
        std::fs::File::create(&gate).unwrap();
        eventually("it has done its work", || trace.exists());
        tag.await_gone();
    });
}

#[test]
fn an_outcome_is_available_after_the_throng_is_dropped() {
    for_each_mechanism(|mechanism| {
        let throng = throng(mechanism, 1);
        let mut process = throng.spawn(&child!("out:100"));
        // With one job the second has its outcome after the first.
        throng.spawn(&child!("")).wait().unwrap();
        drop(throng);
        let polled = poll_once(&mut process);
        let Poll::Ready(Ok(outcome)) = polled else {
            panic!("no outcome: {polled:?}")
        };
        assert_output(&outcome, 100, 0);
    });
}

#[test]
fn a_panicking_waker_leaves_no_caller_waiting() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the waker is asked to panic");
        }
    }
    for_each_mechanism(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(8).shards(1);
        let throng = Arc::new(builder.build().unwrap());
        let dir = tempfile::tempdir().unwrap();
        let gate = dir.path().join("gate");
        let tag = Tag::new();
        let mut bad = throng.spawn(&child!("wait-file:{}", gate.display()));
        let others: Vec<Process> = (0..12)
            .map(|_| throng.spawn(&child!("{tag} sleep:600000")))
            .collect();
        tag.await_count(7);
        let waker = Waker::from(Arc::new(Panics));
        let mut context = std::task::Context::from_waker(&waker);
        assert!(Future::poll(std::pin::Pin::new(&mut bad), &mut context).is_pending());
        std::fs::File::create(&gate).unwrap();
        let shared = throng.clone();
        within(HANG / 2, "the others, and one that comes late", move || {
            // Whether the throng survives that is unspecified; that it delivers the outcome is not.
            let outcome = bad.wait().unwrap();
            assert!(outcome.success(), "{}", describe(&outcome));
            others.into_iter().for_each(|process| drop(process.wait()));
            drop(shared.spawn(&child!("exit:0")).wait());
            shared.run(vec![child!("exit:0"); 3]).for_each(drop);
        });
        tag.await_gone();
    });
}
