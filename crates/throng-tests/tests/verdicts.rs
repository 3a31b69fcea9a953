//! How a capture ended: complete, held or capped. For cut see timeouts.rs and cancel.rs, for failed
//! callbacks.rs.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use throng::{Command, Holder, Outcome, Stream, Throng, Verdict};
use throng_tests::{
    Source, TELLS_ARGUMENTS, Tag, assert_complete, assert_output, check_pattern, child, describe,
    eventually, for_each_mechanism, is_of_the_system, repeat, repeat_with, run_all, run_one,
    with_enough_time,
};

/// What holders sleep for. A process that is held has its outcome long before.
const LONG_MS: u64 = 600_000;

#[track_caller]
fn assert_held(outcome: &Outcome, stream: Stream, tag: &Tag) {
    let Verdict::Held { holders } = outcome.verdict(stream) else {
        panic!("not held: {}", describe(outcome));
    };
    let holders: Vec<&Holder> = holders
        .iter()
        .filter(|one| !is_of_the_system(one))
        .collect();
    let pids: Vec<u32> = holders.iter().map(|holder| holder.pid).collect();
    // A process that has just been started shows its tag a moment later.
    let has_all = || pids.iter().all(|pid| tag.pids().contains(pid));
    eventually(&format!("{} have {tag}", describe(outcome)), has_all);
    assert_eq!(pids, tag.pids(), "{}", describe(outcome));
    let child = child!("");
    let program = Path::new(child.get_program());
    for holder in holders {
        let named = Path::new(&holder.argv[0]);
        assert_eq!(named.file_name(), program.file_name());
        assert!(named.is_absolute() && holder.started.is_some());
        let tag = tag.to_string();
        let arguments: &[&str] = if TELLS_ARGUMENTS { &[&tag] } else { &[] };
        let told = holder.argv.iter().skip(1).take(1);
        assert!(told.eq(arguments), "{}", describe(outcome));
    }
}

/// A command that leaves a child of its own behind, and what it writes: 3000 bytes and 40.
fn leaves_behind(tag: &Tag, holder: &str) -> Command {
    child!("out:3000 {holder}:{tag},sleep:{LONG_MS} err:40 exit:0")
}

#[test]
fn streams_kept_open_are_held_and_the_holder_is_named() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let outcome = run_one(mechanism, &leaves_behind(&tag, "holder"));
        assert!(outcome.success(), "{}", describe(&outcome));
        assert_held(&outcome, Stream::Stdout, &tag);
        assert_held(&outcome, Stream::Stderr, &tag);
        check_pattern(Source::Out, outcome.stdout(), 3000).unwrap();
        check_pattern(Source::Err, outcome.stderr(), 40).unwrap();
        assert!(
            outcome.wall() < Duration::from_millis(LONG_MS / 2),
            "{:?}",
            outcome.wall()
        );
        assert_eq!(outcome.ended_by(), None, "nobody was ended");
        // The holder goes on, although the throng is gone.
        tag.await_count(1);
    });
}

#[test]
fn one_stream_may_be_held_and_the_other_complete() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let outcome = run_one(mechanism, &leaves_behind(&tag, "holder-out"));
        assert_held(&outcome, Stream::Stdout, &tag);
        assert!(
            outcome.verdict(Stream::Stderr).is_complete(),
            "{}",
            describe(&outcome)
        );
        let tag = Tag::new();
        let outcome = run_one(mechanism, &leaves_behind(&tag, "holder-err"));
        assert_held(&outcome, Stream::Stderr, &tag);
        assert!(
            outcome.verdict(Stream::Stdout).is_complete(),
            "{}",
            describe(&outcome)
        );
    });
}

#[test]
fn a_stream_may_have_several_holders() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let holder = format!("holder:{tag},sleep:{LONG_MS}");
        let outcome = run_one(mechanism, &child!("{holder} {holder} {holder} exit:5"));
        tag.await_count(3);
        assert_held(&outcome, Stream::Stdout, &tag);
        assert_held(&outcome, Stream::Stderr, &tag);
    });
}

