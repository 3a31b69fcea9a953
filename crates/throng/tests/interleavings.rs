//! The orders in which threads may run: how shards sleep and are woken, explored by `shuttle`.
//!
//! `queue.rs` and `mailbox.rs` are compiled here a second time, with mutexes and atomics that yield
//! to another thread at every step, and with stand-ins for everything else that they name. The
//! shard of this model does what the loop of `shard.rs` does: check its requests, start what there
//! is room for, sleep until it is woken. A lost wake-up is a deadlock, which shuttle finds.
//!
//! shuttle does not explore memory that becomes visible late: it runs one thread at a time. The two
//! relaxed counters do not depend on their ordering (`queue.rs` reads them under its lock, or
//! before it takes it).

#![forbid(unsafe_code)]
#![allow(dead_code, reason = "the modules have more than is modelled")]

#[path = "../src/scheduler/mailbox.rs"]
mod mailbox;
#[path = "../src/scheduler/queue.rs"]
mod queue;

#[path = "../src/scheduler/unconsumed.rs"]
mod unconsumed;

mod scheduler {
    pub(crate) use crate::unconsumed;

    pub(crate) mod oneshot {
        #[derive(Debug)]
        pub(crate) struct Oneshot;
    }

    pub(crate) mod job {
        use crate::scheduler::oneshot::Oneshot;
        use crate::unconsumed::Unconsumed;
        use std::sync::Arc;

        /// The unconsumed bytes of its run; `None` for a handle.
        #[derive(Debug)]
        pub(crate) struct ReplyTo(pub(crate) Option<Arc<Unconsumed>>);

        #[derive(Debug)]
        pub(crate) struct Job {
            pub(crate) seq: u64,
            pub(crate) reply_to: ReplyTo,
        }

        impl ReplyTo {
            pub(crate) fn is_handle(&self, _: &Arc<Oneshot>) -> bool {
                false
            }

            pub(crate) fn unconsumed(&self) -> Option<&Arc<Unconsumed>> {
                self.0.as_ref()
            }

            pub(crate) fn is_unwanted(&self) -> bool {
                false
            }
        }
    }
}

mod sync {
    use std::sync::PoisonError;

    pub(crate) use shuttle::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

mod sys {
    use shuttle::sync::{Condvar, Mutex};
    use std::sync::Arc;

    /// Remembers a call until the next wait, as an eventfd does.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Waker(Arc<(Mutex<bool>, Condvar)>);

    impl Waker {
        pub(crate) fn wake(&self) {
            *self.0.0.lock().unwrap() = true;
            self.0.1.notify_one();
        }

        pub(crate) fn wait(&self) {
            let mut called = self.0.0.lock().unwrap();
            while !*called {
                called = self.0.1.wait(called).unwrap();
            }
            *called = false;
        }
    }
}

use std::sync::Arc;
use std::time::Duration;

use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::{Condvar, Mutex, MutexGuard};
use shuttle::thread;

use mailbox::Mailbox;
use queue::{Popped, Queue};
use scheduler::job::{Job, ReplyTo};
use sys::Waker;
use unconsumed::Unconsumed;

/// Orders that are tried for each model, by each of two strategies. If any step of the protocol is
/// removed or moved, a test fails with this many.
const ORDERS: usize = 600;

/// The size of an unconsumed outcome, and the total that holds up a run.
const BYTES: u64 = 10;
const UNCONSUMED_MAX: u64 = 15;

#[derive(Debug)]
enum Request {
    Note,
    Close,
}

struct Shared {
    queue: Queue,
    mailboxes: Vec<(Mailbox<Request>, Waker)>,
    /// How many jobs each shard may take now.
    room: Vec<AtomicUsize>,
    started: Count,
    notes: Count,
    runs: [Run; 2],
}

/// Outcomes that have not been taken.
#[derive(Default)]
struct Run {
    unconsumed: Arc<Unconsumed>,
    results: Count,
}

/// A number that threads wait for.
#[derive(Default)]
struct Count(Mutex<usize>, Condvar);

impl Count {
    fn add(&self) {
        *self.0.lock().unwrap() += 1;
        self.1.notify_all();
    }

    fn wait_for(&self, least: usize) -> MutexGuard<'_, usize> {
        let mut count = self.0.lock().unwrap();
        while *count < least {
            count = self.1.wait(count).unwrap();
        }
        count
    }
}

impl Shared {
    fn new(shards: usize) -> Arc<Shared> {
        let mailbox = |_| {
            let (mailbox, waker) = (Mailbox::new(), Waker::default());
            mailbox.connect(waker.clone());
            (mailbox, waker)
        };
        Arc::new(Shared {
            queue: Queue::new(UNCONSUMED_MAX),
            mailboxes: (0..shards).map(mailbox).collect(),
            room: (0..shards).map(|_| AtomicUsize::new(1)).collect(),
            started: Count::default(),
            notes: Count::default(),
            runs: Default::default(),
        })
    }

    /// For a run, or for a handle.
    fn job(&self, run: Option<usize>) -> Job {
        let unconsumed = run.map(|run| self.runs[run].unconsumed.clone());
        Job {
            seq: 0,
            reply_to: ReplyTo(unconsumed),
        }
    }

    fn submit_again(&self, after: Duration) {
        let woken = self.queue.push_again(self.job(None), after);
        for shard in woken.expect("the queue is open") {
            self.mailboxes[shard].0.wake();
        }
    }

    fn submit(&self, run: Option<usize>) {
        let job = self.job(run);
        if let Some(shard) = self.queue.push(job).expect("the queue is open") {
            self.mailboxes[shard].0.wake();
        }
    }

