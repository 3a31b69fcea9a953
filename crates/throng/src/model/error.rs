//! Errors of throng itself. A process that fails is a result, not an error; see [`Outcome`].
//!
//! [`Outcome`]: crate::Outcome

use std::fmt;
use std::io;

use crate::text;

/// An operation of throng failed: which operation, and the error of the system.
///
/// Displayed as one line, for example
/// `cannot start "cc": chdir to /x: No such file or directory (os error 2)`.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    /// Always one line, whatever names it contains: only the functions below make errors.
    doing: String,
    source: Option<io::Error>,
}

/// The kinds of [`Error`] that a caller may want to distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The program does not exist, or was not found in `PATH`.
    NotFound,
    /// The program is a directory, or there is no permission to execute it.
    NotExecutable,
    /// The system does not know how to run this file (`ENOEXEC`).
    BadFormat,
    /// The working directory is missing or cannot be entered.
    BadDirectory,
    /// The arguments and the environment together are larger than the system allows.
    ArgumentsTooLong,
    /// Windows: the program is a batch file, and batch files are not allowed or its arguments
    /// cannot be passed to it safely.
    BatchFile,
    /// A program, argument, variable or directory contains a NUL byte.
    Nul,
    /// The stdin of the process cannot be opened or created.
    Stdin,
    /// Descriptors, processes or memory ran out, and none became free while the start was retried.
    Exhausted,
    /// The command was not started because the [`Throng`] was cancelled or dropped first, or its
    /// outcome was lost because a thread of the `Throng` panicked.
    ///
    /// [`Throng`]: crate::Throng
    Cancelled,
    /// The [`Throng`] was built by the process from which this one was forked, and its threads run
    /// there. Build another one after the `fork`.
    ///
    /// [`Throng`]: crate::Throng
    Forked,
    /// A mechanism or a setting was requested that this system does not offer.
    Unsupported,
    /// A captured stream could not be read.
    Read,
    /// A captured stream could not be stored: it did not fit into memory, and the disk is full or
    /// not writable, or the spill directory is in memory and its limit is reached, or no file can
    /// be opened.
    Storage,
    /// A callback panicked: the one for output, or the one for the start of a command.
    Callback,
    /// Any other error of the operating system.
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

    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error number of the operating system, if there is one.
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
