//! Every byte of both streams arrives, separately and in order, for all amounts and speeds.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use throng::{Outcome, Signal, Status, Stream, Throng};
use throng_tests::{
    Source, assert_complete, assert_ended_by, assert_output, check_pattern, child, describe,
    for_each_mechanism, repeat, repeat_with, run_all, run_one,
};

const MIB: usize = 1 << 20;

#[test]
fn output_of_a_silent_child_is_empty() {
    for_each_mechanism(|mechanism| {
        let outcome = run_one(mechanism, &child!(""));
        assert_output(&outcome, 0, 0);
        assert!(outcome.merged().is_empty() && outcome.capture().chunks().next().is_none());
    });
}

#[test]
fn one_stream_alone_leaves_the_other_empty() {
    for_each_mechanism(|mechanism| {
        assert_output(&run_one(mechanism, &child!("out:300")), 300, 0);
        assert_output(&run_one(mechanism, &child!("err:300")), 0, 300);
    });
}

#[test]
fn sizes_around_those_of_pages_and_pipes_arrive_whole() {
    let sizes = [
        0, 1, 2, 4095, 4096, 4097, 65535, 65536, 65537, 131_072, 131_073, 262_144,
    ];
    for_each_mechanism(move |mechanism| {
        let pairs: Vec<(usize, usize)> = sizes
            .iter()
            .flat_map(|n| [(*n, 0), (0, *n), (*n, *n)])
            .collect();
        let commands = pairs
            .iter()
            .map(|(out, err)| child!("out:{out} err:{err}"))
            .collect();
        for (outcome, (out, err)) in run_all(mechanism, commands).iter().zip(&pairs) {
            assert_output(outcome, *out, *err);
        }
    });
}

#[test]
fn four_mebibytes_on_both_streams_at_once_arrive_whole() {
    for_each_mechanism(|mechanism| {
        let commands = vec![child!("both:{}", 4 * MIB); 3];
        for outcome in run_all(mechanism, commands) {
            assert_output(&outcome, 4 * MIB, 4 * MIB);
        }
    });
}

#[test]
fn a_mebibyte_on_one_stream_before_the_other_does_not_block() {
    for_each_mechanism(|mechanism| {
        assert_output(&run_one(mechanism, &child!("err:{MIB} out:10")), 10, MIB);
        assert_output(&run_one(mechanism, &child!("out:{MIB} err:10")), MIB, 10);
    });
}

#[test]
fn ten_thousand_writes_of_one_byte_arrive_whole() {
    for_each_mechanism(|mechanism| {
        assert_output(&run_one(mechanism, &child!("slow-out:10000:0")), 10_000, 0);
    });
}

#[test]
fn a_write_of_no_bytes_is_not_the_end() {
    for_each_mechanism(|mechanism| {
        let nothing = "zero-write:out zero-write:err ".repeat(3);
        let steps = format!("{nothing} out:10 err:5 {nothing} sleep:30 {nothing} out:10 err:5");
        let outcome = run_one(mechanism, &child!("{steps} {nothing}"));
        assert_output(&outcome, 20, 10);
        let pieces = outcome.capture().chunks();
        assert!(pieces.into_iter().all(|chunk| !chunk.bytes.is_empty()));
    });
}

#[test]
fn bytes_written_slowly_arrive_whole() {
    for_each_mechanism(|mechanism| {
        let command = child!("err:5 slow-out:100:3000 err:5");
        assert_output(&run_one(mechanism, &command), 100, 10);
    });
}

#[test]
fn binary_output_without_a_final_newline_is_kept_unchanged() {
    for_each_mechanism(|mechanism| {
        let outcome = run_one(mechanism, &child!("out:8192 outs:end"));
        assert_complete(&outcome);
        let (pattern, end) = outcome.stdout().split_at(8192);
        assert!(
            (0..=255).all(|value| pattern.contains(&value)),
            "the pattern has all values"
        );
        check_pattern(Source::Out, pattern, 8192).unwrap();
        assert_eq!(end, b"end");
    });
}

/// A thousand times with each mechanism on Linux; on Windows with the first, and a hundred times
/// with the others.
#[test]
fn the_last_bytes_before_the_exit_are_never_lost() {
    for_each_mechanism(|mechanism| {
        let times = repeat_with(mechanism, 1000);
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(16)
            .build()
            .unwrap();
        let commands = (0..times).map(|n| child!("out:{} err:{}", n * 7, n % 50));
        let mut count = 0;
        for outcome in throng.run(commands) {
            let n = outcome.seq() as usize;
            assert_output(&outcome, n * 7, n % 50);
            count += 1;
        }
        assert_eq!(count, times);
    });
}

#[test]
fn the_last_bytes_before_a_kill_are_never_lost() {
    for_each_mechanism(|mechanism| {
        for outcome in run_all(mechanism, vec![child!("err:100 out:60000 die"); repeat(50)]) {
            assert_complete(&outcome);
            assert_ended_by(&outcome, Signal::Kill);
            check_pattern(Source::Out, outcome.stdout(), 60_000).unwrap();
            check_pattern(Source::Err, outcome.stderr(), 100).unwrap();
        }
    });
}

