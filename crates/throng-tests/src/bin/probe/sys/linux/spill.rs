//! The modes about captures that are spilled where that is not so easy.

use std::fs;
use std::sync::atomic::Ordering;

use rustix::process::{Resource, Rlimit, setrlimit};
use throng::{Stream, Verdict};
use throng_tests::{Gate, Source, check_pattern, eventually};

use super::{set_nofile, take_all_descriptors};
use crate::setting::{Setting, is_whole};

/// A file may have a megabyte, or all files together in the directory that is named: what becomes
/// of three, of somebody who runs meanwhile, and of who comes later.
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

/// There is no descriptor left when a capture wants to be spilled, and then there are some.
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
    // A directory is made without a descriptor.
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
    // Left behind by somebody who had our process id, and was ended.
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).expect("a directory can be made");
    dir.display().to_string()
}
