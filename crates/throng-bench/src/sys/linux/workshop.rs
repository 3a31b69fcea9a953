//! The temporary directory with the compiled fixtures. It goes away with the workshop.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::lookup;

const CHILD: &str = include_str!("../../../fixtures/child.c");
const LINE: &str = include_str!("../../../fixtures/line.c");
const FLOOR: &str = include_str!("../../../fixtures/floor.c");

/// What all trials share.
#[derive(Debug)]
pub(crate) struct Workshop {
    dir: TempDir,
    /// The process that contestants start by the thousand.
    pub(crate) line: PathBuf,
    /// The process that they start where it has to do more.
    pub(crate) child: PathBuf,
    /// The floor's program.
    pub(crate) floor: PathBuf,
}

impl Workshop {
    pub(crate) fn open() -> Result<Workshop> {
        let Some(compiler) = lookup::on_path("cc") else {
            bail!("no C compiler: the floor and the child are C, and `cc` is not on PATH");
        };
        let dir = tempfile::Builder::new().prefix("throng-bench-").tempdir();
        let dir = dir.context("make a temporary directory")?;
        let bare = &[
            "-O2",
            "-static",
            "-nostdlib",
            "-fno-stack-protector",
            "-fno-pie",
            "-no-pie",
        ];
        let full = &["-O2", "-static", "-pthread"];
        let line = compile(&compiler, dir.path(), "line", LINE, bare)?;
        let child = compile(&compiler, dir.path(), "child", CHILD, full)?;
        let floor = compile(&compiler, dir.path(), "floor", FLOOR, full)?;
        Ok(Workshop {
            dir,
            line,
            child,
            floor,
        })
    }

    /// A file with the numbers below `count`, a line each.
    pub(crate) fn numbers(&self, count: u64) -> Result<PathBuf> {
        let path = self.dir.path().join(format!("numbers-{count}"));
        if !path.exists() {
            let file = File::create(&path).context("create the file of numbers")?;
            let mut file = BufWriter::new(file);
            for number in 0..count {
                writeln!(file, "{number}").context("write the numbers")?;
            }
            file.flush().context("write the numbers")?;
        }
        Ok(path)
    }

    /// A new directory for one trial; it goes away when it is dropped.
    pub(crate) fn trial_dir(&self) -> Result<TempDir> {
        let dir = tempfile::Builder::new()
            .prefix("trial-")
            .tempdir_in(self.dir.path());
        dir.context("make a directory for the trial")
    }
}

/// Static, so that loading costs next to nothing and what is measured is the starting.
fn compile(compiler: &Path, dir: &Path, name: &str, text: &str, flags: &[&str]) -> Result<PathBuf> {
    let (source, program) = (dir.join(name).with_extension("c"), dir.join(name));
    fs::write(&source, text).with_context(|| format!("write {}", source.display()))?;
    let mut command = Command::new(compiler);
    command.args(flags).arg("-o").args([&program, &source]);
    let output = command.stdin(Stdio::null()).output().context("run `cc`")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let why = text.lines().last().unwrap_or("it does not say why");
        bail!("`cc -static` cannot compile {name}.c (is there a static libc?): {why}");
    }
    Ok(program)
}
