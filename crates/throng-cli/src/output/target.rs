//! Files that records are written to: `FILE`, or `+FILE` to keep what is there.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::sys;

/// Where a record goes, and whether what is there is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    pub(crate) appends: bool,
}

impl Target {
    /// Whether `-` was given.
    pub(crate) fn is_stdout(&self) -> bool {
        self.path.as_os_str() == "-" && !self.appends
    }

    /// Reads `FILE` or `+FILE`.
    pub(crate) fn parse(text: &OsStr) -> anyhow::Result<Target> {
        let bytes = text.as_encoded_bytes();
        let path = bytes.strip_prefix(b"+").unwrap_or(bytes);
        anyhow::ensure!(!path.is_empty(), "a name is expected");
        Ok(Target {
            path: sys::os_string(path.to_vec())?.into(),
            appends: path.len() < bytes.len(),
        })
    }
}
