//! A file that lines are added to while commands run, or a stream of ours in its place.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use throng::Stream;

use crate::{sys, terminal, text};

/// Written when it holds this much, at the latest.
const BUFFER_SIZE: usize = 64 * 1024;

/// So many names are tried for a file that is kept.
const NAMES_MAX: u32 = 99;

/// Where an option keeps what it has to say.
#[derive(Debug)]
pub(crate) struct Kept {
    /// As it is named where something fails.
    option: &'static str,
    path: PathBuf,
    to: Place,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Place {
    File(File),
    /// It is somebody else's to write.
    Ours(Stream),
}

impl Kept {
    pub(crate) fn new(option: &'static str, path: PathBuf, to: Place) -> Kept {
        Kept {
            option,
            path,
            to,
            buffer: Vec::new(),
        }
    }

    /// The stream of ours that it is, if so.
    pub(crate) fn stream(&self) -> Option<Stream> {
        match self.to {
            Place::File(_) => None,
            Place::Ours(stream) => Some(stream),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_SIZE {
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        let Place::File(file) = &mut self.to else {
            return Ok(());
        };
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = file.write_all(&self.buffer);
        self.buffer.clear();
        written
            .map_err(not_a_closed_pipe)
            .with_context(|| format!("cannot write {} {}", self.option, self.path.display()))
    }
}

/// So much of a file tells what it is.
const BEGIN_MAX: u64 = 512;

/// What a record begins with, to be known again by: any of these.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// As a user knows it: "job log".
    pub(crate) name: &'static str,
    pub(crate) begins: Vec<Vec<u8>>,
}

impl Kind {
    /// Whether a file that begins so is one, if only the start of one.
    fn is_begun_by(&self, begin: &[u8]) -> bool {
        let mut all = self.begins.iter();
        all.any(|ours| begin.starts_with(ours) || ours.starts_with(begin))
    }

    /// Fails where there is a file that is something else: nobody who names one as a record wants
    /// it moved or added to.
    pub(crate) fn refuse_others(&self, option: &str, path: &Path) -> anyhow::Result<()> {
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

    /// Whether nothing but such a record is lost when something gets this name.
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

/// Renames what an earlier run has left in a file to `FILE~`, so that nothing is lost when it was
/// to be gone on with; to `FILE~2` and so on where something else has that name. A file that is
/// named by a link is renamed where it is.
pub(crate) fn keep_aside(option: &str, path: &Path, kind: &Kind) -> io::Result<()> {
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
    terminal::complain(format_args!(
        "{option} {}: the file of an earlier run is kept as {} (--resume goes on with it, +FILE \
         adds to it)",
        path.display(),
        aside.display()
    ));
    Ok(())
}

/// A pipe that nobody reads ends us quietly when it is our stdout; a file of ours that is one is a
/// failure like any other.
fn not_a_closed_pipe(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::other(error.to_string()),
        _ => error,
    }
}
