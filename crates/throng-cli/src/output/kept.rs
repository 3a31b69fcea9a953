//! A file that lines are added to while commands run, or a stream of ours in its place.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use throng::Stream;

use crate::text;

/// Written when it holds this much, at the latest.
const BUFFER_SIZE: usize = 64 * 1024;

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

/// Renames what an earlier run has left in a file to `FILE~`, so that nothing is lost when it was
/// to be gone on with. A file that is named by a link is renamed where it is.
pub(crate) fn keep_aside(option: &str, path: &Path) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let mut aside = OsString::from(&path);
    aside.push("~");
    let aside = PathBuf::from(aside);
    fs::rename(&path, &aside)?;
    text::complain(format_args!(
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
