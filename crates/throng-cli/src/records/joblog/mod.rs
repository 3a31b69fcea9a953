//! `--joblog FILE`: a line for each command, when it has ended and its output has been written. A
//! log of an earlier run is kept as `FILE~`, unless it is added to.

mod line;
mod previous;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::Context;

use super::append_file::{AppendFile, Format, Kind, Place, Target, keep_aside};
use crate::shell::Shell;
use crate::sys;

pub(crate) use self::line::shown;
pub(super) use self::line::{AFTER, BEFORE, Columns, logged, write, write_after, write_before};
pub(super) use self::previous::{Job, PreviousLog, fingerprint};

const OPTION: &str = "--joblog";

/// Opens the log, and continues that of an earlier run or begins a new one.
pub(super) fn open(
    target: &Target,
    previous: Option<&PreviousLog>,
    keeps: bool,
    shell: Option<Shell>,
) -> anyhow::Result<AppendFile> {
    let path = &target.path;
    let log = |to, columns, needs_header| {
        let format = Format::Joblog(columns, shell);
        AppendFile::new(OPTION, path.clone(), to, format, needs_header)
    };
    if let Some(stream) = target.stream() {
        return Ok(log(Place::Stream(stream), Columns::Throng, true));
    }
    let context = || format!("cannot write --joblog {}", path.display());
    let mut file = open_file(path).with_context(context)?;
    if !keeps && has_lines(path).with_context(context)? {
        drop(file);
        keep_aside(OPTION, path, &kind()).with_context(context)?;
        file = open_file(path).with_context(context)?;
    }
    let length = match previous {
        Some(previous) => previous.repair(&file, path).with_context(context)?,
        None => 0,
    };
    // A pipe or a terminal cannot be truncated, and need not be.
    if file.metadata().with_context(context)?.is_file() {
        file.set_len(length).with_context(context)?;
        file.seek(SeekFrom::End(0)).with_context(context)?;
    }
    let columns = previous.map_or(Columns::Throng, |previous| previous.columns);
    let mut log = log(Place::File(file), columns, false);
    if previous.is_none() {
        log.write(columns.header().as_bytes())?;
        log.flush()?;
    }
    Ok(log)
}

/// Fails if the file exists and is no job log.
pub(super) fn refuse_others(target: &Target) -> anyhow::Result<()> {
    match target.stream() {
        None => kind().refuse_others(OPTION, &target.path),
        Some(_) => Ok(()),
    }
}

fn kind() -> Kind {
    Kind {
        name: "job log",
        begins: vec![BEFORE.into()],
    }
}

/// Truncates nothing: the content is looked at first.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = sys::file_options();
    options.create(true).write(true).truncate(false);
    sys::open_for_writing(path, &mut options)
}

/// Whether there is a file with more in it than a header.
fn has_lines(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let header = Columns::Throng.header();
    let mut begin = Vec::new();
    let file = File::open(path)?;
    file.take(header.len() as u64 + 1).read_to_end(&mut begin)?;
    Ok(!header.as_bytes().starts_with(&begin))
}
