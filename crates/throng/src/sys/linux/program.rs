//! Finds programs in a search path, and remembers where they were.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{Access, AtFlags, CWD, FileType, accessat, stat};
use rustix::io::Errno;

/// More programs than this in one run are looked up anew now and then; it bounds memory.
const REMEMBERED_MAX: usize = 1024;

/// Remembers programs found along the search path of this program. Others are looked up each time.
#[derive(Debug, Default)]
pub(super) struct Programs {
    found: HashMap<OsString, OsString>,
}

impl Programs {
    /// Where to find a program.
    pub(super) fn find(&mut self, program: &OsStr, path: &OsStr) -> Result<OsString, Errno> {
        if let Some(found) = self.found.get(program) {
            return Ok(found.clone());
        }
        let found = search(program, path)?;
        if self.found.len() >= REMEMBERED_MAX {
            self.found.clear();
        }
        self.found.insert(program.to_owned(), found.clone());
        Ok(found)
    }

    /// Forgets where a program was; says whether that was remembered.
    pub(super) fn forget(&mut self, program: &OsStr) -> bool {
        self.found.remove(program).is_some()
    }
}

/// Looks along a path as execvp does: the first that may be executed, and "permission denied"
/// rather than "not found" when there is one that may not. A name with a `/` is a path already.
pub(super) fn search(program: &OsStr, path: &OsStr) -> Result<OsString, Errno> {
    if program.as_bytes().contains(&b'/') {
        return Ok(program.to_owned());
    }
    let mut result = Errno::NOENT;
    if program.is_empty() {
        return Err(result);
    }
    for dir in path.as_bytes().split(|byte| *byte == b':') {
        let dir = if dir.is_empty() { b".".as_slice() } else { dir };
        let candidate = OsString::from_vec([dir, b"/", program.as_bytes()].concat());
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::ACCESS) => result = Errno::ACCESS,
            Err(_) => {}
        }
    }
    Err(result)
}

fn executable(path: &OsStr) -> Result<(), Errno> {
    let is_dir = FileType::from_raw_mode(stat(path)?.st_mode) == FileType::Directory;
    if is_dir {
        return Err(Errno::ACCESS);
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
}
