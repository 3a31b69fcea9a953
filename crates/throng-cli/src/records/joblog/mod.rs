//! `--joblog FILE`: a line for each command, when it has ended and its output has been given out.
//! A log that is there already and not to be gone on with is kept as `FILE~`.

mod line;
mod past;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::Context;
use throng::{Outcome, Stream};

use self::line::Format;
pub(crate) use self::line::{AFTER, BEFORE, logged, shown, write_after, write_before};
pub(crate) use self::past::{Job, Past, fingerprint};
use super::kept::{self, Kept, Kind, Place};
use crate::records::note::Note;
use crate::records::target::Target;
use crate::shell::Shell;
use crate::sys;

/// A log that is being written.
#[derive(Debug)]
pub(crate) struct Joblog {
    kept: Kept,
    /// For a stream of ours: what is to be written there before the first line.
    head: Option<Vec<u8>>,
    format: Format,
    shell: Option<Shell>,
}

impl Joblog {
    /// Opens the log and goes on with what an earlier run has left, or begins it anew.
    pub(crate) fn open(
        target: &Target,
        past: Option<&Past>,
        goes_on: bool,
        shell: Option<Shell>,
    ) -> anyhow::Result<Joblog> {
        if let Some(stream) = target.stream() {
            return Ok(Joblog {
                kept: Kept::new("--joblog", target.path.clone(), Place::Ours(stream)),
                head: Some(Format::Throng.header().into_bytes()),
                format: Format::Throng,
                shell,
            });
        }
        let context = || format!("cannot write --joblog {}", target.path.display());
        let mut file = open(&target.path).with_context(context)?;
        if !goes_on && holds_something(&target.path).with_context(context)? {
            drop(file);
            kept::keep_aside("--joblog", &target.path, &kind()).with_context(context)?;
            file = open(&target.path).with_context(context)?;
        }
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
            kept: Kept::new("--joblog", target.path.clone(), Place::File(file)),
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

    /// The stream of ours that it is, if so.
    pub(crate) fn stream(&self) -> Option<Stream> {
        self.kept.stream()
    }

    /// What is to be written to it before the first line, if so.
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

/// Fails where there is a file that is to be kept, and it is no log.
pub(crate) fn refuse_others(target: &Target) -> anyhow::Result<()> {
    match target.stream() {
        None => kind().refuse_others("--joblog", &target.path),
        Some(_) => Ok(()),
    }
}

fn kind() -> Kind {
    Kind {
        name: "job log",
        begins: vec![BEFORE.into()],
    }
}

/// Cuts nothing: what is there is looked at first.
fn open(path: &Path) -> io::Result<File> {
    let mut options = sys::file_options();
    options.create(true).write(true).truncate(false);
    sys::open_for_writing(path, &mut options)
}

/// Whether there is a file with more in it than the names of the columns.
fn holds_something(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let header = Format::Throng.header();
    let mut begin = Vec::new();
    let file = File::open(path)?;
    file.take(header.len() as u64 + 1).read_to_end(&mut begin)?;
    Ok(!header.as_bytes().starts_with(&begin))
}
