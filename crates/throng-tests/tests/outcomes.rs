//! What is known of a process when it has ended.

use std::time::{Duration, SystemTime};

use throng::{Command, Status, Throng, Usage};
use throng_tests::{
    assert_complete, assert_output, child, describe, for_each_mechanism, for_each_mechanism_alone,
    repeat, run_all, run_one, tells_usage, with_enough_time,
};

#[test]
fn exit_codes_are_reported_unchanged() {
    for_each_mechanism(|mechanism| {
        let codes = [0u32, 1, 2, 3, 42, 126, 127, 128, 137, 255];
        let commands = codes
            .iter()
            .map(|code| child!("out:5 exit:{code}"))
            .collect();
        for (outcome, code) in run_all(mechanism, commands).iter().zip(codes) {
            assert_complete(outcome);
            assert_eq!(
                outcome.status(),
                Some(Status::Exited(code)),
                "{}",
                describe(outcome)
            );
            assert_eq!(outcome.success(), code == 0);
            assert!(outcome.ended_by().is_none() && !outcome.timed_out());
        }
    });
}

#[test]
fn a_busy_process_has_used_processor_time() {
    for_each_mechanism(|mechanism| {
        let outcome = run_one(mechanism, &child!("spin:20000000"));
        assert_output(&outcome, 0, 0);
        let usage = outcome.usage();
        if !tells_usage() {
            assert_eq!(
                usage,
                Usage::default(),
                "nothing rather than something wrong"
            );
            return;
        }
        assert!(usage.user > Duration::ZERO, "{usage:?}");
        let cores = std::thread::available_parallelism().unwrap().get() as u32;
        assert!(usage.user + usage.system <= outcome.wall() * cores + Duration::from_millis(100));
    });
}

#[test]
fn usage_includes_children_that_were_waited_for() {
    for_each_mechanism(|mechanism| {
        let idle = run_one(mechanism, &child!("wait-child:exit:0"));
        let busy = run_one(mechanism, &child!("wait-child:spin:20000000"));
        assert_complete(&busy);
        let (idle, busy) = (idle.usage().user, busy.usage().user);
        assert!(
            busy > idle || !tells_usage(),
            "{busy:?} with a busy child, {idle:?} with an idle one"
        );
    });
}

#[test]
fn the_peak_memory_of_a_large_process_is_reported() {
    for_each_mechanism(|mechanism| {
        let outcome = run_one(mechanism, &child!("alloc:192"));
        assert_output(&outcome, 0, 0);
        let bytes = outcome.usage().max_rss_bytes;
        if tells_usage() {
            let bytes = bytes.expect("it is larger than we are");
            assert!((192 << 20..320 << 20).contains(&bytes), "{bytes}");
        } else {
            assert_eq!(bytes, None);
        }
    });
}

#[test]
fn times_of_an_outcome_are_consistent() {
    for_each_mechanism(|mechanism| {
        // The clock of the system may be coarser than ours.
        let coarse = Duration::from_millis(20);
        let before = SystemTime::now() - coarse;
        let outcome = run_one(mechanism, &child!("sleep:120"));
        let after = SystemTime::now() + coarse;
        assert!(before <= outcome.started_at(), "{}", describe(&outcome));
        assert!(outcome.started_at() + Duration::from_millis(120) <= outcome.ended_at());
        assert!(outcome.ended_at() <= after);
        assert_eq!(outcome.ended_at(), outcome.started_at() + outcome.wall());
        assert!(outcome.start_latency() > Duration::ZERO);
        assert!(outcome.start_latency() <= after.duration_since(before).unwrap());
        assert_eq!(outcome.start_retries(), 0);
    });
}

#[test]
fn the_exit_time_is_that_of_the_exit_and_not_of_the_end_of_streams() {
    for_each_mechanism(|mechanism| {
        // The holder lives so long that the exit is noticed before it lets go.
        let run = |time: Duration| {
            let mut command = child!("holder:sleep:{} exit:0", time.as_millis());
            let outcome = run_one(mechanism, command.grace(Duration::MAX));
            assert_complete(&outcome);
            (outcome.wall(), time)
        };
        let (wall, time) = with_enough_time(run, |(wall, time)| wall < time);
        assert!(wall < time, "its holder's time is not its own: {wall:?}");
    });
}

#[test]
fn an_outcome_gives_back_its_command_with_the_label() {
    for_each_mechanism(|mechanism| {
        let mut labelled = child!("out:3");
        labelled.label("the first");
        let outcomes = run_all(mechanism, vec![labelled, child!("err:3")]);
        assert_eq!(
            outcomes[0].command().get_label(),
            Some("the first".as_ref())
        );
        assert_eq!(outcomes[1].command().get_label(), None);
        let args: Vec<_> = outcomes[1].command().get_args().collect();
        assert_eq!(args, ["err:3"]);
        let program = outcomes[1].command().get_program();
        assert_eq!(program, child!("").get_program());
    });
}

#[test]
fn the_seq_is_the_position_among_all_commands() {
    for_each_mechanism(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(4)
            .build()
            .unwrap();
        let spawned: Vec<_> = (0..5).map(|n| throng.spawn(&child!("exit:{n}"))).collect();
        for (n, process) in spawned.into_iter().enumerate() {
            let outcome = process.wait().unwrap();
            assert_eq!(outcome.seq(), n as u64);
            assert_eq!(outcome.status().unwrap().code(), Some(n as u32));
        }
        // Each run counts from zero, and a command that cannot start counts as well.
        for _ in 0..2 {
            let commands = vec![
                child!("exit:0"),
                Command::new("/not/there"),
                child!("exit:2"),
            ];
            let mut seen: Vec<_> = throng
                .run(commands)
                .map(|outcome| (outcome.seq(), outcome.status().and_then(Status::code)))
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, [(0, Some(0)), (1, None), (2, Some(2))]);
        }
    });
}

#[test]
fn children_started_by_other_means_are_left_alone() {
    for_each_mechanism_alone(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(4)
            .build()
            .unwrap();
        let run = throng.run((0..repeat(100)).map(|n| child!("exit:{n}")));
        for code in 0..repeat(30) as i32 {
            let mut other = std::process::Command::new(env!("CARGO_BIN_EXE_child"));
            let status = other.arg(format!("exit:{code}")).status().unwrap();
            assert_eq!(status.code(), Some(code));
        }
        for outcome in run {
            assert_eq!(outcome.status(), Some(Status::Exited(outcome.seq() as u32)));
        }
    });
}
