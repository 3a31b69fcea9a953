//! Runs commands, and prints what it runs, so that anybody can run it alone.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, bail};

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command to its end, which has to be a good one.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let words = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> = std::iter::once(name).chain(words).collect();
    let line = words.join(" ");
    eprintln!("xtask: {line}");
    let status = command
        .status()
        .with_context(|| format!("cannot run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

pub(crate) fn is_in_path(program: &str) -> bool {
    in_path(program).is_some()
}

/// Where a program is.
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found = env::split_paths(&path).map(|dir| dir.join(program));
    found.find(|path| path.exists())
}

/// The path of this program. Called first when it starts: a build of the workspace may replace the
/// file later, and then the system says that it was deleted.
pub(crate) fn own_path() -> anyhow::Result<&'static Path> {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = PATH.get() {
        return Ok(path);
    }
    let path = env::current_exe().context("cannot find this program")?;
    Ok(PATH.get_or_init(|| path))
}
