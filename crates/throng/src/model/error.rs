//! What went wrong on our side. A process that fails is a result, not an error; see [`Outcome`].
//!
//! [`Outcome`]: crate::Outcome

use std::fmt;
use std::io;

use crate::text;

/// An operation of ours failed: what we were doing, and what the system said.
///
/// Displayed as one line, for example
/// `cannot start "cc": chdir to /x: No such file or directory (os error 2)`.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    /// On one line whatever names are in it: all errors are made by the functions below.
    doing: String,
    source: Option<io::Error>,
}

/// The kinds of [`Error`] that a caller may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The program does not exist, or is nowhere in `PATH`.
    NotFound,
    /// The program is a directory, or lacks the permission to be executed.
    NotExecutable,
    /// The system does not know how to run this file (`ENOEXEC`).
    BadFormat,
    /// The working directory is missing or cannot be entered.
    BadDirectory,
    /// The arguments and the environment together are larger than the system takes.
    ArgumentsTooLong,
    /// Windows: the program is a batch file, and either that was not allowed or its arguments
    /// cannot be given to it safely.
    BatchFile,
    /// A program, argument, variable or directory contains a NUL byte.
    Nul,
    /// What the process was to read as its stdin cannot be opened or made.
    Stdin,
    /// Descriptors, processes or memory ran out, and waiting for some did not help.
    Exhausted,
    /// The command was never started, or its outcome never came: the [`Throng`] was cancelled
    /// or dropped first.
    ///
    /// [`Throng`]: crate::Throng
    Cancelled,
    /// The [`Throng`] was built by the process that this one was forked from, and its threads are
    /// in that process. Build another after the `fork`.
    ///
    /// [`Throng`]: crate::Throng
    Forked,
    /// A mechanism or a setting that this system does not offer was asked for by name.
    Unsupported,
    /// A captured stream could not be read.
    Read,
    /// A captured stream could not be kept: it did not fit into memory, and the disk is full or
    /// cannot be written to, or the directory is in memory itself and its share is used up, or no
    /// file can be opened.
    Keep,
    /// A callback panicked: that for output, or that for the start of a command.
    Callback,
    /// Any other refusal by the operating system.
    System,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, doing: impl AsRef<str>) -> Error {
        Error {
            kind,
            doing: text::escaped(doing.as_ref().as_bytes()),
            source: None,
        }
    }

    pub(crate) fn os(kind: ErrorKind, doing: impl AsRef<str>, source: io::Error) -> Error {
        Error {
            kind,
            doing: text::escaped(doing.as_ref().as_bytes()),
            source: Some(source),
        }
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The operating system's error number, where there is one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.as_ref().and_then(io::Error::raw_os_error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            None => f.write_str(&self.doing),
            Some(source) => write!(f, "{}: {source}", self.doing),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}
