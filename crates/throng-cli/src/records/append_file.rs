//! Files that a line is appended to for each command: the job log, and results in one file. Instead
//! of a file it can be our stdout or stderr.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use throng::{Outcome, Stream};

use super::job_info::JobInfo;
use super::results::Table;
use super::{joblog, jsonl};
use crate::shell::Shell;
use crate::{sys, terminal, text};

/// Lines are written when they take this much, at the latest.
const BUFFER_SIZE: usize = 64 * 1024;

/// How many names are tried for the file of an earlier run.
const NAMES_MAX: u32 = 99;

/// The argument of an option: `FILE`, or `+FILE` to append to what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) appends: bool,
}

impl Target {
    pub(super) fn parse(text: &OsStr) -> anyhow::Result<Target> {
        let bytes = text.as_encoded_bytes();
        let path = bytes.strip_prefix(b"+").unwrap_or(bytes);
        anyhow::ensure!(!path.is_empty(), "a name is expected");
        Ok(Target {
            path: sys::os_string(path.to_vec())?.into(),
            appends: path.len() < bytes.len(),
        })
    }

    /// Our stdout for `-`, and our stdout or stderr for a file that is the same one, whatever its
    /// name: the user has redirected it there, so the file is neither renamed nor opened again.
    pub(super) fn stream(&self) -> Option<Stream> {
        if self.path.as_os_str() == "-" && !self.appends {
            return Some(Stream::Stdout);
        }
        sys::stream_of(&self.path)
    }
}

/// A file that lines are appended to while commands run.
#[derive(Debug)]
pub(super) struct AppendFile {
    /// As errors name it.
    option: &'static str,
    path: PathBuf,
    to: Place,
    format: Format,
    needs_header: bool,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Place {
    File(File),
    /// Lines are written where the output of commands is.
    Stream(Stream),
}

/// What the lines are.
#[derive(Debug)]
pub(super) enum Format {
    Joblog(joblog::Columns, Option<Shell>),
    Table(Table),
    Jsonl,
}

impl AppendFile {
    pub(super) fn new(
        option: &'static str,
        path: PathBuf,
        to: Place,
        format: Format,
        needs_header: bool,
    ) -> AppendFile {
        AppendFile {
            option,
            path,
            to,
            format,
            needs_header,
            buffer: Vec::new(),
        }
    }

    /// The line before all others, once; `info` tells how many values the commands have.
    pub(super) fn take_header(&mut self, info: &JobInfo) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.needs_header) {
            return None;
        }
        match &self.format {
            Format::Joblog(columns, _) => Some(columns.header().into_bytes()),
            Format::Table(table) => Some(table.header(info.values.len())),
            Format::Jsonl => None,
        }
    }

    /// The line of this outcome. Empty if it has none.
    pub(super) fn line(&self, outcome: &Outcome, info: &JobInfo) -> anyhow::Result<Vec<u8>> {
        let mut line = Vec::new();
        match &self.format {
            Format::Joblog(columns, shell) => {
                joblog::write(&mut line, outcome, info, *columns, shell.as_ref());
            }
            Format::Table(table) => line = table.row(outcome, info),
            Format::Jsonl => jsonl::write(&mut line, outcome, info)
                .context("output that was spilled to a file cannot be read back")?,
        }
        Ok(line)
    }

    /// Appends to the file, at the latest at the next [`flush`](AppendFile::flush). Returns the
    /// stream that the caller has to write these bytes to, if this is no file.
    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<Option<Stream>> {
        if let Place::Stream(stream) = self.to {
            return Ok(Some(stream));
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_SIZE {
            self.flush()?;
        }
        Ok(None)
    }

    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        let Place::File(file) = &mut self.to else {
            return Ok(());
        };
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = file.write_all(&self.buffer);
        self.buffer.clear();
        written
            .map_err(as_failure)
            .with_context(|| format!("cannot write {} {}", self.option, self.path.display()))
    }
}

/// How much of a file is read to find out what it is.
const BEGIN_MAX: u64 = 512;

/// How the files of one kind of record begin: with one of these.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    /// As a user knows it: "job log".
    pub(super) name: &'static str,
    pub(super) begins: Vec<Vec<u8>>,
}

impl Kind {
    /// Whether a file that begins like this is one, or the start of one.
    fn is_begun_by(&self, begin: &[u8]) -> bool {
        let mut all = self.begins.iter();
        all.any(|ours| begin.starts_with(ours) || ours.starts_with(begin))
    }

    /// Fails if there is a file that is something else: a user who named it by mistake does not
    /// expect it to be moved or appended to.
    pub(super) fn refuse_others(&self, option: &str, path: &Path) -> anyhow::Result<()> {
        let name = || format!("{option} {}", path.display());
        if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(());
        }
        let mut options = sys::file_options();
        let begin = sys::open_for_writing(path, options.read(true).write(true))
            .and_then(begin)
            .with_context(|| format!("cannot write {}", name()))?;
        anyhow::ensure!(
            self.is_begun_by(&begin),
            "{}: it is there and is no {}: it begins with {}; name another file, or remove \
             this one",
            name(),
            self.name,
            text::quoted(
                begin
                    .split(|byte| *byte == b'\n')
                    .next()
                    .unwrap_or_default()
            )
        );
        Ok(())
    }

    /// Whether nothing but a record of this kind is lost when a file is renamed to this path.
    fn may_replace(&self, path: &Path) -> bool {
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.is_file() => false,
            Ok(_) => {
                let begin = File::open(path).and_then(begin);
                begin.is_ok_and(|begin| self.is_begun_by(&begin))
            }
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

fn begin(file: File) -> io::Result<Vec<u8>> {
    let mut begin = Vec::new();
    file.take(BEGIN_MAX).read_to_end(&mut begin)?;
    Ok(begin)
}

/// Renames the file of an earlier run to `FILE~`, so that nothing is lost if that run was meant to
/// be resumed; to `FILE~2` and so on where something else has that name. If the path is a symbolic
/// link, the file that it leads to is renamed.
pub(super) fn keep_aside(option: &str, path: &Path, kind: &Kind) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let name = |number: u32| {
        let mut aside = OsString::from(&path);
        aside.push("~");
        if number > 1 {
            aside.push(number.to_string());
        }
        PathBuf::from(aside)
    };
    let mut names = (1..=NAMES_MAX).map(name);
    let aside = names.find(|aside| kind.may_replace(aside)).ok_or_else(|| {
        let what = "an earlier file is there, and so are others as FILE~ to";
        io::Error::other(format!(
            "{what} FILE~{NAMES_MAX}: remove them, or name another file"
        ))
    })?;
    fs::rename(&path, &aside)?;
    terminal::warn(format_args!(
        "{option} {}: the file of an earlier run is kept as {} (--resume continues it, +FILE \
         adds to it)",
        path.display(),
        aside.display()
    ));
    Ok(())
}

/// A closed pipe ends the program quietly where it is stdout; where it is the file of an option, it
/// is a failure like any other.
fn as_failure(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::other(error.to_string()),
        _ => error,
    }
}
