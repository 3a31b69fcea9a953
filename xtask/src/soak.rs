//! The soak: builds it with the library's faults and runs it here or under Wine. Knows nothing of
//! what it does; that is `crates/throng-tests/src/bin/soak`.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::run::{cargo, run};
use crate::wine;

/// The library with its faults, and who uses it.
const PACKAGE: [&str; 5] = [
    "--package",
    "throng-tests",
    "--features",
    "faults",
    "--bins",
];

/// How many processes the bounded runs of CI have: about a minute each.
const IN_CI: &str = "8000";
const IN_CI_UNDER_WINE: &str = "400";

/// As fast as it gets, with these arguments.
pub(crate) fn soak(for_windows: bool, args: &[String]) -> anyhow::Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if for_windows && !cfg!(windows) {
        return wine::soak(&PACKAGE, &args);
    }
    here("release", &args)
}

/// A little of it, built as the tests are.
pub(crate) fn in_ci(under_wine: bool) -> anyhow::Result<()> {
    if under_wine {
        return wine::soak(&PACKAGE, &["--count", IN_CI_UNDER_WINE]);
    }
    here("debug", &["--count", IN_CI])
}

fn here(profile: &str, args: &[&str]) -> anyhow::Result<()> {
    let mut build = cargo();
    build.args(["build", "--locked"]).args(PACKAGE);
    if profile == "release" {
        build.arg("--release");
    }
    run(&mut build)?;
    let program = Path::new("target").join(profile);
    let program = program.join(format!("soak{}", env::consts::EXE_SUFFIX));
    run(Command::new(program).args(args))
}
