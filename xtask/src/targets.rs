//! Other kinds of Linux than the one we are on: with musl instead of glibc, and on a processor
//! whose pages may have 64 KiB and for which we have no `clone3`. Both are compiled as far as that
//! needs no linker; musl, whose programs run here as well, is tested if rustup has it.
//!
//! Knows nothing of Windows: that is `windows.rs`, whose compilers are used here too.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::run::{cargo, is_in_path, run};
use crate::windows::{self, Cross, rustup_has};

pub(crate) const MUSL: &str = "x86_64-unknown-linux-musl";
pub(crate) const AARCH64: &str = "aarch64-unknown-linux-gnu";

const TARGET_DIR: &str = "target/musl";

/// What is run on musl: the tests that start and end processes, and read them.
const BEHAVIOUR: [&str; 6] = [
    "outcomes::",
    "timeouts::",
    "held::",
    "verdicts::",
    "stdin::",
    "sys::",
];

/// Lints everything as it is compiled for this target.
pub(crate) fn check(target: &str) -> anyhow::Result<()> {
    supply(target);
    windows::lint(target, &["--lib", "--bins", "--tests"])
}

/// The same for both targets; reports loudly what cannot be compiled here, which in CI is a
/// failure.
pub(crate) fn check_all(must: bool) -> anyhow::Result<()> {
    for target in [MUSL, AARCH64] {
        supply(target);
        match Cross::for_target(target) {
            Err(error) if must => return Err(error),
            Err(error) => eprintln!("xtask: NOTHING WAS CHECKED FOR {target}: {error:#}"),
            Ok(_) => check(target)?,
        }
    }
    Ok(())
}

/// Runs the tests of the library that are about processes, with musl.
pub(crate) fn test_musl(args: &[String]) -> anyhow::Result<()> {
    supply(MUSL);
    if !rustup_has(MUSL) {
        bail!("no compiler for {MUSL}; `rustup target add {MUSL}` installs one");
    }
    let target = ["--locked", "--target", MUSL, "--target-dir", TARGET_DIR];
    let mut unit = cargo();
    run(unit
        .args(["test", "--package", "throng", "--lib"])
        .args(target)
        .args(args))?;
    let mut behaviour = cargo();
    behaviour.args(["test", "--package", "throng-tests", "--test", "suite"]);
    run(behaviour.args(target).arg("--").args(BEHAVIOUR).args(args))
}

/// If there is rustup, it may have the target, or be able to get it.
fn supply(target: &str) {
    if rustup_has(target) || !is_in_path("rustup") {
        return;
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", target]).stdin(Stdio::null());
    // If it cannot, others are asked, and if none has it that is reported.
    let _ = run(&mut rustup);
}
