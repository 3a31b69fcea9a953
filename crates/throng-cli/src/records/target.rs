//! Files that records are written to: `FILE`, or `+FILE` to keep what is there.

use std::ffi::OsStr;
use std::path::PathBuf;

use throng::Stream;

use crate::sys;

/// Where a record goes, and whether what is there is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    pub(crate) appends: bool,
}

impl Target {
    /// Which stream of ours it is: stdout for `-`, and either where it is the same file, whatever
    /// its name. What is in such a file is the user's, so it is neither moved nor opened again.
    pub(crate) fn stream(&self) -> Option<Stream> {
        if self.path.as_os_str() == "-" && !self.appends {
            return Some(Stream::Stdout);
        }
        sys::stream_of(&self.path)
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
