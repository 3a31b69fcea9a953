//! Runs the tests with cargo-nextest: each in a process of its own and several at once. A test
//! cannot disturb another by what belongs to the process (on Windows, the handles that std makes
//! inheritable while it starts something), and those that wait leave the processors to others.
//!
//! `.config/nextest.toml` has the limits. Where nextest is missing, cargo runs program after
//! program.

use std::process::Command;
use std::thread;

use crate::run::{cargo, is_in_path, run};
use crate::windows::{Cross, GNU, NEXTEST, PACKAGES};

/// The program behind `cargo nextest`.
pub(crate) const NEXTEST_PROGRAM: &str = "cargo-nextest";

/// How many tests run at once for each processor: most wait for something most of the time.
const AT_ONCE: usize = 3;

/// Those that cannot run in one process with others are run one after the other there.
const ONE_AT_A_TIME: (&str, &str) = ("RUST_TEST_THREADS", "1");

/// All tests on the system that we are on.
pub(crate) fn here(args: &[String]) -> anyhow::Result<()> {
    let mut test = command();
    test.arg("--workspace");
    if !is_in_path(NEXTEST_PROGRAM) {
        test.args(["--lib", "--bins", "--tests"]);
    }
    run(test.args(args))
}

/// What runs tests on the system that we are on, without the packages.
pub(crate) fn command() -> Command {
    if is_in_path(NEXTEST_PROGRAM) {
        let mut nextest = cargo();
        nextest.args([NEXTEST, "run"]);
        at_once(&mut nextest);
        return nextest;
    }
    let mut test = cargo();
    test.arg("test");
    without_nextest(&mut test);
    if cfg!(windows) {
        test.env(ONE_AT_A_TIME.0, ONE_AT_A_TIME.1);
    }
    test
}

const TARGETS: [&str; 4] = ["--locked", "--lib", "--bins", "--tests"];

/// Builds the tests for Windows.
pub(crate) fn build_for_windows(cross: Cross) -> anyhow::Result<()> {
    let mut build = cross.command("test", GNU);
    run(build.args(PACKAGES).args(TARGETS).arg("--no-run"))
}

/// Runs them, with this environment.
pub(crate) fn under_wine(
    cross: Cross,
    enter: &dyn Fn(&mut Command),
    args: &[String],
) -> anyhow::Result<()> {
    let mut test = match is_in_path(NEXTEST_PROGRAM) {
        true => {
            let mut nextest = cross.command(NEXTEST, GNU);
            nextest.args(["--profile", "wine"]);
            at_once(&mut nextest);
            nextest
        }
        false => {
            let mut test = cross.command("test", GNU);
            without_nextest(&mut test);
            test.env(ONE_AT_A_TIME.0, ONE_AT_A_TIME.1);
            test
        }
    };
    enter(&mut test);
    run(test.args(PACKAGES).args(TARGETS).args(args))
}

fn at_once(nextest: &mut Command) {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    nextest.args(["--test-threads", &(cores * AT_ONCE).to_string()]);
}

fn without_nextest(test: &mut Command) {
    eprintln!(
        "xtask: cargo-nextest is not installed, so the tests take several times as long; \
         `cargo xtask setup` installs it"
    );
    // All failures, not those of the first program alone.
    test.arg("--no-fail-fast");
}