#[test]
fn output_of_many_at_once_is_never_mixed_up() {
    for_each_mechanism(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(64)
            .shards(2)
            .build()
            .unwrap();
        let times = repeat(300).max(64);
        let commands = (0..times).map(|n| child!("both:{} outs:{n} errs:{n}", 200_000 + n * 10));
        let outcomes: Vec<Outcome> = throng.run(commands).collect();
        assert_eq!(outcomes.len(), times);
        for outcome in outcomes {
            assert_complete(&outcome);
            let n = outcome.seq() as usize;
            let len = 200_000 + n * 10;
            for (source, stream) in [(Source::Out, Stream::Stdout), (Source::Err, Stream::Stderr)] {
                let bytes = outcome.capture().stream(stream);
                let (pattern, end) = bytes.split_at(len.min(bytes.len()));
                check_pattern(source, pattern, len).unwrap();
                assert_eq!(end, n.to_string().as_bytes(), "{}", describe(&outcome));
            }
        }
    });
}

#[test]
fn merged_output_is_in_the_order_of_the_writes() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let heard = AtomicUsize::new(0);
        // The child writes the next letter only after this one has been received.
        let builder = Throng::builder()
            .mechanism(mechanism)
            .on_output(move |output| {
                for _ in output.bytes {
                    let serial = heard.fetch_add(1, Ordering::Relaxed);
                    File::create(path.join(serial.to_string())).unwrap();
                }
            });
        let letters = "abcdefghijklmnopqrstuvwxyz";
        let mut steps = String::new();
        for (n, letter) in letters.chars().enumerate() {
            let stream = if n % 5 < 2 { "outs" } else { "errs" };
            let heard = dir.path().join(n.to_string());
            steps += &format!("{stream}:{letter} wait-file:{} ", heard.display());
        }
        let outcome = builder
            .build()
            .unwrap()
            .spawn(&child!("{steps}"))
            .wait()
            .unwrap();
        assert_complete(&outcome);
        assert_eq!(
            outcome.merged(),
            letters.as_bytes(),
            "{}",
            describe(&outcome)
        );
        assert_eq!(outcome.stdout(), b"abfgklpquvz");
    });
}

#[test]
fn chunks_concatenated_equal_the_streams() {
    for_each_mechanism(|mechanism| {
        let steps = "out:10 err:20 sleep:5 out:70000 err:3 ".repeat(10);
        let begun = Instant::now();
        let outcome = run_one(mechanism, &child!("{steps} both:1000000"));
        let took = begun.elapsed();
        assert_output(&outcome, 1_700_100, 1_000_230);
        let capture = outcome.capture();
        for stream in Stream::ALL {
            let pieces = capture.chunks().filter(|chunk| chunk.stream == stream);
            let together: Vec<u8> = pieces.flat_map(|chunk| chunk.bytes.to_vec()).collect();
            assert!(together == capture.stream(stream), "{stream}");
        }
        assert!(capture.chunks().all(|chunk| !chunk.bytes.is_empty()));
        assert!(capture.chunks().is_sorted_by_key(|chunk| chunk.at));
        assert!(
            capture.chunks().count() > 20,
            "ten pauses have cut it at least"
        );
        assert_eq!(capture.merged().len(), 1_700_100 + 1_000_230);
        // The last piece may be read after the process has ended, so its wall time is no limit.
        assert!(capture.chunks().last().unwrap().at <= took);
    });
}

#[test]
fn a_process_that_closes_both_streams_is_still_waited_for() {
    for_each_mechanism(|mechanism| {
        let commands = vec![child!("out:10 err:20 close:out close:err sleep:150 exit:7"); 10];
        for outcome in run_all(mechanism, commands) {
            assert_complete(&outcome);
            assert_eq!(
                outcome.status(),
                Some(Status::Exited(7)),
                "{}",
                describe(&outcome)
            );
            assert!(outcome.wall().as_millis() >= 150);
            check_pattern(Source::Out, outcome.stdout(), 10).unwrap();
            check_pattern(Source::Err, outcome.stderr(), 20).unwrap();
        }
    });
}

#[test]
fn a_process_that_closes_both_streams_may_end_at_the_same_moment() {
    for_each_mechanism(|mechanism| {
        for outcome in run_all(
            mechanism,
            vec![child!("close:out close:err exit:9"); repeat(200)],
        ) {
            assert_complete(&outcome);
            assert_eq!(
                outcome.status(),
                Some(Status::Exited(9)),
                "{}",
                describe(&outcome)
            );
        }
    });
}

#[test]
fn one_stream_may_end_long_before_the_other() {
    for_each_mechanism(|mechanism| {
        let commands = vec![
            child!("close:err sleep:50 out:200000"),
            child!("close:out sleep:50 err:200000"),
        ];
        let outcomes = run_all(mechanism, commands);
        assert_output(&outcomes[0], 200_000, 0);
        assert_output(&outcomes[1], 0, 200_000);
    });
}
