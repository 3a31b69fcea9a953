//! Controlling a throng while it runs: a different limit, a pause between starts, no more starts,
//! the list of running processes, another attempt.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use throng::{Cause, Command, ErrorKind, Mechanism, Next, Outcome, Throng};
use throng_tests::{Gate, HANG, child, describe, eventually, for_some_mechanisms, within};

fn throng(mechanism: Mechanism, jobs: usize) -> Throng {
    let builder = Throng::builder().mechanism(mechanism).jobs(jobs);
    builder.build().expect("a throng can be built")
}

fn never_started(outcome: &Outcome) -> bool {
    outcome.start_error().map(throng::Error::kind) == Some(ErrorKind::Cancelled)
}

#[test]
fn the_limit_can_be_raised_and_lowered_while_commands_run() {
    for_some_mechanisms(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(1);
        let throng = builder.jobs_up_to(5).build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let gate = |n: usize| dir.path().join(n.to_string());
        let commands: Vec<Command> = (0..12)
            .map(|n| child!("wait-file:{}", gate(n).display()))
            .collect();
        let run = throng.run(commands);
        eventually("one runs", || throng.live() == 1);
        assert_eq!(throng.set_jobs(5), 5);
        eventually("five run", || throng.live() == 5);
        assert_eq!(throng.set_jobs(2), 2);
        assert_eq!(throng.jobs(), 2);
        // The first ones to end are not replaced until two are left, and then each is replaced by
        // one.
        for n in 0..3 {
            File::create(gate(n)).unwrap();
            eventually("none has followed", || throng.live() == 4 - n);
        }
        File::create(gate(3)).unwrap();
        eventually("another has followed", || {
            throng.live() == 2 && throng.running(9).iter().any(|running| running.seq == 5)
        });
        throng.set_jobs(3);
        eventually("three run", || throng.live() == 3);
        (4..12).for_each(|n| drop(File::create(gate(n)).unwrap()));
        assert_eq!(run.filter(Outcome::success).count(), 12);
    });
}

#[test]
fn no_command_is_forgotten_however_the_limit_moves() {
    for_some_mechanisms(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(1).jobs_up_to(4);
        let throng = Arc::new(builder.shards(4).build().unwrap());
        let (moving, done) = (throng.clone(), Arc::new(AtomicUsize::new(0)));
        let ended = done.clone();
        let mover = std::thread::spawn(move || {
            let mut n = 0;
            while ended.load(Ordering::SeqCst) == 0 {
                n += 1;
                moving.set_jobs(1 + n % 4);
            }
        });
        // They are added one at a time, so that the shards sleep in between.
        for _ in 0..throng_tests::repeat(300) {
            let outcome = throng.spawn(&child!("out:1")).wait().unwrap();
            assert!(outcome.success(), "{}", describe(&outcome));
        }
        done.store(1, Ordering::SeqCst);
        mover.join().unwrap();
    });
}

#[test]
fn slots_stay_apart_when_the_limit_moves() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 1);
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().to_owned();
        let mut claiming = child!("");
        claiming.on_start(move |command, slot| {
            let file = place.join(slot.to_string());
            command.arg(format!("claim:{}", file.display()));
            command.arg("sleep:5");
            command.arg(format!("release:{}", file.display()));
        });
        let commands = vec![claiming; throng_tests::repeat(100)];
        for (n, outcome) in throng.run(commands).enumerate() {
            assert!(outcome.success(), "{}", describe(&outcome));
            throng.set_jobs(1 + n % 7);
        }
    });
}

#[test]
fn starts_wait_until_they_are_admitted_and_keep_their_order() {
    for_some_mechanisms(|mechanism| {
        let pause = Duration::from_millis(30);
        let mut next = None;
        let admitted = Arc::new(Mutex::new(Vec::new()));
        let log = admitted.clone();
        let builder = Throng::builder().mechanism(mechanism).jobs(8).shards(4);
        let builder = builder.admit(move || {
            let now = Instant::now();
            let wait = next.map_or(Duration::ZERO, |next: Instant| next - now.min(next));
            if wait.is_zero() {
                next = Some(now + pause);
                log.lock().unwrap().push(SystemTime::now());
            }
            (!wait.is_zero()).then_some(wait)
        });
        let throng = builder.build().unwrap();
        let mut outcomes: Vec<Outcome> = throng.run(vec![child!("out:1"); 6]).collect();
        outcomes.sort_by_key(Outcome::seq);
        let admitted = admitted.lock().unwrap();
        assert_eq!(admitted.len(), outcomes.len(), "each start has its own");
        // How soon after that the start comes is unspecified: two shards may even overtake each
        // other. The clock may be coarser than that of the processor.
        for (outcome, admitted) in outcomes.iter().zip(&*admitted) {
            let started = outcome.started_at() + Duration::from_millis(5);
            assert!(started >= *admitted, "{}", describe(outcome));
        }
    });
}

