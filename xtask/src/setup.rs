//! What the tests need on this machine, for Windows and for Linux under emulators, and its
//! installation if we have the rights.

use std::process::Command;

use anyhow::bail;

use crate::run::{cargo, is_in_path, run};
use crate::suite;
use crate::windows::Cross;
use crate::wine;

/// Debian's names of it: a compiler with the sources of its standard library and its linter, the
/// linker and import libraries of Windows, and Wine.
const DEBIAN_PACKAGES: [&str; 8] = [
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "rust-web-clippy",
    "gcc-mingw-w64-x86-64",
    "wine64",
    "wine64-preloader",
    "wine",
];

/// Emulators for further tests of Linux: the program that shows that one is installed, and Debian's
/// name of the package.
const EMULATORS: [(&str, &str); 2] = [("qemu-x86_64", "qemu-user"), ("valgrind", "valgrind")];

/// What is missing, in words; nothing when all is there.
pub(crate) fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if Cross::find().is_err() {
        missing.push("a Rust compiler for Windows");
    }
    if !is_in_path("x86_64-w64-mingw32-gcc") {
        missing.push("the MinGW linker");
    }
    if wine::find().is_none() {
        missing.push("Wine");
    }
    missing
}

/// Installs everything that is missing, or prints what to install.
pub(crate) fn install_all() -> anyhow::Result<()> {
    supply_nextest();
    supply_emulators()?;
    install()
}

/// Installs cargo-nextest if it is missing. If that fails, the tests run with `cargo test`, which
/// takes longer.
pub(crate) fn supply_nextest() {
    if !is_in_path(suite::NEXTEST_PROGRAM)
        && let Err(error) = run(cargo().args(["install", "--locked", suite::NEXTEST_PROGRAM]))
    {
        eprintln!("xtask: {error:#}");
    }
}

/// Installs the emulators if we have the rights. If not, tests print what they do not test.
pub(crate) fn supply_emulators() -> anyhow::Result<()> {
    let missing = EMULATORS
        .iter()
        .filter(|(program, _)| !is_in_path(program))
        .map(|(_, package)| *package);
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !is_in_path("apt-get") || !is_root() {
        eprintln!("xtask: {names}: not there; as root on Debian `apt-get install` installs them");
        return Ok(());
    }
    eprintln!("xtask: installing {names}");
    apt_install(&missing)
}

/// Installs what Windows needs and is missing, or prints what to install.
pub(crate) fn install() -> anyhow::Result<()> {
    let missing = missing();
    if missing.is_empty() {
        eprintln!("xtask: everything is there");
        return Ok(());
    }
    let what = missing.join(", ");
    if !is_in_path("apt-get") || !is_root() {
        bail!("{what}: not there; {}", advice());
    }
    eprintln!("xtask: installing {what}");
    apt_install(&DEBIAN_PACKAGES)
}

fn apt_install(packages: &[&str]) -> anyhow::Result<()> {
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    run(Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages))
}

/// What somebody has to do who may.
pub(crate) fn advice() -> String {
    format!(
        "install it as root on Debian with `apt-get install --no-install-recommends {}`, or with \
         `rustup target add x86_64-pc-windows-gnu`, MinGW-w64 and Wine",
        DEBIAN_PACKAGES.join(" ")
    )
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