#[test]
fn what_a_holder_writes_within_the_grace_period_is_kept() {
    for_each_mechanism(|mechanism| {
        let run = |grace| {
            let tag = Tag::new();
            let holder = format!("holder:{tag},outs:-child,sleep:{LONG_MS}");
            let mut command = child!("outs:mother {holder} exit:0");
            (run_one(mechanism, command.grace(grace)), tag)
        };
        let (outcome, tag) = with_enough_time(run, |(outcome, _)| outcome.stdout() != b"mother");
        assert_held(&outcome, Stream::Stdout, &tag);
        assert_eq!(outcome.stdout(), b"mother-child");
    });
}

#[test]
fn a_stream_released_within_the_grace_period_is_complete() {
    for_each_mechanism(|mechanism| {
        let mut command = child!("out:500 holder:sleep:300,errs:late exit:3");
        command.grace(Duration::from_secs(60));
        let outcome = run_one(mechanism, &command);
        assert_complete(&outcome);
        assert_eq!(outcome.status().unwrap().code(), Some(3));
        check_pattern(Source::Out, outcome.stdout(), 500).unwrap();
        assert_eq!(outcome.stderr(), b"late");
    });
}

#[test]
fn the_grace_period_is_the_builders_unless_the_command_has_its_own() {
    for_each_mechanism(|mechanism| {
        let long = Duration::from_secs(60);
        let short = Duration::from_millis(20);
        let tag = Tag::new();
        let lets_go = child!("holder:sleep:700 exit:0");
        let stays = child!("holder:{tag},sleep:{LONG_MS} exit:0");
        let with = |grace| {
            let builder = Throng::builder().mechanism(mechanism);
            builder.grace(grace).build().unwrap()
        };
        let outcome = with(long).spawn(&lets_go).wait().unwrap();
        assert_complete(&outcome);
        let outcome = with(short).spawn(&stays).wait().unwrap();
        assert_eq!(outcome.verdict(Stream::Stdout).name(), "held");
        let outcome = with(long).spawn(stays.clone().grace(short)).wait().unwrap();
        assert_eq!(outcome.verdict(Stream::Stdout).name(), "held");
        let mut patient = lets_go;
        let outcome = with(short).spawn(patient.grace(long)).wait().unwrap();
        assert_complete(&outcome);
    });
}

#[test]
fn a_zero_grace_period_keeps_everything_written_before_the_end() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let mut command = child!("holder:{tag},sleep:{LONG_MS} both:60000 exit:0");
        command.grace(Duration::ZERO);
        for outcome in run_all(mechanism, vec![command; repeat(40)]) {
            assert_eq!(outcome.verdict(Stream::Stdout).name(), "held");
            check_pattern(Source::Out, outcome.stdout(), 60_000).unwrap();
            check_pattern(Source::Err, outcome.stderr(), 60_000).unwrap();
        }
    });
}

#[test]
fn bytes_in_the_pipe_when_the_grace_period_ends_are_kept() {
    for_each_mechanism(|mechanism| {
        // The holder writes a third of the grace period after the start, and has the rest of it.
        let run = |grace: Duration| {
            let dir = tempfile::tempdir().unwrap();
            let (more, written) = (dir.path().join("more"), dir.path().join("written"));
            let tag = Tag::new();
            let (wait, make) = (more.display(), written.display());
            let begin = format!("{tag},sleep:{},outs:1", grace.as_millis() / 3);
            let holder = format!("{begin},wait-file:{wait},outs:2,make-file:{make}");
            let mut command = child!("holder:{holder},sleep:{LONG_MS} exit:0");
            // Keeps the thread busy until more has been written and the grace period is over.
            let builder = Throng::builder().mechanism(mechanism);
            let builder = builder.on_output(move |output| {
                if output.bytes == b"1" {
                    File::create(&more).expect("the directory is there");
                    eventually("the holder has written more", || written.exists());
                    std::thread::sleep(grace);
                }
            });
            let throng = builder.build().unwrap();
            (throng.spawn(command.grace(grace)).wait().unwrap(), tag)
        };
        let (outcome, tag) = with_enough_time(run, |(outcome, _)| !outcome.stdout().is_empty());
        assert_held(&outcome, Stream::Stdout, &tag);
        assert_eq!(outcome.stdout(), b"12", "{}", describe(&outcome));
    });
}

