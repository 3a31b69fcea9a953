//! The memory that captures may take, and what happens to output beyond it.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use throng::{ErrorKind, Mechanism, Outcome, Retain, Stream, Throng, Verdict};
use throng_tests::{
    Source, assert_complete, assert_output, check_pattern, child, describe, fill,
    for_each_mechanism, repeat, run_one,
};

const MIB: u64 = 1 << 20;

/// The memory that streams too small for a file may take, for each live process.
const UNSPILLED: u64 = 2 * 64 * 1024;

fn throng(mechanism: Mechanism, memory: u64) -> Throng {
    let builder = Throng::builder().mechanism(mechanism).jobs(8);
    builder.memory(memory).build().unwrap()
}

#[test]
fn output_beyond_the_budget_is_spilled_to_a_file_and_read_back_whole() {
    for_each_mechanism(|mechanism| {
        let throng = throng(mechanism, MIB);
        let len = 4 * MIB as usize;
        let outcome = throng.spawn(&child!("both:{len} exit:0")).wait().unwrap();
        let capture = outcome.capture();
        assert!(throng.memory_used() <= MIB);
        assert!(Stream::ALL.map(|stream| capture.is_spilled(stream)) == [true; 2]);
        assert_eq!(
            (capture.bytes_total(), capture.bytes_in_memory()),
            (2 * len as u64, 0)
        );
        for (stream, source) in Stream::ALL.into_iter().zip([Source::Out, Source::Err]) {
            let mut bytes = Vec::new();
            capture.reader(stream).read_to_end(&mut bytes).unwrap();
            check_pattern(source, &bytes, len).unwrap();
            let mut reader = capture.reader(stream);
            reader.seek(SeekFrom::End(-8)).unwrap();
            let mut last = [0; 9];
            assert_eq!(reader.read(&mut last).unwrap(), 8);
            assert_eq!(last[..8], bytes[len - 8..]);
        }
        let mut merged = Vec::new();
        capture.merged_reader().read_to_end(&mut merged).unwrap();
        assert!(merged == capture.merged());
        assert_output(&outcome, len, len);
        drop(outcome);
        assert_eq!(throng.memory_used(), 0);
    });
}

#[test]
fn many_at_once_share_the_budget_and_outcomes_count_until_they_are_dropped() {
    for_each_mechanism(|mechanism| {
        const JOBS: u64 = 8;
        let pool: Arc<OnceLock<Weak<Throng>>> = Arc::default();
        let (most, own) = (Arc::new(AtomicU64::new(0)), pool.clone());
        let seen = most.clone();
        let builder = Throng::builder().mechanism(mechanism).jobs(JOBS as usize);
        let builder = builder.memory(2 * MIB).on_output(move |_| {
            if let Some(throng) = own.get().and_then(Weak::upgrade) {
                seen.fetch_max(throng.memory_used(), Ordering::Relaxed);
            }
        });
        let throng = Arc::new(builder.build().unwrap());
        pool.set(Arc::downgrade(&throng)).unwrap();
        let len = 700_000;
        let commands = vec![child!("both:{len}"); repeat(40)];
        let outcomes: Vec<Outcome> = throng.run(commands).collect();
        outcomes
            .iter()
            .for_each(|outcome| assert_output(outcome, len, len));
        let most = most.load(Ordering::Relaxed);
        assert!(most > 0 && most <= 2 * MIB + JOBS * UNSPILLED, "{most}");
        let in_memory: u64 = outcomes.iter().map(|o| o.capture().bytes_in_memory()).sum();
        assert!(in_memory <= 2 * MIB + UNSPILLED, "{in_memory}");
        drop(outcomes);
        assert_eq!(throng.memory_used(), 0);
    });
}

#[test]
fn captures_too_small_for_a_file_stay_in_memory_whatever_the_budget() {
    for_each_mechanism(|mechanism| {
        let throng = throng(mechanism, 0);
        let outcome = throng.spawn(&child!("both:20000")).wait().unwrap();
        assert_output(&outcome, 20_000, 20_000);
        assert_eq!(outcome.capture().bytes_in_memory(), 40_000);
    });
}