    fn close(&self) {
        let boxes = self.mailboxes.iter();
        boxes.for_each(|(mailbox, _)| mailbox.ask(Request::Close));
    }

    /// What `Run::next` does with an outcome.
    fn take_outcome(&self, run: usize) {
        let run = &self.runs[run];
        *run.results.wait_for(1) -= 1;
        for shard in self.queue.remove_unconsumed(&run.unconsumed, BYTES) {
            self.mailboxes[shard].0.wake();
        }
    }

    /// The loop of a shard whose processes end as soon as they have started.
    fn work(&self, index: usize) {
        let (mut closing, mut may_be_parked) = (false, false);
        loop {
            for request in self.mailboxes[index].0.take() {
                match request {
                    Request::Note => self.notes.add(),
                    Request::Close => closing = true,
                }
            }
            if closing {
                return;
            }
            let has_room = self.room[index].load(Ordering::SeqCst) > 0;
            if !has_room {
                if std::mem::take(&mut may_be_parked)
                    && let Some(other) = self.queue.unpark(index)
                {
                    self.mailboxes[other].0.wake();
                }
                self.mailboxes[index].1.wait();
                continue;
            }
            match self.queue.pop_or_park(index, true) {
                Popped::Job(job) => self.start(&job),
                Popped::NotYet(_) => unreachable!("nobody has to wait"),
                // Its alarm goes off at once.
                Popped::Parked(Some(_)) => {
                    may_be_parked = true;
                    thread::yield_now();
                }
                Popped::Parked(None) => {
                    may_be_parked = true;
                    self.mailboxes[index].1.wait();
                }
            }
        }
    }

    fn start(&self, job: &Job) {
        let is_of = |run: &&Run| {
            let unconsumed = job.reply_to.unconsumed();
            unconsumed.is_some_and(|unconsumed| Arc::ptr_eq(unconsumed, &run.unconsumed))
        };
        if let Some(run) = self.runs.iter().find(is_of) {
            run.unconsumed.add(BYTES);
            run.results.add();
        }
        self.started.add();
    }
}

/// Runs a model in which shards work and another thread does this, and then closes the queue.
fn check(shards: usize, others: fn(&Arc<Shared>)) {
    let model = move || {
        let shared = Shared::new(shards);
        let work = |index| {
            let shared = shared.clone();
            thread::spawn(move || shared.work(index))
        };
        let threads: Vec<_> = (0..shards).map(work).collect();
        others(&shared);
        shared.close();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    };
    shuttle::check_random(model, ORDERS);
    shuttle::check_pct(model, ORDERS, 3);
}

#[test]
fn every_job_is_started_whichever_shard_sleeps_when_it_arrives() {
    check(2, |shared| {
        let other = shared.clone();
        let feeder = thread::spawn(move || {
            other.submit(None);
            other.submit(None);
        });
        shared.submit(None);
        feeder.join().unwrap();
        // Before anything else is requested: a request would wake the shards as well.
        drop(shared.started.wait_for(3));
    });
}

#[test]
fn every_job_that_is_run_again_is_started_at_once_or_later() {
    check(2, |shared| {
        let other = shared.clone();
        let again = thread::spawn(move || {
            other.submit_again(Duration::from_nanos(1));
            other.submit_again(Duration::ZERO);
        });
        shared.submit(None);
        shared.submit_again(Duration::from_nanos(1));
        again.join().unwrap();
        drop(shared.started.wait_for(4));
    });
}

#[test]
fn a_run_that_was_held_up_by_its_consumer_goes_on_when_outcomes_are_taken() {
    check(2, |shared| {
        let other = shared.clone();
        let feeder = thread::spawn(move || (0..5).for_each(|_| other.submit(Some(0))));
        (0..5).for_each(|_| shared.take_outcome(0));
        feeder.join().unwrap();
        drop(shared.started.wait_for(5));
    });
}

#[test]
fn a_single_process_is_not_held_up_by_a_run() {
    check(1, |shared| {
        (0..4).for_each(|_| shared.submit(Some(0)));
        shared.submit(None);
        // Two outcomes of the run are unconsumed, and no more than that are produced.
        drop(shared.started.wait_for(3));
        (0..4).for_each(|_| shared.take_outcome(0));
        drop(shared.started.wait_for(5));
    });
}

#[test]
fn a_run_is_not_held_up_by_another_whose_outcomes_are_not_taken() {
    check(2, |shared| {
        let other = shared.clone();
        let feeder = thread::spawn(move || (0..3).for_each(|_| other.submit(Some(0))));
        (0..3).for_each(|_| shared.submit(Some(1)));
        (0..3).for_each(|_| shared.take_outcome(1));
        feeder.join().unwrap();
        drop(shared.started.wait_for(5));
        (0..3).for_each(|_| shared.take_outcome(0));
        drop(shared.started.wait_for(6));
    });
}

#[test]
fn a_shard_that_loses_its_room_passes_on_the_wakeup() {
    check(2, |shared| {
        let other = shared.clone();
        let fewer = thread::spawn(move || {
            other.room[0].store(0, Ordering::SeqCst);
            other.mailboxes[0].0.wake();
        });
        shared.submit(None);
        fewer.join().unwrap();
        shared.submit(None);
        drop(shared.started.wait_for(2));
    });
}

#[test]
fn every_request_is_seen_whether_or_not_the_shard_sleeps() {
    check(1, |shared| {
        let other = shared.clone();
        let asker = thread::spawn(move || other.mailboxes[0].0.ask(Request::Note));
        shared.mailboxes[0].0.ask(Request::Note);
        asker.join().unwrap();
        drop(shared.notes.wait_for(2));
    });
}