#[test]
fn a_throng_that_admits_nothing_can_still_be_cancelled() {
    for_some_mechanisms(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(2);
        let throng = builder.admit(|| Some(HANG)).build().unwrap();
        let run = throng.run(vec![child!("out:1"); 5]);
        let one = throng.spawn(&child!("out:1"));
        throng.cancel();
        let outcomes: Vec<Outcome> = within(HANG / 2, "the run", || run.collect());
        assert!(outcomes.iter().all(never_started));
        assert!(never_started(&one.wait().unwrap()));
    });
}

#[test]
fn stopping_starts_lets_running_processes_go_on() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 2);
        let gate = Gate::new();
        let command = child!("{} out:7", gate.step());
        let run = throng.run(std::iter::repeat_n(command, 500));
        eventually("two run", || throng.live() == 2);
        throng.start_no_more();
        gate.open();
        let (never, ended): (Vec<_>, Vec<_>) = run.partition(never_started);
        assert_eq!(ended.len(), 2);
        assert!(
            ended
                .iter()
                .all(|outcome| outcome.success() && outcome.stdout().len() == 7)
        );
        assert!(never.len() < 498, "the rest was never taken");
        assert!(never_started(&throng.spawn(&child!("")).wait().unwrap()));
    });
}

#[test]
fn running_processes_are_listed_longest_running_first() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 4);
        assert!(throng.running(9).is_empty());
        let gate = Gate::new();
        let mut processes: Vec<_> = (0..4)
            .map(|n| {
                let process = throng.spawn(&child!("{} out:{n}", gate.step()));
                eventually("it runs", || throng.live() == n + 1);
                process
            })
            .collect();
        // A shard that does not answer within a second is left out.
        let mut running = Vec::new();
        eventually("all are told", || {
            running = throng.running(9);
            running.len() == 4
        });
        let seqs: Vec<u64> = running.iter().map(|running| running.seq).collect();
        assert_eq!(seqs, [0, 1, 2, 3]);
        assert!(running.is_sorted_by_key(|running| running.started));
        let told = running[2].command.get_args().last().unwrap();
        assert_eq!((told.to_str(), running[2].attempt), (Some("out:2"), 1));
        assert_eq!(throng.running(1)[0].seq, 0);
        assert!(throng.end(&running[3]));
        let last = processes.pop().unwrap().wait().unwrap();
        assert_eq!(last.pid(), Some(running[3].pid));
        assert_eq!(last.ended_by(), Some(Cause::Cancel), "{}", describe(&last));
        gate.open();
        for (process, running) in processes.into_iter().zip(running) {
            let outcome = process.wait().unwrap();
            assert_eq!(outcome.pid(), Some(running.pid));
            assert_eq!(outcome.ended_by(), None, "{}", describe(&outcome));
        }
        assert!(throng.running(9).is_empty());
    });
}

#[test]
fn processes_older_than_an_age_are_ended_as_by_a_timeout() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 2);
        let old = throng.spawn(&child!("sleep:600000"));
        eventually("it runs", || throng.live() == 1);
        throng.end_older(HANG);
        let young = throng.spawn(&child!("out:1"));
        assert!(young.wait().unwrap().success(), "nothing is that old");
        throng.end_older(Duration::ZERO);
        assert!(old.wait().unwrap().timed_out());
    });
}

#[test]
fn a_rerun_command_gives_another_outcome_of_the_same_run() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 3);
        let commands = (0..20).map(|n| child!("out:{n} exit:{}", n % 2));
        let run = throng.run_judged(commands, |outcome| {
            let after = Duration::from_millis(outcome.seq() % 4);
            let is_last = outcome.success() || outcome.attempt() == 4;
            if is_last {
                Next::Continue
            } else {
                Next::RunAgain(after)
            }
        });
        let mut attempts = [0; 20];
        for outcome in run {
            let seq = outcome.seq();
            attempts[seq as usize] += 1;
            assert_eq!(outcome.attempt(), attempts[seq as usize]);
            assert_eq!(outcome.stdout().len() as u64, seq);
            assert_eq!(
                outcome.is_final(),
                outcome.success() || outcome.attempt() == 4
            );
        }
        assert!((0..20).all(|n| attempts[n] == if n % 2 == 1 { 4 } else { 1 }));
    });
}