#[test]
fn a_holder_that_never_stops_writing_does_not_delay_the_outcome() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let mut command = child!("holder:{tag},flood exit:0");
        command.max_output(1 << 20).grace(Duration::from_millis(50));
        let outcome = run_one(mechanism, &command);
        let verdict = outcome.verdict(Stream::Stdout).name();
        assert_eq!(verdict, "held", "{}", describe(&outcome));
        let kept = outcome.stdout().len();
        check_pattern(Source::Out, outcome.stdout(), kept).unwrap();
        assert!(kept <= 1 << 20);
    });
}

#[test]
fn output_over_its_limit_is_counted_and_dropped_without_blocking() {
    for_each_mechanism(|mechanism| {
        let mut command = child!("both:3000000 out:5 exit:4");
        command.max_output(1000);
        let outcome = run_one(mechanism, &command);
        assert_eq!(
            outcome.status().unwrap().code(),
            Some(4),
            "{}",
            describe(&outcome)
        );
        check_pattern(Source::Out, outcome.stdout(), 1000).unwrap();
        check_pattern(Source::Err, outcome.stderr(), 1000).unwrap();
        for (stream, dropped) in [(Stream::Stdout, 2_999_005), (Stream::Stderr, 2_999_000)] {
            assert_eq!(outcome.capture().dropped_bytes(stream), dropped);
            let Verdict::Capped { dropped_bytes } = outcome.verdict(stream) else {
                panic!("not capped: {}", describe(&outcome));
            };
            assert_eq!(*dropped_bytes, dropped);
        }
        assert!(!outcome.is_complete());
    });
}

/// A hundred mebibytes with each mechanism on Linux, and on Windows with the first; ten with the
/// others.
#[test]
fn a_limit_of_64_kib_does_not_prevent_writing_a_hundred_mebibytes() {
    for_each_mechanism(|mechanism| {
        let mib = repeat_with(mechanism, 100);
        let len = (mib as u64) << 20;
        let mut command = child!("out:{len} err:9 exit:4");
        let outcome = run_one(mechanism, command.max_output(64 << 10));
        assert_eq!(outcome.status().unwrap().code(), Some(4));
        check_pattern(Source::Out, outcome.stdout(), 64 << 10).unwrap();
        let dropped = outcome.capture().dropped_bytes(Stream::Stdout);
        assert_eq!(dropped, len - (64 << 10));
        assert_eq!(outcome.verdict(Stream::Stdout).name(), "capped");
        assert!(outcome.verdict(Stream::Stderr).is_complete());
    });
}

#[test]
fn output_of_exactly_its_limit_is_complete() {
    for_each_mechanism(|mechanism| {
        let with_limit = |limit| child!("out:70000 err:9").max_output(limit).clone();
        let limits = [70_000, 69_999, 0, u64::MAX];
        let outcomes = run_all(mechanism, limits.map(with_limit).to_vec());
        assert_output(&outcomes[0], 70_000, 9);
        assert_output(&outcomes[3], 70_000, 9);
        for (outcome, out, err) in [
            (&outcomes[1], 1, "complete"),
            (&outcomes[2], 70_000, "capped"),
        ] {
            let out_verdict = outcome.verdict(Stream::Stdout).to_string();
            assert_eq!(out_verdict, format!("capped, {out} bytes dropped"));
            assert_eq!(outcome.verdict(Stream::Stderr).name(), err);
        }
        assert!(outcomes[2].merged().is_empty());
    });
}
