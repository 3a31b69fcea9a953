//! The temporary directory with what contestants are given. It goes away with its owner.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::sys::Programs;

/// What all trials share.
#[derive(Debug)]
pub(crate) struct Fixtures {
    dir: TempDir,
    /// What contestants start.
    pub(crate) programs: Programs,
}

impl Fixtures {
    pub(crate) fn make() -> Result<Fixtures> {
        let dir = tempfile::Builder::new().prefix("throng-bench-").tempdir();
        let dir = dir.context("make a temporary directory")?;
        let programs = Programs::make(dir.path())?;
        Ok(Fixtures { dir, programs })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
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
}
