//! Tests of `queue.rs`, in a file of their own because `tests/interleavings.rs` compiles that file
//! a second time, with other mutexes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::job::command::Command;
use crate::pool::handle::Process;
use crate::scheduler::job::{Job, ReplyTo};
use crate::scheduler::queue::*;
use crate::scheduler::results::ResultQueue;
use crate::scheduler::unconsumed::Unconsumed;

const UNCONSUMED_BYTES_MAX: u64 = 1000;
fn pop(queue: &Queue, shard: usize) -> Option<u64> {
    match queue.pop_or_park(shard, true) {
        Popped::Job(job) => Some(job.seq),
        Popped::Parked(_) => None,
        Popped::NotYet(_) => panic!("nobody has to wait"),
    }
}

fn job(seq: u64) -> Job {
    Job {
        seq,
        attempt: 1,
        command: Box::new(Command::new("x")),
        reply_to: ReplyTo::nobody(),
    }
}

fn push(queue: &Queue, seq: u64) -> Option<usize> {
    queue.push(job(seq)).expect("the queue is open")
}

#[test]
fn a_closed_queue_gives_every_job_back() {
    let queue = Queue::new(UNCONSUMED_BYTES_MAX);
    assert_eq!(push(&queue, 1), None);
    assert_eq!(queue.close().len(), 1);
    assert!(queue.push(job(2)).is_err());
    assert!(pop(&queue, 0).is_none());
}

#[test]
fn a_parked_shard_is_woken_once_and_jobs_keep_their_order() {
    let queue = Queue::new(UNCONSUMED_BYTES_MAX);
    assert!(pop(&queue, 0).is_none());
    assert_eq!(push(&queue, 1), Some(0));
    assert_eq!(push(&queue, 2), None, "it is awake already");
    assert_eq!(pop(&queue, 0), Some(1));
    assert_eq!(pop(&queue, 1), Some(2));
    assert!(pop(&queue, 1).is_none());
    assert!(pop(&queue, 1).is_none());
    assert_eq!(push(&queue, 3), Some(1));
    assert_eq!(
        push(&queue, 4),
        None,
        "a shard is parked once, however often it looks"
    );
}

/// A run, and a way to queue some of its jobs.
fn run(queue: &Queue) -> (Arc<Unconsumed>, impl Fn(&[u64])) {
    let results = Arc::new(ResultQueue::new(1, None));
    let unconsumed = results.unconsumed().clone();
    let push = move |seqs: &[u64]| {
        for seq in seqs {
            assert!(results.count());
            let job = Job {
                reply_to: ReplyTo::run(results.clone()),
                ..job(*seq)
            };
            let _ = queue.push(job).expect("the queue is open");
        }
    };
    (unconsumed, push)
}

#[test]
fn unconsumed_bytes_hold_up_only_their_run_until_taken() {
    let queue = Queue::new(UNCONSUMED_BYTES_MAX);
    let (unconsumed, push_one) = run(&queue);
    let (_, push_other) = run(&queue);
    unconsumed.add(UNCONSUMED_BYTES_MAX + 1);
    push_one(&[1, 2]);
    push_other(&[3]);
    push_one(&[4]);
    push(&queue, 5);
    assert_eq!([0, 0].map(|shard| pop(&queue, shard)), [Some(3), Some(5)]);
    push_one(&[6]);
    assert_eq!([0, 1].map(|shard| pop(&queue, shard)), [None, None]);
    push_other(&[7]);
    assert_eq!(queue.remove_unconsumed(&unconsumed, 1), [0]);
    assert_eq!(
        queue.remove_unconsumed(&unconsumed, 1),
        [],
        "it goes on already"
    );
    let rest = [0; 6].map(|shard| pop(&queue, shard));
    assert_eq!(
        rest,
        [1, 2, 4, 6, 7]
            .map(Some)
            .into_iter()
            .chain([None])
            .collect::<Vec<_>>()[..]
    );
}

#[test]
fn a_retry_comes_before_all_other_jobs_when_due() {
    let queue = Queue::new(UNCONSUMED_BYTES_MAX);
    let again = |seq, after| queue.push_again(job(seq), after).expect("it is open");
    assert_eq!([1, 2].map(|seq| push(&queue, seq)), [None; 2]);
    assert!(again(3, Duration::ZERO).is_empty());
    assert_eq!([0, 0].map(|shard| pop(&queue, shard)), [Some(3), Some(1)]);
    // The first is long due at the next check, and the other never is.
    assert!(again(4, Duration::from_nanos(1)).is_empty());
    assert!(again(5, Duration::MAX).is_empty());
    std::thread::sleep(Duration::from_millis(1));
    assert_eq!([0, 0].map(|shard| pop(&queue, shard)), [Some(4), Some(2)]);
    assert!(matches!(
        queue.pop_or_park(0, true),
        Popped::Parked(Some(_))
    ));
    assert_eq!(queue.pop_to_cancel().map(|job| job.seq), Some(5));
    assert!(matches!(queue.pop_or_park(0, true), Popped::Parked(None)));
}

