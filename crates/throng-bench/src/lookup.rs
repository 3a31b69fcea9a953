//! Finds the programs that take part, and their versions.

use std::env::{self, consts::EXE_SUFFIX};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A program that runs commands for the lines of its stdin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Throng,
    /// With a log of the jobs, and the view on.
    ThrongRecording,
    RustParallel,
    Parallel,
    Xargs,
    Xe,
}

/// A program that does not print its version in this time has none.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Where programs are looked for.
#[derive(Debug)]
pub(crate) struct Lookup {
    throng: PathBuf,
}

impl Tool {
    /// The file name of its program.
    fn program(self) -> &'static str {
        match self {
            Tool::Throng | Tool::ThrongRecording => "throng",
            Tool::RustParallel => "rust-parallel",
            Tool::Parallel => "parallel",
            Tool::Xargs => "xargs",
            Tool::Xe => "xe",
        }
    }
}

impl Lookup {
    /// Looks for `throng` beside this program unless a path is given.
    pub(crate) fn new(throng: Option<&Path>) -> Result<Lookup> {
        let throng = match throng {
            Some(path) => std::path::absolute(path).context("the path of `throng`")?,
            None => env::current_exe()
                .context("find this program")?
                .with_file_name(format!("throng{EXE_SUFFIX}")),
        };
        Ok(Lookup { throng })
    }

    /// The program's path, or why there is none.
    pub(crate) fn find(&self, tool: Tool) -> Result<PathBuf, String> {
        if matches!(tool, Tool::Throng | Tool::ThrongRecording) {
            let missing = || format!("not built: {}", self.throng.display());
            return self
                .throng
                .is_file()
                .then(|| self.throng.clone())
                .ok_or_else(missing);
        }
        on_path(tool.program()).ok_or_else(|| "not installed".to_owned())
    }

    /// The program's version as it prints it; `None` when it is missing or prints nothing.
    pub(crate) fn version(&self, tool: Tool) -> Option<String> {
        first_line(&self.find(tool).ok()?, &["--version"])
    }
}

/// The first program of this name in the directories of `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let file_name = format!("{name}{EXE_SUFFIX}");
    let mut candidates = env::split_paths(&path).map(|dir| dir.join(&file_name));
    candidates.find(|candidate| candidate.is_file())
}

/// The first line that a program prints, when it succeeds soon.
pub(crate) fn first_line(program: &Path, args: &[&str]) -> Option<String> {
    let mut file = tempfile::tempfile().ok()?;
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.stdout(file.try_clone().ok()?).spawn().ok()?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if start.elapsed() < ANSWER_WITHIN => thread::sleep(LOOK_AGAIN),
            None => {
                child.kill().ok()?;
                break child.wait().ok()?;
            }
        }
    };
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text
        .lines()
        .next()
        .map(str::trim)
        .filter(|line| !line.is_empty())?;
    status.success().then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_throng_is_reported_as_not_built() {
        let lookup = Lookup::new(Some(Path::new("/nowhere/throng"))).expect("it is a path");
        let why = lookup.find(Tool::Throng).expect_err("it is not there");
        assert!(why.starts_with("not built: "), "{why}");
    }

    #[test]
    fn programs_are_found_on_path() {
        assert!(on_path("cargo").is_some());
        assert!(on_path("a program that does not exist").is_none());
    }
}
