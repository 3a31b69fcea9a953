//! `--joblog FILE`: a line for each command, when it has ended and its output has been given out.

mod line;
mod past;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::Context;
use throng::Outcome;

use self::line::Format;
pub(crate) use self::line::{AFTER, BEFORE, logged, write_after, write_before};
pub(crate) use self::past::{Job, Past, fingerprint};
use super::{Note, Target};

/// Written when it holds this much, at the latest.
const BUFFER_SIZE: usize = 64 * 1024;

/// A log that is being written.
#[derive(Debug)]
pub(crate) struct Joblog {
    path: PathBuf,
    /// None: our stdout.
    file: Option<File>,
    format: Format,
    shell: bool,
    buffer: Vec<u8>,
}

impl Joblog {
    /// Opens the log and goes on with what an earlier run has left, or begins it anew.
    pub(crate) fn open(
        target: &Target,
        past: Option<&Past>,
        shell: bool,
    ) -> anyhow::Result<Joblog> {
        if target.is_stdout() {
            return Ok(Joblog {
                path: target.path.clone(),
                file: None,
                format: Format::Throng,
                shell,
                buffer: Format::Throng.header().into_bytes(),
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
            path: target.path.clone(),
            file: Some(file),
            format: past.map_or(Format::Throng, |past| past.format),
            shell,
            buffer: Vec::new(),
        };
        if past.is_none() {
            log.buffer.extend_from_slice(log.format.header().as_bytes());
            log.flush()?;
        }
        Ok(log)
    }

    pub(crate) fn is_stdout(&self) -> bool {
        self.file.is_none()
    }

    /// What is to be written to stdout before the first line, if that is where the log goes.
    pub(crate) fn take_head(&mut self) -> Option<Vec<u8>> {
        let head = self.is_stdout().then(|| std::mem::take(&mut self.buffer));
        head.filter(|head| !head.is_empty())
    }

    /// Adds the line of this outcome to `out`.
    pub(crate) fn line(&self, outcome: &Outcome, note: &Note, out: &mut Vec<u8>) {
        line::write(out, outcome, note, self.format, self.shell);
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_SIZE {
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        let Some(file) = self.file.as_mut().filter(|_| !self.buffer.is_empty()) else {
            return Ok(());
        };
        let written = file.write_all(&self.buffer);
        self.buffer.clear();
        written
            .map_err(not_a_closed_pipe)
            .with_context(|| format!("cannot write --joblog {}", self.path.display()))
    }
}

/// A pipe that nobody reads ends us quietly when it is our stdout; a file of ours that is one is a
/// failure like any other.
pub(crate) fn not_a_closed_pipe(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::other(error.to_string()),
        _ => error,
    }
}
