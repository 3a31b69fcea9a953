//! Pausing and resuming reading, as needed while the destination of the output is blocked.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::Poll;
use std::thread::sleep;
use std::time::Duration;

use throng::{Builder, ErrorKind, Mechanism, Process, Stream, Throng, Verdict};
use throng_tests::{
    HANG, Source, Tag, assert_complete, assert_output, check_pattern, child, eventually,
    for_each_mechanism, poll_once, repeat, stable, within,
};

/// Long enough for a process to write what it can.
const WHILE: Duration = Duration::from_millis(150);

type Heard = Arc<Mutex<HashMap<(u64, Stream), Vec<u8>>>>;

fn builder(mechanism: Mechanism) -> (Builder, Heard) {
    let heard = Heard::default();
    let ears = heard.clone();
    let builder = Throng::builder().mechanism(mechanism).jobs(4);
    let builder = builder.on_output(move |output| {
        let mut ears = ears.lock().unwrap();
        let all = ears.entry((output.seq, output.stream)).or_default();
        all.extend_from_slice(output.bytes);
    });
    (builder, heard)
}

fn count(heard: &Heard) -> usize {
    heard.lock().unwrap().values().map(Vec::len).sum()
}

#[test]
fn while_reading_is_paused_processes_wait_and_nothing_is_lost() {
    for_each_mechanism(|mechanism| {
        let (builder, heard) = builder(mechanism);
        let throng = builder.build().unwrap();
        for _ in 0..repeat(3).max(1) {
            heard.lock().unwrap().clear();
            let dir = tempfile::tempdir().unwrap();
            let go = dir.path().join("go");
            let command = child!("wait-file:{} both:900000", go.display());
            let outcomes = throng.run(vec![command; 6]);
            eventually("all that have room run", || throng.live() == 4);
            throng.pause_reading();
            std::fs::write(&go, "").unwrap();
            sleep(WHILE);
            assert_eq!((count(&heard), throng.live()), (0, 4));
            throng.resume_reading();
            assert_eq!(
                outcomes
                    .map(|it| assert_output(&it, 900_000, 900_000))
                    .count(),
                6
            );
            for ((_, stream), bytes) in heard.lock().unwrap().iter() {
                let source = match stream {
                    Stream::Stdout => Source::Out,
                    Stream::Stderr => Source::Err,
                };
                check_pattern(source, bytes, 900_000).unwrap();
            }
        }
    });
}

#[test]
fn a_callback_that_pauses_gets_at_most_one_more_piece_from_each_thread() {
    for_each_mechanism(|mechanism| {
        let pool = Arc::new(OnceLock::<Weak<Throng>>::new());
        let pieces = Arc::new(AtomicU64::new(0));
        let pauses = Arc::new(AtomicBool::new(true));
        let (late, counter, wants) = (pool.clone(), pieces.clone(), pauses.clone());
        let builder = Throng::builder().mechanism(mechanism).jobs(4).shards(2);
        let builder = builder.on_output(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            let pool = late.get().and_then(Weak::upgrade).expect("it is there");
            if wants.load(Ordering::SeqCst) {
                pool.pause_reading();
            }
        });
        let throng = Arc::new(builder.build().unwrap());
        pool.set(Arc::downgrade(&throng)).unwrap();
        let outcomes = throng.run(vec![child!("both:1000000"); 4]);
        eventually("it is paused", || pieces.load(Ordering::SeqCst) > 0);
        let count = || stable(|| pieces.load(Ordering::SeqCst));
        for _ in 0..3 {
            let before = count();
            throng.resume_reading();
            let more = || pieces.load(Ordering::SeqCst) - before;
            eventually("a piece comes", || more() > 0);
            assert!(count() - before <= throng.shards() as u64);
        }
        pauses.store(false, Ordering::SeqCst);
        throng.resume_reading();
        let whole = outcomes.map(|it| assert_output(&it, 1_000_000, 1_000_000));
        assert_eq!(whole.count(), 4);
    });
}

#[test]
fn while_reading_is_paused_nothing_is_started() {
    for_each_mechanism(|mechanism| {
        let (builder, _) = builder(mechanism);
        let throng = builder.build().unwrap();
        throng.pause_reading();
        let [mut process, cancelled] = [(); 2].map(|()| throng.spawn(&child!("out:3")));
        cancelled.cancel();
        let cancelled = within(HANG, "the end of one", move || cancelled.wait().unwrap());
        let error = cancelled.start_error().expect("it was not started");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        sleep(WHILE);
        assert!(matches!(poll_once(&mut process), Poll::Pending));
        assert_eq!(throng.live(), 0);
        throng.resume_reading();
        assert_output(&process.wait().unwrap(), 3, 0);
        // Code that drops it cannot resume.
        throng.pause_reading();
        within(HANG, "the end of all", move || drop(throng));
    });
}

