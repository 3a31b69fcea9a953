//! How many run at once: as many as were requested, and never more.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, Mutex};

use throng::{Command, Mechanism, Outcome, Throng};
use throng_tests::{
    assert_complete, assert_output, child, eventually, for_some_mechanisms, repeat,
};

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).expect("the directory is ours").count()
}

/// Runs commands that report how many of them there are at once; none ends before the limit has
/// been reached.
fn never_more_than(mechanism: Mechanism, jobs: usize, shards: usize) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (inside, gate) = (dir.path().join("inside"), dir.path().join("gate"));
    fs::create_dir(&inside).expect("a directory can be made");
    let (at, until) = (inside.display(), gate.display());
    let command = child!("enter:{at} wait-file:{until} sleep:2 leave:{at}");
    let builder = Throng::builder()
        .mechanism(mechanism)
        .jobs(jobs)
        .shards(shards);
    let throng = builder.build().expect("a throng can be built");
    assert_eq!((throng.jobs(), throng.shards()), (jobs, shards.min(jobs)));
    assert_eq!(throng.jobs_limit(), None);

    let run = throng.run(vec![command; repeat(12).max(3) * jobs]);
    eventually("the limit is reached", || count(&inside) == jobs);
    eventually("all that run are counted", || throng.live() == jobs);
    File::create(&gate).expect("the gate can be made");
    let mut most = 0;
    for outcome in run {
        assert_complete(&outcome);
        let inside: usize = String::from_utf8_lossy(outcome.stdout())
            .parse()
            .expect("a number");
        most = most.max(inside);
    }
    assert_eq!(most, jobs, "with {jobs} jobs and {shards} shards");
    assert_eq!((throng.live(), count(&inside)), (0, 0));
}

#[test]
fn concurrency_reaches_the_limit_and_never_exceeds_it() {
    for_some_mechanisms(|mechanism| {
        for jobs in 1..=3 {
            for shards in 1..=3 {
                never_more_than(mechanism, jobs, shards);
            }
        }
        never_more_than(mechanism, 16, 2);
    });
}

#[test]
fn with_one_job_processes_run_in_the_order_of_their_commands() {
    for_some_mechanisms(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(1)
            .build()
            .unwrap();
        let count = repeat(50).max(10) as u64;
        let outcomes: Vec<Outcome> = throng.run((0..count).map(|n| child!("out:{n}"))).collect();
        assert!(outcomes.iter().map(Outcome::seq).eq(0..count));
        let ends_before = |pair: &[Outcome]| pair[0].ended_at() <= pair[1].ended_at();
        assert!(outcomes.windows(2).all(ends_before));
    });
}

#[test]
fn a_finished_process_makes_room_for_the_next_whatever_the_others_do() {
    for_some_mechanisms(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(4)
            .shards(1)
            .build()
            .unwrap();
        let stay: Vec<_> = (0..3)
            .map(|_| throng.spawn(&child!("out:1 sleep:600000")))
            .collect();
        for n in 0..repeat(100) {
            assert_output(&throng.spawn(&child!("out:{n}")).wait().unwrap(), n, 0);
        }
        assert_eq!(throng.live(), 3);
        drop(stay);
    });
}

#[test]
fn slots_are_numbered_and_no_two_live_processes_have_the_same() {
    for_some_mechanisms(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(5)
            .shards(2)
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let numbers = Arc::new(Mutex::new(BTreeSet::new()));
        let commands: Vec<Command> = (0..repeat(80).max(20))
            .map(|_| {
                let (at, numbers) = (dir.path().to_owned(), numbers.clone());
                let mut command = child!("");
                command.on_start(move |command, slot| {
                    numbers.lock().unwrap().insert(slot);
                    // It fails if another process with this number has not yet left.
                    let place = at.join(slot.to_string()).display().to_string();
                    command.args([format!("claim:{place}"), format!("release:{place}")]);
                });
                command
            })
            .collect();
        throng
            .run(commands)
            .for_each(|outcome| assert_output(&outcome, 0, 0));
        let numbers = numbers.lock().unwrap();
        assert!(
            numbers.iter().all(|slot| (1..=5).contains(slot)),
            "{numbers:?}"
        );
    });
}

#[test]
fn shards_and_jobs_default_to_the_number_of_cores() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let throng = Throng::builder().build().unwrap();
    assert_eq!((throng.jobs(), throng.shards()), (cores, cores));
    assert_eq!(throng.mechanism(), Mechanism::available()[0]);
    let throng = Throng::builder().jobs(1).build().unwrap();
    assert_eq!((throng.jobs(), throng.shards()), (1, 1));
}

#[test]
fn zero_jobs_and_zero_shards_are_errors() {
    for builder in [|| Throng::builder().jobs(0), || Throng::builder().shards(0)] {
        assert!(std::panic::catch_unwind(|| drop(builder())).is_err());
    }
}
