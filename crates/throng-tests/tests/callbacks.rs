//! User code that throng calls: for each piece of output, and before each start.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use throng::{ErrorKind, Mechanism, Outcome, Process, Signal, Stream, Throng, Verdict};
use throng_tests::{
    Source, Tag, assert_complete, assert_ended_by, assert_output, check_pattern, child, describe,
    eventually, for_each_mechanism, repeat,
};

type Heard = Arc<Mutex<HashMap<(u64, Stream), Vec<u8>>>>;

/// A throng whose callback keeps everything.
fn listening(mechanism: Mechanism) -> (Throng, Heard) {
    let heard = Heard::default();
    let ears = heard.clone();
    let builder = Throng::builder()
        .mechanism(mechanism)
        .jobs(4)
        .on_output(move |output| {
            let mut ears = ears.lock().expect("no callback panics");
            ears.entry((output.seq, output.stream))
                .or_default()
                .extend_from_slice(output.bytes);
        });
    (builder.build().expect("a throng can be built"), heard)
}

#[test]
fn output_that_is_not_kept_goes_to_the_callback_in_full() {
    for_each_mechanism(|mechanism| {
        let (throng, heard) = listening(mechanism);
        let command = child!("both:500000 err:1").keep_output(false).clone();
        for outcome in throng.run(vec![command; 10]) {
            assert_complete(&outcome);
            assert!(outcome.stdout().is_empty() && outcome.merged().is_empty());
            assert_eq!(outcome.capture().dropped_bytes(Stream::Stdout), 0);
        }
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 20);
        for ((_, stream), bytes) in heard.iter() {
            match stream {
                Stream::Stdout => check_pattern(Source::Out, bytes, 500_000).unwrap(),
                Stream::Stderr => check_pattern(Source::Err, bytes, 500_001).unwrap(),
            }
        }
    });
}

#[test]
fn the_callback_has_received_everything_when_the_outcome_arrives() {
    for_each_mechanism(|mechanism| {
        let (throng, heard) = listening(mechanism);
        let command = child!("out:20000 err:10").max_output(50).clone();
        for outcome in throng.run(vec![command; repeat(50)]) {
            let heard = heard.lock().unwrap();
            check_pattern(
                Source::Out,
                &heard[&(outcome.seq(), Stream::Stdout)],
                20_000,
            )
            .unwrap();
            check_pattern(Source::Err, &heard[&(outcome.seq(), Stream::Stderr)], 10).unwrap();
            assert_eq!(outcome.stdout().len(), 50);
        }
    });
}

#[test]
fn a_panicking_callback_fails_only_that_stream() {
    for_each_mechanism(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(2).shards(1);
        let throng = builder.on_output(|output| {
            let is_bad = output
                .command
                .get_label()
                .is_some_and(|label| label == "bad");
            assert!(
                !is_bad || output.stream == Stream::Stdout,
                "the callback is asked to panic"
            );
        });
        let throng = throng.build().unwrap();
        let commands = (0..12).map(|n| {
            let mut command = child!("out:100000 err:300");
            if n % 3 == 1 {
                command.label("bad").clone()
            } else {
                command
            }
        });
        let outcomes: Vec<Outcome> = throng.run(commands).collect();
        assert_eq!(outcomes.len(), 12);
        for outcome in outcomes {
            if outcome.command().get_label().is_none() {
                assert_output(&outcome, 100_000, 300);
                continue;
            }
            assert!(
                outcome.success(),
                "it has ended by itself: {}",
                describe(&outcome)
            );
            assert!(outcome.verdict(Stream::Stdout).is_complete());
            let Verdict::Failed(error) = outcome.verdict(Stream::Stderr) else {
                panic!("not failed: {}", describe(&outcome));
            };
            assert_eq!(error.kind(), ErrorKind::Callback);
            assert_eq!(error.to_string(), "the callback for stderr panicked");
        }
    });
}

#[test]
fn the_output_callback_identifies_the_process_of_each_piece() {
    for_each_mechanism(|mechanism| {
        let pieces = Arc::new(Mutex::new(Vec::new()));
        let heard = pieces.clone();
        let throng = Throng::builder()
            .mechanism(mechanism)
            .on_output(move |output| {
                let label = output.command.get_label().unwrap().to_owned();
                let piece = (
                    output.seq,
                    label,
                    output.stream,
                    output.bytes.to_vec(),
                    output.at,
                );
                heard.lock().unwrap().push(piece);
            });
        let throng = throng.build().unwrap();
        let (mut one, mut two) = (child!("outs:one"), child!("errs:two"));
        let begun = Instant::now();
        let (one, two) = (throng.spawn(one.label("A")), throng.spawn(two.label("B")));
        for process in [one, two] {
            process.wait().unwrap();
        }
        let took = begun.elapsed();
        let mut pieces = std::mem::take(&mut *pieces.lock().unwrap());
        pieces.sort_by_key(|piece| piece.0);
        let [
            (0, a, Stream::Stdout, x, at_x),
            (1, b, Stream::Stderr, y, at_y),
        ] = &pieces[..]
        else {
            panic!("two pieces: {pieces:?}");
        };
        assert_eq!(
            (a.to_str(), b.to_str(), &x[..], &y[..]),
            (Some("A"), Some("B"), &b"one"[..], &b"two"[..])
        );
        // A piece may be read after its process has ended, so the wall time is no limit.
        assert!(*at_x <= took && *at_y <= took);
    });
}