/// A paused throng, and a process that is instructed, by a file in this directory, to run these
/// steps after the pause.
fn paused(dir: &Path, builder: Builder, steps: &str) -> (Throng, Process) {
    let go = dir.join("go");
    let throng = builder.build().unwrap();
    let process = throng.spawn(&child!("wait-file:{} {steps}", go.display()));
    eventually("it runs", || throng.live() == 1);
    throng.pause_reading();
    std::fs::write(&go, "").unwrap();
    (throng, process)
}

#[test]
fn a_process_that_ends_while_reading_is_paused_has_its_outcome() {
    for_each_mechanism(|mechanism| {
        for (out, err) in [(3000, 20), (0, 1), (0, 0)] {
            let (builder, heard) = builder(mechanism);
            let builder = builder.grace(Duration::from_millis(1)).shards(1);
            let steps = format!("out:{out} err:{err}");
            let dir = tempfile::tempdir().unwrap();
            let (_throng, process) = paused(dir.path(), builder, &steps);
            let outcome = within(HANG, "the outcome", move || process.wait().unwrap());
            assert_output(&outcome, out, err);
            assert_eq!(count(&heard), out + err);
        }
    });
}

#[test]
fn while_paused_an_outcome_arrives_when_all_holders_have_ended() {
    for_each_mechanism(|mechanism| {
        let (builder, heard) = builder(mechanism);
        let dir = tempfile::tempdir().unwrap();
        let late = dir.path().join("late");
        let builder = builder.grace(Duration::from_millis(1)).shards(1);
        let steps = format!("holder:wait-file:{},err:30 out:3000", late.display());
        let (_throng, mut process) = paused(dir.path(), builder, &steps);
        sleep(WHILE);
        assert!(matches!(poll_once(&mut process), Poll::Pending));
        std::fs::write(&late, "").unwrap();
        let outcome = within(HANG, "the outcome", move || process.wait().unwrap());
        assert_output(&outcome, 3000, 30);
        assert_eq!(count(&heard), 3030);
    });
}

/// More than a mechanism has buffers for, or room for in its inbox.
#[test]
fn many_blocked_writers_do_not_delay_any_outcome() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let (builder, _) = builder(mechanism);
        let many = repeat(40).max(8);
        let throng = builder.jobs(many + 1).shards(1).build().unwrap();
        let loud: Vec<_> = (0..many)
            .map(|_| throng.spawn(&child!("{tag} out:50000000")))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let go = dir.path().join("go");
        let quiet = throng.spawn(&child!("wait-file:{} err:3", go.display()));
        eventually("all run", || throng.live() == many + 1);
        throng.pause_reading();
        sleep(WHILE);
        std::fs::write(&go, "").unwrap();
        let outcome = within(HANG, "the outcome", move || quiet.wait().unwrap());
        assert_output(&outcome, 0, 3);
        loud.iter().for_each(Process::kill);
        within(HANG, "the end of all", move || drop(throng));
        tag.await_count(0);
    });
}

#[test]
fn the_grace_period_of_held_streams_begins_when_reading_is_resumed() {
    for_each_mechanism(|mechanism| {
        let (builder, _) = builder(mechanism);
        let dir = tempfile::tempdir().unwrap();
        let late = dir.path().join("late");
        let builder = builder.grace(HANG).shards(1);
        let steps = format!("holder:wait-file:{},out:2000000 out:20", late.display());
        let (throng, mut process) = paused(dir.path(), builder, &steps);
        std::fs::write(&late, "").unwrap();
        sleep(WHILE);
        assert!(matches!(poll_once(&mut process), Poll::Pending));
        throng.resume_reading();
        let outcome = within(HANG, "the outcome", move || process.wait().unwrap());
        assert_complete(&outcome);
        assert_eq!(outcome.capture().len(Stream::Stdout), 2_000_020);
    });
}

#[test]
fn timeouts_and_cancels_work_while_reading_is_paused() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let (builder, heard) = builder(mechanism);
        let throng = builder.grace(Duration::from_millis(1)).build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let go = dir.path().join("go");
        // More than the readers of the mechanism `threads` take as well.
        let mut command = child!("{tag} wait-file:{} out:5000000", go.display());
        let _left = throng.spawn(&command);
        let timed = throng.spawn(command.timeout(WHILE * 4));
        eventually("both run", || throng.live() == 2);
        throng.pause_reading();
        std::fs::write(&go, "").unwrap();
        let timed = timed.wait().unwrap();
        assert!(timed.timed_out());
        assert!(matches!(timed.verdict(Stream::Stdout), Verdict::Cut));
        // What was in the pipe is kept.
        let heard = heard.lock().unwrap()[&(timed.seq(), Stream::Stdout)].clone();
        check_pattern(Source::Out, &heard, heard.len()).unwrap();
        assert_eq!(heard, timed.stdout());
        within(HANG, "the end of all", move || drop(throng));
        tag.await_count(0);
    });
}