#[test]
fn all_shards_with_room_are_notified_of_delayed_jobs() {
    let queue = Queue::new(UNCONSUMED_BYTES_MAX);
    assert_eq!([0, 1].map(|shard| pop(&queue, shard)), [None, None]);
    let later = |seq| queue.push_again(job(seq), Duration::from_secs(3600));
    assert_eq!(later(1).expect("it is open"), [0, 1]);
    for shard in [0, 1] {
        assert!(matches!(
            queue.pop_or_park(shard, true),
            Popped::Parked(Some(_))
        ));
    }
    let at_once = queue.push_again(job(2), Duration::ZERO);
    assert_eq!(at_once.expect("it is open"), [1], "one is enough");
    assert_eq!(pop(&queue, 1), Some(2));
    assert_eq!(queue.close().len(), 1);
    assert!(later(3).is_err());
}

#[test]
fn jobs_of_a_held_up_run_can_be_cancelled() {
    let backpressured = || {
        let queue = Queue::new(UNCONSUMED_BYTES_MAX);
        let (unconsumed, push_one) = run(&queue);
        unconsumed.add(UNCONSUMED_BYTES_MAX + 1);
        push_one(&[1, 2]);
        assert_eq!(pop(&queue, 0), None);
        drop(push_one);
        push(&queue, 3);
        (queue, unconsumed)
    };
    let (queue, _) = backpressured();
    let any = |_| match queue.pop_or_park(0, false) {
        Popped::Job(job) => Some(job.seq),
        _ => None,
    };
    assert_eq!([0; 4].map(any), [Some(3), Some(1), Some(2), None]);
    let (queue, _) = backpressured();
    let seqs = [0; 4].map(|_| queue.pop_to_cancel().map(|job| job.seq));
    assert_eq!(seqs, [Some(3), Some(1), Some(2), None]);
    let (queue, unconsumed) = backpressured();
    assert_eq!(queue.close().len(), 3);
    assert!(queue.remove_unconsumed(&unconsumed, 1).is_empty());
}

#[test]
fn a_shard_that_lost_its_room_passes_on_the_wakeup() {
    let queue = Queue::new(UNCONSUMED_BYTES_MAX);
    assert!(pop(&queue, 0).is_none() && pop(&queue, 1).is_none());
    assert_eq!(queue.unpark(0), None, "there is nothing to do");
    assert!(pop(&queue, 0).is_none());
    assert_eq!(push(&queue, 1), Some(0));
    assert_eq!(queue.unpark(0), Some(1), "the other is woken for it");
    assert_eq!(pop(&queue, 1), Some(1));
}

/// A queue whose starts have to be admitted, and how often the callback was called. Every second
/// answer is to wait for this long.
fn with_admission(wait: Duration) -> (Queue, Arc<AtomicUsize>) {
    let queue = Queue::new(UNCONSUMED_BYTES_MAX);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    queue.set_admit(AdmissionHook::new(move || {
        let before = counter.fetch_add(1, Ordering::SeqCst);
        before.is_multiple_of(2).then_some(wait)
    }));
    (queue, asked)
}

#[test]
fn a_job_that_has_to_wait_keeps_its_position_and_admission_is_not_asked_before_its_time() {
    let (queue, asked) = with_admission(Duration::from_secs(3600));
    assert_eq!([1, 2].map(|seq| push(&queue, seq)), [None; 2]);
    for shard in [0, 1, 0] {
        assert!(matches!(queue.pop_or_park(shard, true), Popped::NotYet(_)));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(matches!(queue.pop_or_park(0, false), Popped::Job(job) if job.seq == 1));
    let (queue, asked) = with_admission(Duration::ZERO);
    assert_eq!([1, 2].map(|seq| push(&queue, seq)), [None; 2]);
    let mut order = Vec::new();
    while order.len() < 2 {
        match queue.pop_or_park(0, true) {
            Popped::Job(job) => order.push(job.seq),
            Popped::NotYet(wait) => std::thread::sleep(wait),
            Popped::Parked(_) => panic!("there is another"),
        }
    }
    assert_eq!((order, asked.load(Ordering::SeqCst)), (vec![1, 2], 4));
}

#[test]
fn admission_is_not_asked_for_jobs_that_are_not_started() {
    let (queue, asked) = with_admission(Duration::ZERO);
    assert_eq!(pop(&queue, 0), None);
    let (unconsumed, push_one) = run(&queue);
    unconsumed.add(UNCONSUMED_BYTES_MAX + 1);
    push_one(&[1]);
    assert_eq!(pop(&queue, 0), None, "its run is held up");
    let (process, oneshot) = Process::new(Weak::new());
    drop(process);
    let reply_to = ReplyTo::handle(oneshot);
    let unwanted = Job { reply_to, ..job(2) };
    queue.push(unwanted).unwrap();
    assert_eq!(pop(&queue, 0), Some(2), "to be cancelled");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
