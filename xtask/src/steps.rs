//! The steps, each one cargo command. Says what it runs, so that anybody can run it alone.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::tidy;

/// All paths here count from the root of the workspace.
pub(crate) fn go_to_root() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask has a parent")?;
    env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))
}

pub(crate) fn test(args: &[String]) -> anyhow::Result<()> {
    // The tests of the program run it, and those of the bench as well.
    cargo(&["build", "--workspace", "--bins"])?;
    let mut words = vec!["test", "--workspace"];
    words.extend(args.iter().map(String::as_str));
    cargo(&words)
}

pub(crate) fn bench(args: &[String]) -> anyhow::Result<()> {
    cargo(&[
        "build",
        "--release",
        "--package",
        "throng-cli",
        "--package",
        "throng-bench",
    ])?;
    let mut words = vec![
        "run",
        "--release",
        "--quiet",
        "--package",
        "throng-bench",
        "--",
    ];
    words.extend(args.iter().map(String::as_str));
    cargo(&words)
}

pub(crate) fn ci() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    tidy::check()?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])?;
    run(cargo_command(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ])
    .env("RUSTDOCFLAGS", "-D warnings"))?;
    deny()?;
    test(&[])
}

/// Licences and advisories, where the tool is installed: it is no part of a bare machine.
fn deny() -> anyhow::Result<()> {
    let installed = Command::new("cargo").args(["deny", "--version"]).output();
    if installed.is_ok_and(|output| output.status.success()) {
        return cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]);
    }
    eprintln!("xtask: cargo-deny is not installed; licences and sources were not checked");
    Ok(())
}

fn cargo(args: &[&str]) -> anyhow::Result<()> {
    run(&mut cargo_command(args))
}

fn cargo_command(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    let line = format!("cargo {}", words.join(" "));
    eprintln!("xtask: {line}");
    let status = command
        .status()
        .with_context(|| format!("cannot run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}
