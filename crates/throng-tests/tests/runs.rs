//! Many commands in, many outcomes out, both streaming.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use throng::{Command, Mechanism, Outcome, Throng};
use throng_tests::{
    HANG, assert_complete, assert_output, child, eventually, for_some_mechanisms, repeat,
    repeat_with, stable, within,
};

fn throng(mechanism: Mechanism, jobs: usize) -> Throng {
    let builder = Throng::builder().mechanism(mechanism).jobs(jobs);
    builder.build().expect("a throng can be built")
}

/// While outcomes that have not been taken hold more than half of this, no command of the run is
/// started.
const MEMORY: u64 = 32 << 20;

/// A throng with this much memory for output, and how many bytes of output it has read.
fn listening(mechanism: Mechanism, jobs: usize, memory: u64) -> (Arc<Throng>, Arc<AtomicU64>) {
    let heard = Arc::new(AtomicU64::new(0));
    let ears = heard.clone();
    let builder = Throng::builder()
        .mechanism(mechanism)
        .jobs(jobs)
        .memory(memory)
        .on_output(move |output| {
            ears.fetch_add(output.bytes.len() as u64, Ordering::SeqCst);
        });
    (
        Arc::new(builder.build().expect("a throng can be built")),
        heard,
    )
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
fn an_empty_run_ends_at_once() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 2);
        let mut run = throng.run(Vec::<Command>::new());
        assert!(run.next().is_none());
        assert!(run.next().is_none());
    });
}

#[test]
fn every_command_has_one_outcome() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 7);
        let count = repeat(500) as u64;
        let mut seqs: Vec<u64> = throng
            .run((0..count).map(|n| child!("out:{n}")))
            .inspect(|outcome| assert_output(outcome, outcome.seq() as usize, 0))
            .map(|outcome| outcome.seq())
            .collect();
        seqs.sort_unstable();
        assert!(seqs.into_iter().eq(0..count));
        assert_eq!(throng.live(), 0);
    });
}

#[test]
fn outcomes_come_in_the_order_in_which_processes_finish() {
    for_some_mechanisms(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = |n: usize| dir.path().join(n.to_string()).display().to_string();
        let throng = throng(mechanism, 5);
        // Each waits for the one after it.
        let commands: Vec<Command> = (0..5)
            .map(|n| match n {
                4 => child!("outs:last"),
                n => child!("wait-file:{}", path(n + 1)),
            })
            .collect();
        let mut order = Vec::new();
        for outcome in throng.run(commands) {
            let seq = outcome.seq() as usize;
            std::fs::File::create(path(seq)).unwrap();
            order.push(seq);
        }
        assert_eq!(order, [4, 3, 2, 1, 0]);
    });
}

#[test]
fn an_endless_iterator_is_consumed_as_needed_and_then_dropped() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 4);
        let (commands, taken) = endless(child!("out:10"));
        let outcomes: Vec<Outcome> = throng.run(commands).take(50).collect();
        assert_eq!(outcomes.len(), 50);
        outcomes
            .iter()
            .for_each(|outcome| assert_output(outcome, 10, 0));
        eventually("the iterator is dropped", || is_dropped(&taken));
        eventually("nothing is live", || throng.live() == 0);
        assert!(
            taken.load(Ordering::SeqCst) <= 250,
            "{taken:?} taken for 50"
        );
    });
}

#[test]
fn commands_are_taken_only_a_few_ahead_of_outcomes() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 2);
        let (commands, taken) = endless(child!("out:10"));
        let run = throng.run(commands);
        eventually("two are taken", || taken.load(Ordering::SeqCst) >= 2);
        let ahead = stable(|| taken.load(Ordering::SeqCst));
        assert!(ahead <= 200, "{ahead} taken ahead");
        eventually("those that were taken have run", || throng.live() == 0);
        let more = ahead as usize + repeat(300);
        let outcomes: Vec<Outcome> = run.take(more).collect();
        assert_eq!(outcomes.len(), more, "it goes on when outcomes are taken");
        eventually("the iterator is dropped", || is_dropped(&taken));
    });
}

#[test]
fn a_blocking_iterator_delays_no_outcome() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 4);
        let (give, commands) = mpsc::channel::<Command>();
        let mut run = throng.run(commands);
        for n in 0..3 {
            for _ in 0..n {
                give.send(child!("out:{n}")).unwrap();
            }
            for _ in 0..n {
                assert_output(&run.next().unwrap(), n, 0);
            }
        }
        give.send(child!("out:99")).unwrap();
        drop(give);
        assert_output(&run.next().unwrap(), 99, 0);
        assert!(run.next().is_none());
    });
}

