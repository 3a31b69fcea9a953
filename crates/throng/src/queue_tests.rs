//! Tests of `queue.rs`, apart from it because `tests/interleavings.rs` compiles that file once
//! more, with other mutexes.

use std::time::Duration;

use crate::Command;
use crate::queue::*;
use crate::recipient::Recipient;

const UNTAKEN_BYTES_MAX: u64 = 1000;
fn pop(queue: &Queue, shard: usize) -> Option<u64> {
    match queue.pop_or_park(shard, true) {
        Popped::Job(job) => Some(job.seq),
        Popped::Parked => None,
        Popped::NotYet(_) => panic!("nobody has to wait"),
    }
}

fn job(seq: u64) -> Job {
    Job {
        seq,
        attempt: 1,
        command: Box::new(Command::new("x")),
        recipient: Recipient::nobody(),
    }
}

fn push(queue: &Queue, seq: u64) -> Option<usize> {
    queue.push(job(seq)).expect("the queue is open")
}

#[test]
fn a_closed_queue_gives_every_job_back() {
    let queue = Queue::new(UNTAKEN_BYTES_MAX);
    assert_eq!(push(&queue, 1), None);
    assert_eq!(queue.close().len(), 1);
    assert!(queue.push(job(2)).is_err());
    assert!(pop(&queue, 0).is_none());
}

#[test]
fn a_parked_shard_is_woken_once_and_jobs_keep_their_order() {
    let queue = Queue::new(UNTAKEN_BYTES_MAX);
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

#[test]
fn untaken_bytes_stall_the_start_until_they_are_taken() {
    let queue = Queue::new(UNTAKEN_BYTES_MAX);
    queue.add_untaken(UNTAKEN_BYTES_MAX + 1);
    assert_eq!(push(&queue, 1), None);
    assert!(pop(&queue, 0).is_none());
    assert_eq!(queue.remove_untaken(1), vec![0]);
    assert!(pop(&queue, 0).is_some());
}

#[test]
fn a_shard_that_has_lost_its_room_passes_on_what_it_was_woken_for() {
    let queue = Queue::new(UNTAKEN_BYTES_MAX);
    assert!(pop(&queue, 0).is_none() && pop(&queue, 1).is_none());
    assert_eq!(queue.unpark(0), None, "there is nothing to do");
    assert!(pop(&queue, 0).is_none());
    assert_eq!(push(&queue, 1), Some(0));
    assert_eq!(queue.unpark(0), Some(1), "the other is woken for it");
    assert_eq!(pop(&queue, 1), Some(1));
}

#[test]
fn who_has_to_wait_keeps_its_place_and_nobody_is_asked_about_nothing() {
    let queue = Queue::new(UNTAKEN_BYTES_MAX);
    let mut asked = 0;
    queue.set_admit(Admit::new(move || {
        asked += 1;
        (asked % 2 == 1).then_some(Duration::from_secs(asked))
    }));
    assert!(matches!(queue.pop_or_park(0, true), Popped::Parked));
    push(&queue, 1);
    push(&queue, 2);
    let second = Duration::from_secs(1);
    assert!(matches!(queue.pop_or_park(0, true), Popped::NotYet(wait) if wait == second));
    assert!(matches!(queue.pop_or_park(1, true), Popped::Job(job) if job.seq == 1));
    let third = Duration::from_secs(3);
    assert!(matches!(queue.pop_or_park(0, true), Popped::NotYet(wait) if wait == third));
}
