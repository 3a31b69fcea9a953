//! The steps: what is checked and tested, in which order.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::run::{cargo, run};
use crate::{CiPart, Halves, sanitize, setup, soak, suite, targets, tidy, windows, wine};

/// All paths here count from the root of the workspace.
pub(crate) fn go_to_root() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask has a parent")?;
    env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))
}

/// Tests the halves that are asked for, Linux first; on Windows there is but one.
pub(crate) fn test(halves: Halves, args: &[String]) -> anyhow::Result<()> {
    if cfg!(windows) {
        return test_here(args);
    }
    let cannot_test_windows = match halves {
        Halves::Linux => None,
        Halves::Both | Halves::Windows => prepare_windows()?,
    };
    if halves != Halves::Windows {
        test_here(args)?;
    }
    match (halves, cannot_test_windows) {
        (Halves::Linux, _) => Ok(()),
        (_, None) => wine::test(args),
        (Halves::Windows, Some(why)) => bail!("{why}"),
        (Halves::Both, Some(why)) => {
            eprintln!("xtask: THE WINDOWS HALF WAS NOT TESTED: {why}");
            Ok(())
        }
    }
}

/// Installs what is missing, where we may; says why the Windows half cannot be tested if it
/// cannot. In CI that is a failure.
fn prepare_windows() -> anyhow::Result<Option<String>> {
    if setup::missing().is_empty() {
        return Ok(None);
    }
    match setup::install() {
        Ok(()) => Ok(None),
        Err(error) if is_in_ci() => Err(error),
        Err(error) => Ok(Some(format!("{error:#}"))),
    }
}

fn is_in_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// Tests on the system that we are on. Examples in the documentation run Unix programs, so they
/// are run there only, and not where some tests are named.
fn test_here(args: &[String]) -> anyhow::Result<()> {
    // The tests of the program run the scripted child of another package, and those of the bench
    // the program.
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    suite::here(args)?;
    if cfg!(windows) || !args.is_empty() {
        return Ok(());
    }
    run(cargo().args(["test", "--workspace", "--doc"]))
}

/// Builds the program as users run it; gives its path.
pub(crate) fn build(for_windows: bool) -> anyhow::Result<PathBuf> {
    if for_windows && !cfg!(windows) {
        return wine::build("throng-cli", "throng.exe");
    }
    run(cargo().args(["build", "--release", "--locked", "--package", "throng-cli"]))?;
    let program = format!("target/release/throng{}", env::consts::EXE_SUFFIX);
    Path::new(&program)
        .canonicalize()
        .with_context(|| format!("cannot find {program}"))
}

pub(crate) fn bench(for_windows: bool, args: &[String]) -> anyhow::Result<()> {
    if for_windows && !cfg!(windows) {
        return wine::bench(args);
    }
    // It measures the program, and on Windows it starts the scripted child.
    let programs = [
        ("throng-cli", "throng"),
        ("throng-bench", "throng-bench"),
        ("throng-tests", "child"),
    ];
    let mut build = cargo();
    build.args(["build", "--release"]);
    for (package, program) in programs {
        build.args(["--package", package, "--bin", program]);
    }
    run(&mut build)?;
    let mut bench = cargo();
    bench.args([
        "run",
        "--release",
        "--quiet",
        "--package",
        "throng-bench",
        "--",
    ]);
    run(bench.args(args))
}

/// All of it, or one part.
pub(crate) fn ci(only: Option<CiPart>) -> anyhow::Result<()> {
    let is_wanted = |part| only.is_none_or(|only| only == part);
    if only != Some(CiPart::Checks) {
        setup::supply_nextest();
    }
    if is_wanted(CiPart::Checks) {
        checks()?;
    }
    if is_wanted(CiPart::Linux) {
        setup::supply_emulators()?;
        test(Halves::Linux, &[])?;
        sanitize::test()?;
        soak::in_ci(false)?;
    }
    if is_wanted(CiPart::Wine) && !cfg!(windows) && prepare_windows()?.is_none() {
        test(Halves::Windows, &[])?;
        soak::in_ci(true)?;
    }
    Ok(())
}

fn checks() -> anyhow::Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    tidy::check()?;
    run(cargo()
        .args(["clippy", "--workspace", "--all-targets", "--locked"])
        .args(["--", "-D", "warnings"]))?;
    run(cargo()
        .args([
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ])
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    deny()?;
    package()?;
    if cfg!(windows) {
        return Ok(());
    }
    // The tests compile it for MinGW's runtime.
    if windows::has_msvc() || prepare_windows()?.is_none() {
        windows::check_msvc()?;
    }
    targets::check_all(is_in_ci())
}

/// What would be published, without building it again. The program depends on a version of the
/// library that no registry has yet, so both are packaged at once.
fn package() -> anyhow::Result<()> {
    run(cargo().args([
        "package",
        "--package",
        "throng",
        "--package",
        "throng-cli",
        "--locked",
        "--allow-dirty",
        "--no-verify",
    ]))
}

/// Licences, sources and advisories, where the tool is installed: it is no part of a bare machine.
/// Advisories come from the network, which need not be there; nothing else does.
fn deny() -> anyhow::Result<()> {
    let is_good = |args: &[&str]| {
        let output = cargo().arg("deny").args(args).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !is_good(&["--version"]) {
        eprintln!(
            "xtask: cargo-deny is not installed; licences, sources and advisories were not checked"
        );
        return Ok(());
    }
    let mut checks = vec!["licenses", "bans", "sources"];
    if is_good(&["fetch", "db"]) {
        checks.push("advisories");
    } else {
        eprintln!(
            "xtask: the advisory database cannot be fetched (`cargo deny fetch db`); advisories \
             were not checked"
        );
    }
    let mut deny = cargo();
    run(deny.args(["deny", "--offline", "check"]).args(checks))
}
