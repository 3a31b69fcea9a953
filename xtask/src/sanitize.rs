//! The unit tests of the library, and those behaviour tests that stir up its memory the most, under
//! AddressSanitizer and LeakSanitizer; and what is lent to a kernel, under Miri.
//!
//! They are part of the compiler and yet unstable; the environment variable that lets a stable
//! compiler build its own standard library allows them. The standard library itself is not
//! instrumented, which costs findings in it and nothing else. ThreadSanitizer would need that: it
//! takes the locks of a standard library that it cannot see for no locks at all.
//!
//! Miri has neither processes nor pipes, so it gets the one part whose kernel is a thread of the
//! test. It comes with rustup's nightly compilers.

use std::path::Path;
use std::process::Command;

use crate::run::run;
use crate::suite;

const TARGET: &str = "x86_64-unknown-linux-gnu";
const TARGET_DIR: &str = "target/sanitize";

/// The behaviour tests: captures in all places, ends of all kinds, callbacks that panic.
const BEHAVIOUR: [&str; 5] = [
    "budget::",
    "callbacks::",
    "cancel::",
    "held::",
    "verdicts::",
];

/// A request for more memory than there is has to be refused, as without a sanitizer.
const OPTIONS: &str = "allocator_may_return_null=1";

/// With `sanitized` no new process shares our memory: the sanitizer keeps frames for a thread and
/// notes on its stack, and both would be those of the thread that has started the process.
const FLAGS: &str = "-Zsanitizer=address --cfg=sanitized";

/// Code that pretends to be a fork, where the threads that own the memory do not exist: the memory
/// is deliberately not freed.
const FORKED: &str = "owner::tests";

/// What is run under Miri.
const LENT: &str = "sys::lend";

/// Runs them; says loudly what cannot be run here, and why.
pub(crate) fn test() -> anyhow::Result<()> {
    under_sanitizer()?;
    under_miri()
}

fn under_sanitizer() -> anyhow::Result<()> {
    if let Some(why) = missing() {
        eprintln!("xtask: NOTHING WAS TESTED UNDER A SANITIZER: {why}");
        return Ok(());
    }
    let build = |mut test: Command| {
        test.args(["--locked", "--target", TARGET, "--target-dir", TARGET_DIR])
            .env("RUSTC_BOOTSTRAP", "1")
            .env("ASAN_OPTIONS", OPTIONS)
            .env("RUSTFLAGS", FLAGS);
        test
    };
    let mut unit = build(suite::command());
    unit.args(["--package", "throng", "--lib", "--", "--skip", FORKED]);
    run(&mut unit)?;
    let mut behaviour = build(suite::command());
    behaviour.args(["--package", "throng-tests"]);
    behaviour.args(["--test", "suite", "--"]).args(BEHAVIOUR);
    run(&mut behaviour)
}

fn under_miri() -> anyhow::Result<()> {
    let is_ready = is_miri_ready() || (install_miri() && is_miri_ready());
    if !is_ready {
        eprintln!(
            "xtask: NOTHING WAS TESTED UNDER MIRI: it cannot be had here; where there is rustup, \
             `rustup toolchain install nightly --component miri,rust-src` installs it"
        );
        return Ok(());
    }
    let mut miri = nightly();
    miri.args(["miri", "test", "--locked", "--target-dir", "target/miri"])
        .args(["--package", "throng", "--lib", LENT]);
    run(&mut miri)
}

/// The cargo of the nightly compiler, wherever rustup has it; `cargo` would be that of our own.
fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]);
    // Both are ours, and not for another compiler.
    command.env_remove("RUSTC").env_remove("RUSTDOC");
    command
}

/// Whether it is there, and the standard library as it needs it, which it builds here.
fn is_miri_ready() -> bool {
    let status = nightly().args(["miri", "setup"]).status();
    status.is_ok_and(|status| status.success())
}

/// For a nightly compiler that is there already: it is a small part of one.
fn install_miri() -> bool {
    let mut command = Command::new("rustup");
    command.args(["component", "add", "miri", "rust-src"]);
    let status = command.args(["--toolchain", "nightly"]).status();
    status.is_ok_and(|status| status.success())
}

/// What is not there, in words. Compilers of distributions come without the sanitizers.
fn missing() -> Option<String> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = sysroot.ok().filter(|output| output.status.success());
    let Some(sysroot) = sysroot else {
        return Some("there is no rustc in PATH".into());
    };
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    let libraries = Path::new(&sysroot)
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib");
    let found = libraries.read_dir().is_ok_and(|entries| {
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().ends_with("rt.asan.a"))
    });
    (!found).then(|| format!("{} has no AddressSanitizer", libraries.display()))
}
