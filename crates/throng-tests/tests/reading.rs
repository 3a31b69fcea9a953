//! Reading is paused and resumed, as where output goes takes no more for now.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::Poll;
use std::thread::sleep;
use std::time::Duration;

use throng::{Builder, Mechanism, Stream, Throng, Verdict};
use throng_tests::{
    HANG, Source, Tag, assert_complete, assert_output, check_pattern, child, eventually,
    for_each_mechanism, poll_once, stable, within,
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
fn while_nothing_is_read_processes_wait_and_nothing_is_lost() {
    for_each_mechanism(|mechanism| {
        let (builder, heard) = builder(mechanism);
        let throng = builder.build().unwrap();
        for _ in 0..3 {
            heard.lock().unwrap().clear();
            throng.pause_reading();
            let outcomes = throng.run(vec![child!("both:500000"); 6]);
            eventually("all that have room run", || throng.live() == 4);
            sleep(WHILE);
            assert_eq!((count(&heard), throng.live()), (0, 4));
            throng.resume_reading();
            assert_eq!(
                outcomes
                    .map(|it| assert_output(&it, 500_000, 500_000))
                    .count(),
                6
            );
            for ((_, stream), bytes) in heard.lock().unwrap().iter() {
                let source = match stream {
                    Stream::Stdout => Source::Out,
                    Stream::Stderr => Source::Err,
                };
                check_pattern(source, bytes, 500_000).unwrap();
            }
        }
    });
}

#[test]
fn a_callback_that_pauses_gets_one_more_piece_from_each_thread_at_most() {
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
fn a_process_that_ends_meanwhile_is_read_to_its_end_however_short_its_grace() {
    for_each_mechanism(|mechanism| {
        let (builder, heard) = builder(mechanism);
        let throng = builder.grace(Duration::from_millis(1)).build().unwrap();
        throng.pause_reading();
        let mut process = throng.spawn(&child!("out:3000 err:20"));
        // What writes nothing has nothing to wait for.
        assert_complete(&throng.spawn(&child!("exit:0")).wait().unwrap());
        sleep(WHILE);
        assert!(matches!(poll_once(&mut process), Poll::Pending));
        assert_eq!(count(&heard), 0);
        throng.resume_reading();
        assert_output(&process.wait().unwrap(), 3000, 20);
        assert_eq!(count(&heard), 3020);
    });
}

#[test]
fn time_runs_out_and_all_can_be_ended_while_nothing_is_read() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let (builder, heard) = builder(mechanism);
        let throng = builder.grace(Duration::from_millis(1)).build().unwrap();
        throng.pause_reading();
        // More than the readers of the mechanism `threads` take as well.
        let mut command = child!("{tag} out:5000000");
        let timed = throng.spawn(command.timeout(WHILE)).wait().unwrap();
        assert!(timed.timed_out());
        assert!(matches!(timed.verdict(Stream::Stdout), Verdict::Cut));
        // What was in the pipe is kept.
        let heard = heard.lock().unwrap()[&(timed.seq(), Stream::Stdout)].clone();
        check_pattern(Source::Out, &heard, heard.len()).unwrap();
        assert_eq!(heard, timed.stdout());
        let _left = throng.spawn(&child!("{tag} out:5000000"));
        eventually("it runs", || throng.live() == 1);
        within(HANG, "the end of all", move || drop(throng));
        tag.await_count(0);
    });
}
