//! `--joblog FILE`: a line for each command, when it has ended and its output has been given out.

mod line;
mod past;

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom};

use anyhow::Context;
use throng::Outcome;

use self::line::Format;
pub(crate) use self::line::{AFTER, BEFORE, logged, write_after, write_before};
pub(crate) use self::past::{Job, Past, fingerprint};
use super::kept::Kept;
use super::{Note, Target};
use crate::shell::Shell;

/// A log that is being written.
#[derive(Debug)]
pub(crate) struct Joblog {
    kept: Kept,
    /// For stdout: what is to be written there before the first line.
    head: Option<Vec<u8>>,
    format: Format,
    shell: Option<Shell>,
}

impl Joblog {
    /// Opens the log and goes on with what an earlier run has left, or begins it anew.
    pub(crate) fn open(
        target: &Target,
        past: Option<&Past>,
        shell: Option<Shell>,
    ) -> anyhow::Result<Joblog> {
        if target.is_stdout() {
            return Ok(Joblog {
                kept: Kept::new("--joblog", target.path.clone(), None),
                head: Some(Format::Throng.header().into_bytes()),
                format: Format::Throng,
                shell,
            });
        }
        let context = || format!("cannot write --joblog {}", target.path.display());
        let mut options = OpenOptions::new();
        options.create(true).write(true);
        // Truncated below, when it is sure that it can be written.
        let mut file = options
            .truncate(false)
            .open(&target.path)
            .with_context(context)?;
        let length = match past {
            Some(past) => past.repair(&file, &target.path).with_context(context)?,
            None => 0,
        };
        // A pipe or a terminal cannot be cut, and has nothing to cut.
        if file.metadata().with_context(context)?.is_file() {
            file.set_len(length).with_context(context)?;
            file.seek(SeekFrom::End(0)).with_context(context)?;
        }
        let mut log = Joblog {
            kept: Kept::new("--joblog", target.path.clone(), Some(file)),
            head: None,
            format: past.map_or(Format::Throng, |past| past.format),
            shell,
        };
        if past.is_none() {
            log.kept.write(log.format.header().as_bytes())?;
            log.flush()?;
        }
        Ok(log)
    }

    pub(crate) fn is_stdout(&self) -> bool {
        self.kept.is_stdout()
    }

    /// What is to be written to stdout before the first line, if that is where the log goes.
    pub(crate) fn take_head(&mut self) -> Option<Vec<u8>> {
        self.head.take()
    }

    /// Adds the line of this outcome to `out`.
    pub(crate) fn line(&self, outcome: &Outcome, note: &Note, out: &mut Vec<u8>) {
        line::write(out, outcome, note, self.format, self.shell.as_ref());
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.kept.write(bytes)
    }

    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.kept.flush()
    }
}