#[test]
fn a_slow_callback_slows_processes_down_but_loses_nothing() {
    for_each_mechanism(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(4);
        let throng = builder.on_output(|_| std::thread::sleep(Duration::from_millis(1)));
        let throng = throng.build().unwrap();
        for outcome in throng.run(vec![child!("both:2000000"); 4]) {
            assert_output(&outcome, 2_000_000, 2_000_000);
        }
    });
}

#[test]
fn the_callback_may_use_the_throng_and_its_processes() {
    for_each_mechanism(|mechanism| {
        let whole = Arc::new(OnceLock::<Weak<Throng>>::new());
        let started = Arc::new(Mutex::new(Vec::<Process>::new()));
        let (late, list) = (whole.clone(), started.clone());
        let builder = Throng::builder().mechanism(mechanism).jobs(3).shards(1);
        let builder = builder.on_output(move |output| {
            let throng = late.get().and_then(Weak::upgrade).expect("it is there");
            let mut list = list.lock().expect("no callback panics");
            match output.bytes {
                b"start" => list.push(throng.spawn(&child!("outs:end sleep:600000"))),
                _ => list.iter().for_each(Process::cancel),
            }
        });
        let throng = Arc::new(builder.build().unwrap());
        whole.set(Arc::downgrade(&throng)).unwrap();
        let outcome = throng.spawn(&child!("outs:start")).wait().unwrap();
        assert_complete(&outcome);
        let process = started.lock().unwrap().pop();
        // It is cancelled by its own callback or, if that came too early to know it, by this
        // thread; and then perhaps before it has been started.
        let process = process.expect("it was queued before the outcome came");
        process.cancel();
        let outcome = process.wait().unwrap();
        assert!(outcome.ended_by().is_some() || outcome.start_error().is_some());
        eventually("nothing is live", || throng.live() == 0);
    });
}

#[test]
fn the_start_callback_is_called_once_and_may_change_the_command() {
    for_each_mechanism(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(2)
            .build()
            .unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        let mut command = child!("out:5");
        command.on_start(move |command, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            command.args(["cat", "err:6"]).stdin(Vec::new());
        });
        for outcome in throng.run(vec![command; 10]) {
            assert_output(&outcome, 5, 6);
            assert_eq!(outcome.command().get_args().len(), 3);
        }
        assert_eq!(calls.load(Ordering::SeqCst), 10);
    });
}

#[test]
fn the_start_callback_is_not_called_for_a_command_that_never_starts() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let gate = dir.path().join("gate");
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(1)
            .build()
            .unwrap();
        let first = throng.spawn(&child!("wait-file:{}", gate.display()));
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        let mut command = child!("");
        command.on_start(move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let queued = throng.spawn(&command);
        queued.cancel();
        std::fs::File::create(&gate).unwrap();
        assert_output(&first.wait().unwrap(), 0, 0);
        assert!(queued.wait().unwrap().start_error().is_some());
        assert_eq!(
            calls.load(Ordering::SeqCst),
            0,
            "it was cancelled before its turn came"
        );
    });
}

#[test]
fn a_panicking_start_callback_fails_only_its_command() {
    for_each_mechanism(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(2)
            .shards(1)
            .build()
            .unwrap();
        let commands = (0..10).map(|n| {
            let mut command = child!("out:{n}");
            if n == 4 {
                command.on_start(|_, _| panic!("the callback is asked to panic"));
            }
            command
        });
        let outcomes: Vec<Outcome> = throng.run(commands).collect();
        assert_eq!(outcomes.len(), 10);
        for outcome in outcomes {
            match outcome.seq() {
                4 => assert!(!outcome.success(), "{}", describe(&outcome)),
                n => assert_output(&outcome, n as usize, 0),
            }
        }
    });
}

#[test]
fn a_process_killed_while_its_thread_is_in_a_callback_counts_as_ended() {
    for_each_mechanism(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).shards(1).jobs(3);
        let throng = builder.build().unwrap();
        let tag = Arc::new(Tag::new());
        let process = throng.spawn(&child!("{tag} sleep:600000"));
        tag.await_count(1);
        // The thread is in one callback when the kill is requested, so it sends the signal just
        // before it gets to the other.
        let (arrive, is_there) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let may_go_on = Mutex::new(may_go_on);
        let mut first = child!("exit:0");
        first.on_start(move |_, _| {
            arrive.send(()).unwrap();
            may_go_on.lock().unwrap().recv().unwrap();
        });
        let first = throng.spawn(&first);
        is_there.recv().unwrap();
        process.kill();
        let mut second = child!("exit:0");
        second.on_start({
            let tag = tag.clone();
            move |_, _| {
                eventually("it has ended", || tag.pids().is_empty());
                // A process that does not end is given up after a second.
                thread::sleep(Duration::from_millis(1200));
            }
        });
        let second = throng.spawn(&second);
        go_on.send(()).unwrap();
        let outcome = process.wait().unwrap();
        assert_ended_by(&outcome, Signal::Kill);
        assert!(outcome.survivors().is_empty(), "{}", describe(&outcome));
        assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    });
}
