//! Why a command was not started, before it is put into words: the step that failed, and which kind
//! of error that is, for the decision whether to try again.

use std::io;

use crate::job::command::Command;
use crate::model::error::{Error, ErrorKind};
use crate::sys::api::StartError;
use crate::sys::base::is_exhausted;

/// A step of a start that failed.
#[derive(Debug)]
pub(crate) struct SpawnError {
    step: String,
    kind: ErrorKind,
    source: Option<io::Error>,
    is_busy: bool,
    is_own: bool,
}

impl SpawnError {
    pub(crate) fn new(step: String, kind: ErrorKind, source: Option<io::Error>) -> SpawnError {
        SpawnError {
            step,
            kind,
            source,
            is_busy: false,
            is_own: false,
        }
    }

    pub(crate) fn io(step: impl Into<String>, kind: ErrorKind, error: io::Error) -> SpawnError {
        SpawnError::new(step.into(), kind, Some(error))
    }

    pub(crate) fn nul(what: &str) -> SpawnError {
        let step = format!("{what} contains a NUL byte or is not a valid name");
        SpawnError::new(step, ErrorKind::Nul, None)
    }

    /// Whether this passes within moments, so that it is worth another try.
    pub(crate) fn busy(self, is_busy: bool) -> SpawnError {
        SpawnError { is_busy, ..self }
    }

    /// Whether the failure is certainly this command's own.
    pub(crate) fn own(self, is_own: bool) -> SpawnError {
        SpawnError { is_own, ..self }
    }

    pub(crate) fn into_start_error(self, command: &Command) -> StartError {
        let program = command.program.to_string_lossy();
        let doing = format!("cannot start \"{program}\": {}", self.step);
        match self.source {
            Some(source) if is_exhausted(&source) => {
                let error = Error::os(ErrorKind::Exhausted, doing, source);
                match self.is_own {
                    true => StartError::Hampered(error),
                    false => StartError::Exhausted(error),
                }
            }
            source => {
                let error = match source {
                    Some(source) => Error::os(self.kind, doing, source),
                    None => Error::new(self.kind, doing),
                };
                match self.is_busy {
                    true => StartError::Busy(error),
                    false => StartError::Refused(error),
                }
            }
        }
    }
}