#[test]
fn another_attempt_gets_a_new_slot() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 1);
        let mut command = child!("exit:1");
        command.on_start(|command, slot| {
            let calls = command.get_args().count();
            *command = child!("outs:{slot}-{calls} exit:1");
        });
        let run = throng.run_judged([command], |outcome| match outcome.attempt() {
            4 => Next::Continue,
            _ => Next::RunAgain(Duration::ZERO),
        });
        let outcomes: Vec<_> = run.collect();
        assert!(outcomes.iter().all(|outcome| outcome.stdout() == b"1-1"));
        let attempts: Vec<_> = outcomes.iter().map(Outcome::attempt).collect();
        assert_eq!(attempts, [1, 2, 3, 4]);
    });
}

/// Decides that a command is to be run again, but not within this test.
fn again_in_an_hour(_: &Outcome) -> Next {
    Next::RunAgain(Duration::from_secs(3600))
}

#[test]
fn a_run_waits_for_pending_attempts_and_ends_when_starts_are_stopped() {
    for_some_mechanisms(|mechanism| {
        let throng = Arc::new(throng(mechanism, 1));
        let mut run = throng.run_judged([child!("exit:1")], again_in_an_hour);
        assert!(run.next().is_some_and(|outcome| !outcome.is_final()));
        assert!(!run.is_ready());
        let waits = within(HANG / 2, "the end of the run", move || {
            let canceller = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                throng.start_no_more();
            });
            let outcome = run.next();
            canceller.join().unwrap();
            (outcome, run.next().is_none())
        });
        let (outcome, is_over) = waits;
        assert!(outcome.is_some_and(|outcome| never_started(&outcome) && outcome.attempt() == 2));
        assert!(is_over);
    });
}

#[test]
fn a_dropped_run_forgets_pending_attempts() {
    for_some_mechanisms(|mechanism| {
        let throng = throng(mechanism, 1);
        let mut run = throng.run_judged([child!("exit:1")], again_in_an_hour);
        assert!(run.next().is_some());
        drop(run);
        assert!(throng.spawn(&child!("")).wait().unwrap().success());
    });
}

#[test]
fn nothing_starts_after_the_ending_outcome_however_late_it_is_taken() {
    for_some_mechanisms(|mechanism| {
        for (jobs, next) in [
            (1, Next::StartNoMore),
            (1, Next::Cancel),
            (4, Next::StartNoMore),
        ] {
            let throng = throng(mechanism, jobs);
            let commands = (0..200).map(|_| child!("out:9 exit:1"));
            let run = throng.run_judged(commands, move |_| next);
            // No outcome is taken before everything that is to come of it has come.
            eventually("nothing is started any more", || throng.starts_no_more());
            eventually("nothing runs", || throng.live() == 0);
            let started = run.filter(|outcome| outcome.pid().is_some()).count();
            assert!(
                (1..=jobs).contains(&started),
                "{started} with {jobs} at a time"
            );
        }
    });
}

#[test]
fn a_process_is_ended_by_its_own_throng_and_by_no_other() {
    for_some_mechanisms(|mechanism| {
        let one = Throng::builder().mechanism(mechanism).jobs(2).shards(2);
        let (one, other) = (one.build().unwrap(), throng(mechanism, 1));
        let ours: Vec<_> = (0..2).map(|_| one.spawn(&child!("sleep:600000"))).collect();
        let theirs = other.spawn(&child!("sleep:600000"));
        let running = |throng: &Throng, count| {
            eventually("they run", || throng.running(9).len() == count);
            throng.running(9)
        };
        // The other throng has no shard of that number, or has a process of its own in that slot.
        for running in running(&one, 2) {
            assert!(!other.end(&running));
        }
        let [of_the_other] = &running(&other, 1)[..] else {
            panic!("one runs there");
        };
        assert!(!one.end(of_the_other));
        assert!(other.end(of_the_other));
        assert_eq!(theirs.wait().unwrap().ended_by(), Some(Cause::Cancel));
        assert_eq!(running(&one, 2).len(), 2, "nobody else has been ended");
        drop(ours);
    });
}
