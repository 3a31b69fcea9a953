//! Building for Windows on another system: with rustup's target where it is installed, else with
//! Debian's compiler, which brings the sources of the standard library and builds that as well.
//!
//! Each has a directory of its own under `target`, because compilers of different versions do not
//! share what they have built. Knows nothing of running what it builds: that is `wine.rs`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::run::{self, in_path, run};

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";

pub(crate) const TARGET_DIR: &str = "target/windows";
/// What runs the tests, where it is installed: `cargo nextest run`.
pub(crate) const NEXTEST: &str = "nextest";

pub(crate) const GNU: &str = "x86_64-pc-windows-gnu";
const MSVC: &str = "x86_64-pc-windows-msvc";

/// What is built and tested there. The bench is built only, and this tool is for developers.
pub(crate) const PACKAGES: [&str; 6] = [
    "--package",
    "throng",
    "--package",
    "throng-cli",
    "--package",
    "throng-tests",
];

/// A cargo that can build for Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cross {
    /// Rustup has the target.
    Rustup,
    /// Debian's compiler and sources: the target's standard library is built first.
    Debian,
}

impl Cross {
    /// The cargo for this target, or what there is to install.
    pub(crate) fn find() -> anyhow::Result<Cross> {
        Cross::for_target(GNU)
    }

    /// The same for any target.
    pub(crate) fn for_target(target: &str) -> anyhow::Result<Cross> {
        if rustup_has(target) {
            return Ok(Cross::Rustup);
        }
        if !Path::new(DEBIAN_CARGO).exists() {
            bail!("no compiler for {target}; `cargo xtask setup` installs one");
        }
        Ok(Cross::Debian)
    }

    /// This cargo command for this target.
    pub(crate) fn command(self, subcommand: &str, target: &str) -> Command {
        let mut command = match self {
            Cross::Rustup => {
                let mut command = run::cargo();
                command.arg(subcommand);
                command
            }
            Cross::Debian => debian(subcommand),
        };
        if subcommand == NEXTEST {
            command.arg("run");
        }
        command.args(["--target", target, "--target-dir", TARGET_DIR]);
        // Nothing here can read it, and MinGW's linker takes its time over it.
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
        command
    }
}

/// Debian's cargo. What the cargo that started us has set for itself would lead it astray.
fn debian(subcommand: &str) -> Command {
    // Found by its path: cargo would look among rustup's programs first.
    let program = match subcommand {
        "clippy" => DEBIAN_CLIPPY.into(),
        NEXTEST => in_path(&format!("cargo-{NEXTEST}")).unwrap_or_default(),
        _ => PathBuf::from(DEBIAN_CARGO),
    };
    let mut command = Command::new(program);
    command.arg(subcommand);
    for name in [
        "RUSTUP_TOOLCHAIN",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
    command
        // As a variable: nextest passes variables on to cargo, but not this option.
        .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_unwind,test")
        .env("PATH", debian_path())
        .env("CARGO", DEBIAN_CARGO)
        .env("RUSTC", DEBIAN_RUSTC)
        // What lets a stable compiler build the standard library.
        .env("RUSTC_BOOTSTRAP", "1");
    command
}

/// The search path without rustup's programs, which have the names of Debian's.
fn debian_path() -> std::ffi::OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let kept = env::split_paths(&path).filter(|dir| !dir.join("rustup").exists());
    env::join_paths(kept).unwrap_or_else(|_| "/usr/bin:/bin".into())
}

pub(crate) fn rustup_has(target: &str) -> bool {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let Ok(sysroot) = sysroot else {
        return false;
    };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    sysroot
        .join("lib/rustlib")
        .join(target)
        .join("lib")
        .exists()
}

/// Whether this cargo has the linter: Debian's is a package of its own.
fn has_clippy(cross: Cross) -> bool {
    cross == Cross::Rustup || Path::new(DEBIAN_CLIPPY).exists()
}

/// Lints everything as it is compiled for Windows with MinGW's runtime.
pub(crate) fn check() -> anyhow::Result<()> {
    lint(GNU, &WITH_BENCH)
}

/// Whether there is a compiler for Microsoft's runtime.
pub(crate) fn has_msvc() -> bool {
    Cross::for_target(MSVC).is_ok()
}

/// The same with Microsoft's runtime, up to the linker.
pub(crate) fn check_msvc() -> anyhow::Result<()> {
    lint(MSVC, &WITH_BENCH)
}

const WITH_BENCH: [&str; 3] = ["--package", "throng-bench", "--all-targets"];

/// Lints these parts of all packages as they are compiled for a target.
pub(crate) fn lint(target: &str, parts: &[&str]) -> anyhow::Result<()> {
    let cross = Cross::for_target(target)?;
    let has_clippy = has_clippy(cross);
    let mut cargo = cross.command(if has_clippy { "clippy" } else { "check" }, target);
    cargo.args(PACKAGES).arg("--locked").args(parts);
    if has_clippy {
        cargo.args(["--", "-D", "warnings"]);
    }
    run(&mut cargo)
}
