use super::*;
use crate::capture::budget::WORTH_A_FILE;
use crate::capture::spill::SpillDir;
use crate::sys::base;
use proptest::prelude::*;
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::Ordering;

const ALL: Limit = Limit {
    bytes: u64::MAX,
    retain: Retain::Head,
};

fn budget(limit: u64) -> Arc<Budget> {
    Arc::new(Budget::new(Some(limit), None))
}

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

fn retain() -> impl Strategy<Value = Retain> {
    prop_oneof![Just(Retain::Head), Just(Retain::Tail), Just(Retain::Both)]
}

/// Bytes that differ from their neighbours, so that what is missing shows.
fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|n| (n % 251) as u8).collect()
}

/// A byte as it was pushed, and its position in time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Said {
    stream: Stream,
    byte: u8,
    at_ns: u64,
}

/// What is to be kept of the output, in order, and how much was dropped and where.
fn kept(said: &[Said], limit: u64, retain: Retain) -> (Vec<Said>, [u64; 2], [u64; 2]) {
    let total = Stream::ALL.map(|s| said.iter().filter(|b| b.stream == s).count() as u64);
    let (head, tail) = match retain {
        Retain::Head => (limit, 0),
        Retain::Tail => (0, limit),
        Retain::Both => (limit - limit / 2, limit / 2),
    };
    let mut seen = [0; 2];
    let is_kept = |byte: &&Said| {
        let index = byte.stream.index();
        seen[index] += 1;
        seen[index] <= head || total[index] - seen[index] < tail
    };
    let kept = said.iter().filter(is_kept).copied().collect();
    let dropped = total.map(|total| total.saturating_sub(limit));
    (kept, dropped, total.map(|total| total.min(head)))
}

#[track_caller]
fn check(capture: &Capture, said: &[Said], limit: u64, retain: Retain) {
    let (kept, dropped, head) = kept(said, limit, retain);
    let bytes: Vec<u8> = kept.iter().map(|byte| byte.byte).collect();
    assert_eq!(capture.merged(), bytes);
    let mut read = Vec::new();
    capture.merged_reader().read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);
    for stream in Stream::ALL {
        let of_stream = kept.iter().filter(|byte| byte.stream == stream);
        let bytes: Vec<u8> = of_stream.map(|byte| byte.byte).collect();
        assert_eq!(capture.stream(stream), bytes);
        assert_eq!(capture.len(stream), bytes.len() as u64);
        let mut read = Vec::new();
        capture.reader(stream).read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        let index = stream.index();
        assert_eq!(capture.dropped_bytes(stream), dropped[index]);
        let all = said.iter().filter(|byte| byte.stream == stream).count();
        assert_eq!(capture.received_bytes(stream), all as u64);
        let gap = (dropped[index] > 0).then_some(DroppedRange {
            at: head[index],
            bytes: dropped[index],
        });
        assert_eq!(capture.dropped_range(stream), gap);
        let dropped_at = gap.map_or(0, |gap| gap.at);
        let mut at = 0;
        for chunk in capture.chunks().filter(|chunk| chunk.stream == stream) {
            let end = at + chunk.bytes.len() as u64;
            assert!(
                dropped_at <= at || dropped_at >= end,
                "a gap is between two chunks"
            );
            at = end;
        }
    }
    assert!(capture.chunks().all(|chunk| !chunk.bytes.is_empty()));
    assert!(capture.chunks().is_sorted_by_key(|chunk| chunk.at));
    let mut rest = &kept[..];
    for chunk in capture.chunks() {
        let (own, later) = rest.split_at(chunk.bytes.len());
        assert!(own.iter().all(|byte| byte.stream == chunk.stream));
        let later_ns = own[0].at_ns.saturating_sub(chunk.at.as_nanos() as u64);
        assert!(later_ns < 1_000_000, "a chunk is as old as its first byte");
        rest = later;
    }
    assert_eq!(rest, []);
}

