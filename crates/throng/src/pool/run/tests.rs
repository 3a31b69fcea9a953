//! Tests of runs that need no process: commands that cannot be started, and the rate of fetching.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::model::error::ErrorKind;
use crate::pool::throng::Throng;
use crate::scheduler::results::Next;

/// A run whose commands are taken by the caller that iterates, as when the system has no thread.
fn without_thread<I>(throng: &Throng, commands: I) -> Run
where
    I: Iterator<Item = Command> + Send + 'static,
{
    Run::start_with(throng.shared.clone(), false, commands, None)
}

fn throng() -> Throng {
    Throng::builder().jobs(2).build().unwrap()
}

fn missing() -> Command {
    Command::new("throng-no-such-program")
}

#[test]
fn without_a_thread_every_command_has_its_outcome_and_is_taken_as_room_permits() {
    let throng = throng();
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let commands = std::iter::repeat_with(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        missing()
    });
    let mut run = without_thread(&throng, commands.take(1000));
    assert_eq!(taken.load(Ordering::SeqCst), 0, "nobody has asked");
    let first = run.next().unwrap();
    assert!(taken.load(Ordering::SeqCst) <= 100, "{taken:?}");
    let mut seqs: Vec<u64> = run.map(|outcome| outcome.seq()).collect();
    seqs.push(first.seq());
    seqs.sort_unstable();
    assert_eq!(seqs, (0..1000).collect::<Vec<_>>());
}

#[test]
fn without_a_thread_a_panic_of_the_iterator_comes_after_all_outcomes() {
    let throng = throng();
    let commands = (0..5).map(|n| if n < 3 { missing() } else { panic!("no more") });
    let mut run = without_thread(&throng, commands);
    (0..3).for_each(|_| assert!(run.next().is_some()));
    let panic = catch_unwind(AssertUnwindSafe(|| run.next())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"no more"));
    assert!(run.next().is_none());
}

#[test]
fn without_a_thread_a_run_ends_on_request() {
    let throng = throng();
    let mut run = without_thread(&throng, std::iter::repeat_with(missing));
    assert!(run.next().is_some());
    run.stop_feeding();
    assert!(run.by_ref().count() <= 100);
    let mut run = without_thread(&throng, std::iter::repeat_with(missing));
    assert!(run.next().is_some());
    throng.cancel();
    assert!(run.count() <= 100);
    let mut late = without_thread(&throng, std::iter::repeat_with(missing));
    assert!(late.next().is_none());
}

/// Runs this many commands that cannot be started, with this judge.
fn judged(
    commands: usize,
    judge: impl FnMut(&Outcome) -> Next + Send + 'static,
) -> (Throng, Vec<Outcome>) {
    let throng = Throng::builder().jobs(1).build().unwrap();
    let run = throng.run_judged(vec![missing(); commands], judge);
    let outcomes = run.collect();
    (throng, outcomes)
}

fn is_cancelled(outcome: &Outcome) -> bool {
    outcome.start_error().unwrap().kind() == ErrorKind::Cancelled
}

#[test]
fn attempts_follow_each_other_before_other_commands_and_the_last_is_final() {
    for after in [Duration::ZERO, Duration::from_micros(10)] {
        let (_, outcomes) = judged(3, move |outcome| match outcome.attempt() {
            3 => Next::Continue,
            _ => Next::RunAgain(after),
        });
        let attempts = outcomes
            .iter()
            .map(|o| (o.seq(), o.attempt(), o.is_final()));
        let mut attempts: Vec<_> = attempts.collect();
        if !after.is_zero() {
            attempts.sort_unstable();
        }
        let expected = (0..3).flat_map(|seq| (1..=3).map(move |n| (seq, n, n == 3)));
        assert_eq!(attempts, expected.collect::<Vec<_>>());
    }
}

#[test]
fn nothing_is_started_after_the_outcome_that_ends_the_run() {
    for next in [Next::StartNoMore, Next::Cancel] {
        let (throng, outcomes) = judged(50, move |outcome| match outcome.seq() {
            4 => next,
            _ => Next::Continue,
        });
        let cancelled = outcomes.iter().filter(|outcome| is_cancelled(outcome));
        assert_eq!(outcomes.len() - cancelled.count(), 5, "{next:?}");
        assert!(throng.starts_no_more());
        assert_eq!(throng.is_cancelled(), next == Next::Cancel);
    }
}

#[test]
fn a_pending_attempt_of_a_stopped_run_is_cancelled() {
    let (_, outcomes) = judged(2, |outcome| match outcome.seq() {
        0 => Next::RunAgain(Duration::from_secs(3600)),
        _ => Next::StartNoMore,
    });
    let last = outcomes.iter().find(|o| o.seq() == 0 && o.is_final());
    assert!(last.is_some_and(|outcome| outcome.attempt() == 2 && is_cancelled(outcome)));
    assert_eq!(outcomes.len(), 3);
}

#[test]
fn commands_waiting_for_another_attempt_do_not_block_others() {
    let (_, outcomes) = judged(1000, |outcome| match (outcome.seq(), outcome.attempt()) {
        (0..900, 1) => Next::RunAgain(Duration::from_secs(3600)),
        (999, _) => Next::StartNoMore,
        _ => Next::Continue,
    });
    let ran = outcomes.iter().filter(|outcome| !is_cancelled(outcome));
    assert_eq!(ran.count(), 1000);
}

#[test]
fn a_judge_that_panics_changes_nothing() {
    let (_, outcomes) = judged(3, |_| panic!("of no use"));
    assert!(outcomes.len() == 3 && outcomes.iter().all(Outcome::is_final));
}

/// A second in which outcomes arrive at this interval, taken as [`Run::fetch`] does: how often they
/// are fetched, and the longest time that one has waited for it.
fn fetches_and_delay(distance: Duration, overshoot: Duration) -> (usize, Duration) {
    let start = Instant::now();
    let arrival = |n: u32| start + distance * (n + 1);
    let (mut now, mut taken, mut fetched) = (start, 0, None);
    let (mut fetches, mut delay) = (0, Duration::ZERO);
    while now < start + Duration::from_secs(1) {
        let sleep = pause(fetched, now);
        if !sleep.is_zero() {
            now += sleep + overshoot;
        }
        now = now.max(arrival(taken) + overshoot);
        delay = delay.max(now - arrival(taken));
        while arrival(taken) <= now {
            taken += 1;
        }
        fetches += 1;
        fetched = Some(now);
    }
    (fetches, delay)
}

#[test]
fn fast_outcomes_are_fetched_once_a_millisecond_and_slow_ones_at_once() {
    let us = Duration::from_micros;
    let overshoot = us(60);
    for distance in [us(10), us(700)] {
        let (fetches, delay) = fetches_and_delay(distance, overshoot);
        assert!((700..=1000).contains(&fetches), "{fetches} fetches");
        assert!(delay <= FETCH_INTERVAL + 2 * overshoot, "{delay:?}");
    }
    for distance in [us(1500), us(50_000)] {
        let (_, delay) = fetches_and_delay(distance, overshoot);
        assert_eq!(delay, overshoot, "with {distance:?} between them");
    }
}