#[test]
fn a_spilled_capture_outlives_its_throng_and_can_be_cloned() {
    for_each_mechanism(|mechanism| {
        let throng = throng(mechanism, 0);
        let outcome = throng.spawn(&child!("out:300000")).wait().unwrap();
        drop(throng);
        let clone = outcome.capture().clone();
        drop(outcome);
        assert!(clone.is_spilled(Stream::Stdout));
        check_pattern(Source::Out, clone.stdout(), 300_000).unwrap();
    });
}

#[test]
fn a_failed_spill_is_a_verdict_and_the_process_goes_on() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let builder = Throng::builder().mechanism(mechanism).memory(MIB);
        let throng = builder.spill_dir(dir.path()).build().unwrap();
        let path = dir.path().display().to_string();
        dir.close().unwrap();
        let outcome = throng
            .spawn(&child!("out:3000000 err:5 exit:7"))
            .wait()
            .unwrap();
        assert_eq!(outcome.status().unwrap().code(), Some(7));
        let Verdict::Failed(error) = outcome.verdict(Stream::Stdout) else {
            panic!("not failed: {}", describe(&outcome));
        };
        assert_eq!(error.kind(), ErrorKind::Storage);
        let message = error.to_string();
        assert!(message.starts_with("cannot keep stdout of \""), "{message}");
        assert!(message.contains(&format!("\" in {path}: ")), "{message}");
        let kept = outcome.stdout().len();
        assert!((500_000..=1_200_000).contains(&kept), "{kept}");
        check_pattern(Source::Out, outcome.stdout(), kept).unwrap();
        let gap = outcome.capture().dropped_range(Stream::Stdout).unwrap();
        assert_eq!((gap.at, gap.at + gap.bytes), (kept as u64, 3_000_000));
        assert!(outcome.verdict(Stream::Stderr).is_complete());
        // Others have room in memory.
        assert_output(&throng.spawn(&child!("both:9")).wait().unwrap(), 9, 9);
    });
}

#[test]
fn a_spill_path_that_is_not_a_directory_is_refused_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Throng::builder()
        .spill_dir(file.path())
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadDirectory);
    let path = file.path().display();
    assert_eq!(
        error.to_string(),
        format!("cannot spill to {path}: it is not a directory")
    );
}

#[test]
fn spill_files_are_unnamed_or_removed_with_the_outcome() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let builder = Throng::builder().mechanism(mechanism).memory(0);
        let throng = builder.spill_dir(dir.path()).build().unwrap();
        let outcome = throng.spawn(&child!("both:100000")).wait().unwrap();
        assert!(outcome.capture().is_spilled(Stream::Stderr));
        assert_complete(&outcome);
        drop(outcome);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    });
}

/// These bytes of the pattern.
fn piece(source: Source, from: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fill(source, from, &mut bytes);
    bytes
}

#[test]
fn of_output_over_its_limit_the_tail_or_both_ends_can_be_kept() {
    for_each_mechanism(|mechanism| {
        const LEN: u64 = 3_000_000;
        for (part, head) in [(Retain::Tail, 0), (Retain::Both, 500)] {
            let mut command = child!("both:{LEN} exit:4");
            command.max_output(1000).retain(part);
            let outcome = run_one(mechanism, &command);
            assert_eq!(outcome.status().unwrap().code(), Some(4));
            for (stream, source) in Stream::ALL.into_iter().zip([Source::Out, Source::Err]) {
                let tail = 1000 - head;
                let first = piece(source, 0, head);
                let last = piece(source, LEN - tail as u64, tail);
                assert_eq!(outcome.capture().stream(stream), [first, last].concat());
                let gap = outcome.capture().dropped_range(stream).unwrap();
                assert_eq!((gap.at, gap.bytes), (head as u64, LEN - 1000));
                let verdict = outcome.verdict(stream).to_string();
                assert_eq!(verdict, format!("capped, {} bytes dropped", LEN - 1000));
            }
            assert_eq!(outcome.merged().len(), 2000);
        }
        let mut command = child!("out:1000 err:999");
        command.max_output(1000).retain(Retain::Both);
        assert_output(&run_one(mechanism, &command), 1000, 999);
    });
}