#[test]
fn two_runs_and_single_processes_run_side_by_side() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 4);
        let count = repeat(60);
        let mut first = throng.run((0..count).map(|n| child!("out:{n}")));
        let mut second = throng.run((0..count).map(|n| child!("err:{n}")));
        for n in 0..count {
            let single = throng.spawn(&child!("out:{n} err:{n}")).wait().unwrap();
            assert_output(&single, n, n);
            let outcome = first.next().unwrap();
            assert_output(&outcome, outcome.seq() as usize, 0);
            let outcome = second.next().unwrap();
            assert_output(&outcome, 0, outcome.seq() as usize);
        }
        assert!(first.next().is_none() && second.next().is_none());
    });
}

#[test]
fn throngs_do_not_disturb_each_other() {
    for_some_mechanisms(|mechanism| {
        let throngs: Vec<Throng> = (0..4).map(|_| throng(mechanism, 2)).collect();
        let runs = throngs
            .iter()
            .enumerate()
            .map(|(n, throng)| throng.run((0..repeat(50)).map(move |m| child!("out:{m} err:{n}"))));
        for (n, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
            let outcomes: Vec<Outcome> = run.collect();
            assert_eq!(outcomes.len(), repeat(50));
            outcomes
                .iter()
                .for_each(|outcome| assert_output(outcome, outcome.seq() as usize, n));
        }
    });
}

#[test]
fn a_stalled_consumer_stops_starts_and_loses_nothing() {
    const EACH: u64 = 1 << 20;
    for_some_mechanisms(|mechanism| {
        let (throng, heard) = listening(mechanism, 2, MEMORY);
        let run = throng.run(vec![child!("out:{EACH}"); 40]);
        let held_back = stable(|| heard.load(Ordering::SeqCst));
        assert!(held_back < 30 * EACH, "{} MiB are waiting", held_back >> 20);
        let mut count = 0;
        for outcome in run {
            assert_output(&outcome, EACH as usize, 0);
            count += 1;
        }
        assert_eq!(count, 40);
    });
}

#[test]
fn a_run_whose_outcomes_are_not_taken_stalls_alone_and_resumes_when_they_are() {
    const MEMORY: u64 = 4 << 20;
    const EACH: u64 = 256 << 10;
    for_some_mechanisms(|mechanism| {
        for is_consumed in [true, false] {
            let (throng, heard) = listening(mechanism, 2, MEMORY);
            let first = throng.run(vec![child!("out:{EACH}"); 40]);
            let stalled = || heard.load(Ordering::SeqCst) > MEMORY / 2 && throng.live() == 0;
            eventually("enough of the first is untaken", stalled);
            let second = throng.run(vec![child!("err:{EACH}"); 40]);
            let all = within(HANG / 2, "the other run", move || {
                second
                    .inspect(|outcome| assert_output(outcome, 0, EACH as usize))
                    .count()
            });
            assert_eq!(all, 40);
            let of_the_first = heard.load(Ordering::SeqCst) - 40 * EACH;
            assert!(of_the_first < 20 * EACH, "{} KiB wait", of_the_first >> 10);
            let used = throng.memory_used();
            assert!(used <= MEMORY + 2 * EACH, "{} KiB", used >> 10);
            if is_consumed {
                assert_eq!(first.inspect(assert_complete).count(), 40);
            } else {
                drop(first);
                eventually("nothing is kept of it", || throng.memory_used() == 0);
            }
        }
    });
}

#[test]
fn a_single_process_starts_while_outcomes_of_a_run_are_not_taken() {
    const EACH: u64 = 5 << 20;
    for_some_mechanisms(|mechanism| {
        let (throng, heard) = listening(mechanism, 4, MEMORY);
        let mut run = throng.run(vec![child!("both:{}", EACH / 2); 6]);
        assert_complete(&run.next().unwrap());
        let all = || heard.load(Ordering::SeqCst) == 6 * EACH && throng.live() == 0;
        eventually("the others are finished and wait to be taken", all);
        // What a loop over outcomes may well do: start something for each of them.
        let shared = throng.clone();
        let what = "a process that is started for an outcome of a run";
        let outcome = within(HANG / 2, what, move || {
            shared.spawn(&child!("out:5")).wait().unwrap()
        });
        assert_output(&outcome, 5, 0);
        assert_eq!(run.count(), 5);
    });
}

#[test]
fn a_thousand_commands_two_hundred_and_fifty_six_at_a_time_are_captured_whole() {
    for_some_mechanisms(|mechanism| {
        let count = repeat_with(mechanism, 1000);
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(256)
            .build()
            .unwrap();
        let commands = (0..count).map(|n| child!("out:{n} err:{}", 2 * n));
        let mut seen = vec![false; count];
        for outcome in throng.run(commands) {
            let n = outcome.seq() as usize;
            assert_output(&outcome, n, 2 * n);
            assert!(!std::mem::replace(&mut seen[n], true), "{n} came twice");
        }
        assert!(seen.iter().all(|seen| *seen), "all have come");
    });
}
