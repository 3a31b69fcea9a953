//! How much memory captures may take together, and where they go when that is not enough.
//!
//! What is counted is what a stream has room for, once that is more than [`UNCOUNTED`]: most
//! processes say less, and then nobody's counter is touched. The counter is exact and the limit is
//! not: streams that are not worth a file stay in memory whatever the limit is.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys;

/// A stream that takes no more than this is not counted; the rest of what is kept of a process is
/// about as much.
pub(crate) const UNCOUNTED: usize = 4096;

/// A stream is worth a file of its own, and a descriptor, from this size on.
pub(crate) const WORTH_A_FILE: usize = 32 * 1024;

/// The default: this part of the memory there is, and not less than the other.
const DEFAULT_PART: u64 = 8;
const DEFAULT_LEAST: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
    dir: Option<PathBuf>,
}

impl Budget {
    pub(crate) fn new(limit: Option<u64>, dir: Option<PathBuf>) -> Budget {
        let limit = limit.unwrap_or_else(|| {
            let memory = sys::memory_limit().unwrap_or(0);
            (memory / DEFAULT_PART).max(DEFAULT_LEAST)
        });
        Budget {
            limit,
            used: AtomicU64::new(0),
            dir,
        }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// How much is counted now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn has_room_for(&self, more: u64) -> bool {
        self.used().saturating_add(more) <= self.limit
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A file that nobody else can open by a name, and that is gone when it is closed.
    pub(crate) fn file(&self) -> io::Result<File> {
        let file = match &self.dir {
            Some(dir) => tempfile::tempfile_in(dir),
            None => tempfile::tempfile(),
        };
        file.map_err(plain)
    }

    /// Where such files are.
    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(std::env::temp_dir)
    }
}

/// What the system said, without the path that has been put around it.
fn plain(error: io::Error) -> io::Error {
    let within = error.get_ref().and_then(|error| error.source());
    let within = within.and_then(|error| error.downcast_ref::<io::Error>());
    let code = within.and_then(io::Error::raw_os_error);
    code.map_or(error, io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_part_of_what_there_is_and_never_little() {
        let budget = Budget::new(None, None);
        assert!(budget.limit() >= DEFAULT_LEAST);
        let memory = sys::memory_limit().expect("this system says how much memory it has");
        assert!(budget.limit() <= (memory / DEFAULT_PART).max(DEFAULT_LEAST));
        assert!(memory > 16 << 20, "{memory} bytes of memory");
    }
}
