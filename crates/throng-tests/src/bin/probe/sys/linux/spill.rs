//! The modes about captures that are spilled where that is difficult.

use std::fs;
use std::io::Read;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;

use rustix::process::{Resource, Rlimit, setrlimit};
use throng::{Stream, Throng, Verdict};
use throng_tests::{Gate, Source, check_pattern, eventually, fill};

use super::{set_nofile, take_all_descriptors};
use crate::setting::{Setting, is_whole};

/// A limit of one megabyte for a file, or for all files together in the given directory: what
/// becomes of three spilled captures, of a process that runs meanwhile, and of one that comes
/// later.
pub(super) fn full_disk(setting: &Setting) {
    let builder = setting.builder().jobs(2).memory(0);
    let builder = match setting.args.first() {
        Some(dir) => builder.spill_dir(dir),
        None => {
            let limit = Some(1 << 20);
            let limit = Rlimit {
                current: limit,
                maximum: limit,
            };
            setrlimit(Resource::Fsize, limit).expect("a limit may be lowered");
            builder
        }
    };
    let throng = builder.build().expect("a throng can be built");
    let gate = Gate::new();
    let meanwhile = throng.spawn(&setting.child(&format!("out:10000 {} out:10000", gate.step())));
    let command = setting.child("out:3000000 err:9 exit:0");
    let outcome = throng.spawn(&command).wait().expect("an outcome comes");
    println!("success={}", outcome.success());
    let kept = outcome.stdout().len();
    println!("kept={kept}");
    println!(
        "dropped={}",
        outcome.capture().dropped_bytes(Stream::Stdout)
    );
    let is_right = check_pattern(Source::Out, outcome.stdout(), kept).is_ok();
    println!("right={is_right}");
    match outcome.verdict(Stream::Stdout) {
        Verdict::Failed(error) => println!("error={error}"),
        verdict => println!("error={verdict}"),
    }
    println!("stderr={}", outcome.verdict(Stream::Stderr));
    gate.open();
    let meanwhile = meanwhile.wait().expect("an outcome comes");
    println!("whole_meanwhile={}", is_whole(&meanwhile, 20_000, 0));
    // It has its file until then.
    drop(outcome);
    let after = throng.spawn(&setting.child("out:500000"));
    let after = after.wait().expect("an outcome comes");
    println!("whole_after={}", is_whole(&after, 500_000, 0));
}

/// The address space is used up while the budget has room for much more: what happens to a long
/// output, in the spill directory if one is named, where it may have 36 MiB if that is in memory.
pub(super) fn no_memory(setting: &Setting) {
    const LEN: usize = 40_000_000;
    let builder = setting.builder().jobs(2);
    let builder = match setting.args.first() {
        Some(dir) => {
            let memory = 8 * Throng::builder().memory_limit();
            builder.memory(memory - (72 << 20)).spill_dir(dir)
        }
        None => builder.memory(1 << 40),
    };
    let throng = builder.build().expect("a throng can be built");
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let size = size.and_then(|size| size.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let limit = Some((size.expect("it is a number") << 10) + (24 << 20));
    let limit = Rlimit {
        current: limit,
        maximum: limit,
    };
    setrlimit(Resource::As, limit).expect("a limit may be lowered");
    let command = setting.child(&format!("out:{LEN} exit:0"));
    let outcome = throng.spawn(&command).wait().expect("an outcome comes");
    let capture = outcome.capture();
    println!("success={}", outcome.success());
    println!("kept={}", capture.len(Stream::Stdout));
    let dropped = capture.dropped_bytes(Stream::Stdout);
    let is_counted = capture.len(Stream::Stdout) + dropped == LEN as u64;
    println!("counted={is_counted}");
    println!("spilled={}", capture.is_spilled(Stream::Stdout));
    println!("verdict={}", outcome.verdict(Stream::Stdout));
    println!("stderr={}", outcome.verdict(Stream::Stderr));
    println!("right={}", is_pattern(capture.reader(Stream::Stdout)));
    println!("merged={}", is_pattern(capture.merged_reader()));
    let slice = panic::catch_unwind(AssertUnwindSafe(|| outcome.stdout().len()));
    let copy = panic::catch_unwind(AssertUnwindSafe(|| outcome.merged().len()));
    println!("refused={}", slice.is_err() && copy.is_err());
}

/// Whether this is the pattern that the child writes to its stdout.
fn is_pattern(mut reader: impl Read) -> bool {
    let (mut at, mut piece, mut expected) = (0, [0; 4096], [0; 4096]);
    loop {
        let mut len = 0;
        while len < piece.len() {
            match reader.read(&mut piece[len..]).expect("it can be read") {
                0 => break,
                n => len += n,
            }
        }
        fill(Source::Out, at, &mut expected);
        if len < piece.len() {
            return piece[..len] == expected[..len];
        }
        if piece != expected {
            return false;
        }
        at += len as u64;
    }
}

/// The directory that is chosen if none was requested.
pub(super) fn spill_dir(setting: &Setting) {
    let throng = setting.builder().build().expect("a throng can be built");
    println!("spill_dir={}", throng.spill_dir().display());
}

/// No descriptor is left when a capture has to be spilled, and later there are some.
pub(super) fn no_file(setting: &Setting) {
    set_nofile(100, Some(100));
    let (throng, heard) = setting.listening_with(setting.builder().jobs(4).memory(0));
    let dir = tempdir();
    let steps = |n: usize| format!("wait-file:{dir}/{n} out:1000000");
    let process = throng.spawn(&setting.child(&format!("out:1 {} {}", steps(1), steps(2))));
    let hears = |bytes| {
        eventually("it has said so much", || {
            heard.load(Ordering::Relaxed) >= bytes
        });
    };
    hears(1);
    let taken = take_all_descriptors();
    // Creating a directory needs no descriptor.
    fs::create_dir(format!("{dir}/1")).expect("a directory can be made");
    hears(1_000_001);
    println!("memory_used={}", throng.memory_used());
    drop(taken);
    fs::create_dir(format!("{dir}/2")).expect("a directory can be made");
    let outcome = process.wait().expect("an outcome comes");
    println!("whole={}", is_whole(&outcome, 2_000_001, 0));
    println!("spilled={}", outcome.capture().is_spilled(Stream::Stdout));
    fs::remove_dir_all(dir).expect("it is ours");
}

pub(super) fn tempdir() -> String {
    let dir = std::env::temp_dir().join(format!("throng-probe-{}", std::process::id()));
    // Left behind by a process that had our process id and was ended.
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).expect("a directory can be made");
    dir.display().to_string()
}