proptest! {
    #[test]
    fn the_kept_part_has_the_right_cuts_and_interleaving(
        pushes in prop::collection::vec((stream(), 0usize..20, 0u64..3_000_000), 0..50),
        limit in prop_oneof![Just(u64::MAX), 0u64..100],
        retain in retain(),
    ) {
        let (budget, mut capture) = (budget(u64::MAX), Capture::default());
        let (mut said, mut at_ns) = (Vec::new(), 0);
        for (stream, len, later_ns) in pushes {
            at_ns += later_ns;
            let bytes = pattern(said.len(), len);
            let limit = Limit { bytes: limit, retain };
            capture.push(stream, &bytes, Duration::from_nanos(at_ns), limit, &budget);
            said.extend(bytes.into_iter().map(|byte| Said { stream, byte, at_ns }));
        }
        capture.close(&budget);
        check(&capture, &said, limit, retain);
        drop(capture);
        prop_assert_eq!(budget.used(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn spilling_does_not_change_a_capture(
        pushes in prop::collection::vec((stream(), 0usize..60_000, 0u64..3_000_000), 0..12),
        limit in prop_oneof![Just(u64::MAX), 0u64..200_000],
        retain in retain(),
        memory in prop_oneof![Just(0u64), 0u64..300_000],
    ) {
        let (budget, mut capture) = (budget(memory), Capture::default());
        let (mut said, mut at_ns) = (Vec::new(), 0);
        // A tail is not continued in a file, so it needs memory.
        let retain = if memory < 600_000 { Retain::Head } else { retain };
        for (stream, len, later_ns) in pushes {
            at_ns += later_ns;
            let bytes = pattern(said.len(), len);
            let limit = Limit { bytes: limit, retain };
            capture.push(stream, &bytes, Duration::from_nanos(at_ns), limit, &budget);
            said.extend(bytes.into_iter().map(|byte| Said { stream, byte, at_ns }));
            let small = 2 * 2 * WORTH_A_FILE as u64;
            prop_assert!(budget.used() <= memory + small, "{} of {memory}", budget.used());
        }
        capture.close(&budget);
        check(&capture, &said, limit, retain);
        let is_large = |stream| capture.len(stream) >= 2 * WORTH_A_FILE as u64;
        for stream in Stream::ALL {
            prop_assert!(memory > 0 || !is_large(stream) || capture.is_spilled(stream));
        }
        drop(capture);
        prop_assert_eq!(budget.used(), 0);
    }
}

#[test]
fn many_tiny_reads_in_a_row_are_one_chunk() {
    let (budget, mut capture) = (budget(u64::MAX), Capture::default());
    for i in 0..1000 {
        capture.push(Stream::Stdout, b"x", Duration::from_nanos(i), ALL, &budget);
    }
    assert_eq!(capture.chunks().count(), 1);
}

#[test]
fn a_small_capture_does_not_use_the_budget() {
    let (budget, mut capture) = (budget(0), Capture::default());
    for stream in Stream::ALL {
        capture.push(stream, &[1; 2000], Duration::ZERO, ALL, &budget);
    }
    assert_eq!((budget.used(), Arc::strong_count(&budget)), (0, 1));
}

#[test]
fn an_endless_tail_has_a_short_log() {
    let (budget, mut capture) = (budget(u64::MAX), Capture::default());
    let limit = Limit {
        bytes: 1000,
        retain: Retain::Tail,
    };
    for i in 0..1_000_000u64 {
        let at = Duration::from_millis(2 * i);
        let stream = Stream::ALL[(i / 7 % 2) as usize];
        capture.push(stream, &i.to_le_bytes(), at, limit, &budget);
    }
    assert!(capture.log.stored().len() < 1 << 20);
    capture.close(&budget);
    assert_eq!(
        (capture.stdout().len(), capture.stderr().len()),
        (1000, 1000)
    );
    assert!(capture.stderr().ends_with(&999_999u64.to_le_bytes()));
    assert!(capture.merged().ends_with(&999_999u64.to_le_bytes()));
}

#[test]
fn an_order_log_beyond_the_budget_is_spilled_and_keeps_the_order() {
    let (budget, mut capture) = (budget(0), Capture::default());
    let mut expected = Vec::new();
    for i in 0..20_000u32 {
        let bytes = i.to_le_bytes();
        let stream = Stream::ALL[(i % 2) as usize];
        capture.push(stream, &bytes, Duration::ZERO, ALL, &budget);
        expected.extend(bytes);
    }
    capture.close(&budget);
    assert!(capture.log.stored().is_spilled());
    assert!(budget.used() < 4 * WORTH_A_FILE as u64);
    assert!(capture.merged() == expected);
}

#[test]
fn a_tail_beyond_the_budget_is_shortened_and_counted() {
    let (budget, mut capture) = (budget(100_000), Capture::default());
    let limit = Limit {
        bytes: 1 << 20,
        retain: Retain::Tail,
    };
    let all = pattern(0, 300_000);
    for piece in all.chunks(1000) {
        capture.push(Stream::Stdout, piece, Duration::ZERO, limit, &budget);
    }
    capture.close(&budget);
    let kept = capture.stdout().len();
    assert!((WORTH_A_FILE..=100_000).contains(&kept), "{kept}");
    assert!(capture.stdout() == &all[all.len() - kept..]);
    let missing = (all.len() - kept) as u64;
    assert_eq!(capture.dropped_bytes(Stream::Stdout), missing);
}

#[test]
fn a_missing_spill_directory_is_a_failure_that_keeps_earlier_output() {
    let dir = tempfile::tempdir().unwrap();
    let budget = Arc::new(Budget::new(Some(0), Some(dir.path().to_owned())));
    dir.close().unwrap();
    let mut capture = Capture::default();
    for _ in 0..100 {
        capture.push(Stream::Stdout, &[1; 1000], Duration::ZERO, ALL, &budget);
    }
    capture.close(&budget);
    let kept = capture.len(Stream::Stdout);
    assert_eq!(kept, WORTH_A_FILE as u64 / 1000 * 1000 + 1000);
    assert_eq!(capture.dropped_bytes(Stream::Stdout), 100_000 - kept);
    assert_eq!(capture.merged().len() as u64, kept);
    assert!(capture.failure(Stream::Stdout).is_some());
    assert!(capture.failure(Stream::Stderr).is_none());
}

/// Pushes this many pieces of a thousand bytes to stdout, and closes it.
fn thousands(count: usize, retain: Retain, budget: &Arc<Budget>) -> Capture {
    let mut capture = Capture::default();
    let bytes = match retain {
        Retain::Head => u64::MAX,
        _ => 1 << 30,
    };
    for piece in pattern(0, count * 1000).chunks(1000) {
        let limit = Limit { bytes, retain };
        capture.push(Stream::Stdout, piece, Duration::ZERO, limit, budget);
    }
    capture.close(budget);
    capture
}

/// Asserts that the stream is cut somewhere, and that all missing bytes are counted.
#[track_caller]
fn assert_cut(capture: &Capture, pushed: usize) {
    let kept = capture.stdout().len();
    assert!(capture.stdout() == pattern(0, kept));
    assert!(capture.merged() == capture.stdout());
    let missing = (pushed - kept) as u64;
    assert_eq!(capture.dropped_bytes(Stream::Stdout), missing);
}

#[test]
fn without_memory_a_stream_is_spilled_however_short_it_is() {
    for len in [1, 100] {
        let budget = budget(u64::MAX);
        budget.refusals.memory.store(true, Ordering::Relaxed);
        let capture = thousands(len, Retain::Head, &budget);
        assert!(capture.is_spilled(Stream::Stdout));
        assert!(capture.failure(Stream::Stdout).is_none());
        assert!(capture.stdout() == pattern(0, len * 1000));
        assert_eq!(capture.dropped_bytes(Stream::Stdout), 0);
        drop(capture);
        assert_eq!(budget.used(), 0);
    }
}

#[test]
fn without_memory_and_file_output_is_dropped_with_the_system_error() {
    const ENOSPC_LIKE: i32 = 28;
    // For lack of files, the reported reason is memory; any other error of the files is itself the
    // reason.
    for (files, reason) in [
        (base::OUT_OF_MEMORY, base::OUT_OF_MEMORY),
        (ENOSPC_LIKE, ENOSPC_LIKE),
    ] {
        let budget = budget(u64::MAX);
        let mut capture = Capture::default();
        let mut push = |count: usize| {
            let all = pattern(0, 150_000);
            let from = capture.len(Stream::Stdout) + capture.dropped_bytes(Stream::Stdout);
            for piece in all[from as usize..].chunks(1000).take(count) {
                capture.push(Stream::Stdout, piece, Duration::ZERO, ALL, &budget);
            }
        };
        push(50);
        budget.refusals.memory.store(true, Ordering::Relaxed);
        budget.refusals.files.store(files, Ordering::Relaxed);
        push(50);
        // What the system has refused once is not tried again for this stream.
        budget.refusals.memory.store(false, Ordering::Relaxed);
        budget.refusals.files.store(0, Ordering::Relaxed);
        push(50);
        capture.close(&budget);
        assert_cut(&capture, 150_000);
        assert!((50_000..100_000).contains(&capture.stdout().len()));
        let failure = capture.failure(Stream::Stdout).unwrap();
        assert_eq!(failure.raw_os_error(), Some(reason));
    }
}

#[test]
fn without_any_files_memory_is_limited() {
    let budget = budget(100_000);
    let files = &budget.refusals.files;
    files.store(base::OUT_OF_MEMORY, Ordering::Relaxed);
    let count = 60_000;
    let capture = thousands(count, Retain::Head, &budget);
    assert!(!capture.is_spilled(Stream::Stdout));
    let failure = capture.failure(Stream::Stdout).unwrap();
    assert_eq!(failure.raw_os_error(), Some(base::OUT_OF_MEMORY));
    assert_cut(&capture, count * 1000);
    assert!(budget.used() <= 100_000 + (16 << 20), "{}", budget.used());
    assert!(capture.stdout().len() > 8 << 20);
    // A stream that is too small for a file is still kept.
    let small = thousands(20, Retain::Head, &budget);
    assert!(small.failure(Stream::Stdout).is_none());
    assert_eq!(small.stdout().len(), 20_000);
}

#[test]
fn a_tail_without_memory_stops_growing_and_the_rest_is_counted() {
    for had in [0, 50] {
        let budget = budget(u64::MAX);
        let mut capture = Capture::default();
        let limit = Limit {
            bytes: 1 << 30,
            retain: Retain::Tail,
        };
        let all = pattern(0, 200_000);
        let (first, rest) = all.split_at(had * 1000);
        for piece in first.chunks(1000) {
            capture.push(Stream::Stdout, piece, Duration::ZERO, limit, &budget);
        }
        budget.refusals.memory.store(true, Ordering::Relaxed);
        for piece in rest.chunks(1000) {
            capture.push(Stream::Stdout, piece, Duration::ZERO, limit, &budget);
        }
        capture.close(&budget);
        let kept = capture.stdout().len();
        assert!((first.len()..=2 * first.len()).contains(&kept), "{kept}");
        assert!(capture.stdout() == &all[all.len() - kept..]);
        let missing = (all.len() - kept) as u64;
        assert_eq!(capture.dropped_bytes(Stream::Stdout), missing);
        assert!(capture.failure(Stream::Stdout).is_none());
    }
}

#[test]
fn a_log_without_memory_is_spilled_and_without_a_file_it_loses_only_the_order() {
    for files in [0, base::OUT_OF_MEMORY] {
        let budget = budget(u64::MAX);
        budget.refusals.files.store(files, Ordering::Relaxed);
        let mut capture = Capture::default();
        let mut expected = [Vec::new(), Vec::new()];
        for i in 0..20_000u32 {
            // The streams themselves get their memory before that.
            let is_log_refused = i > 10_000;
            let refused = &budget.refusals.memory;
            refused.store(false, Ordering::Relaxed);
            let stream = Stream::ALL[(i % 2) as usize];
            let kept = &mut capture.streams[stream.index()];
            assert_eq!(kept.store.append(&i.to_le_bytes(), &budget), 4);
            refused.store(is_log_refused, Ordering::Relaxed);
            capture.log.push(stream, 4, Duration::ZERO, false, &budget);
            expected[stream.index()].extend(i.to_le_bytes());
        }
        assert_eq!(capture.log.stored().is_spilled(), files == 0);
        assert_eq!(capture.merged().len(), 80_000);
        for stream in Stream::ALL {
            assert!(capture.stream(stream) == expected[stream.index()]);
            let of_stream = capture.chunks().filter(|chunk| chunk.stream == stream);
            let bytes: Vec<u8> = of_stream.flat_map(|chunk| chunk.bytes.to_vec()).collect();
            assert!(bytes == expected[stream.index()]);
        }
    }
}

#[test]
fn a_spill_directory_in_memory_has_its_own_limit_and_suggests_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let place = SpillDir::new(dir.path().to_owned(), Some(1 << 20));
    let budget = Arc::new(Budget::with_place(0, place));
    let [one, other] = [600, 900].map(|count| {
        let capture = thousands(count, Retain::Head, &budget);
        assert_cut(&capture, count * 1000);
        capture
    });
    assert_eq!(one.stdout().len(), 600_000);
    assert!(one.failure(Stream::Stdout).is_none());
    assert_eq!(other.stdout().len(), (1 << 20) - 600_000);
    let failure = other.failure(Stream::Stdout).unwrap().to_string();
    assert!(
        failure.contains("in memory (tmpfs)") && failure.ends_with("choose a directory on a disk"),
        "{failure}"
    );
    let clone = one.clone();
    drop(one);
    assert_eq!(
        budget.place().in_memory(),
        1 << 20,
        "a clone has the same file"
    );
    drop((clone, other));
    assert_eq!(budget.place().in_memory(), 0);
}

#[test]
fn a_reader_seeks_and_a_clone_is_counted() {
    let (budget, mut capture) = (budget(1 << 20), Capture::default());
    let all = pattern(0, 400_000);
    capture.push(Stream::Stdout, &all, Duration::ZERO, ALL, &budget);
    let used = budget.used();
    let clone = capture.clone();
    let of_clone = budget.used() - used;
    assert!((400_000..=used).contains(&of_clone), "{of_clone} bytes");
    drop(capture);
    assert_eq!(budget.used(), of_clone);
    let mut reader = clone.reader(Stream::Stdout);
    let mut piece = [0; 10];
    assert_eq!(reader.seek(SeekFrom::End(-10)).unwrap(), 399_990);
    reader.read_exact(&mut piece).unwrap();
    assert_eq!(piece[..], all[399_990..]);
    assert_eq!(reader.read(&mut piece).unwrap(), 0);
    assert!(reader.seek(SeekFrom::Current(-500_000)).is_err());
    reader.seek(SeekFrom::Start(1_000_000)).unwrap();
    assert_eq!(reader.read(&mut piece).unwrap(), 0);
}
