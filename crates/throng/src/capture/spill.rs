//! Temporary files for captures that do not fit into memory: where they are, and how large they may
//! become if that directory is itself in memory.
//!
//! Spilling to a tmpfs frees no memory, and control groups count it. So a directory on a disk is
//! used if there is one; otherwise, or if the user chose a tmpfs, what is written is counted and
//! limited.

use std::fs::{File, FileTimes};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::capture::budget::Budget;
use crate::sys::base;

/// The time of files that processes read as their stdin, 1980-01-01. Programs accept it (gzip does
/// not accept 1970), and all archive formats can represent it.
const STDIN_TIME: Duration = Duration::from_secs(315_532_800);

/// How often an interrupted call is repeated. The number is bounded because a file system may
/// return this error for ever, and the thread serves other processes as well.
const INTERRUPTED_MAX: usize = 100;

/// A directory for temporary files.
#[derive(Debug)]
pub(crate) struct SpillDir {
    dir: PathBuf,
    /// If the directory is in memory: the limit for all files together, in bytes.
    in_memory_max: Option<u64>,
    /// How many bytes the files have, if there is a limit.
    in_memory: AtomicU64,
}

impl SpillDir {
    /// Files in this directory, with a limit if it is in memory.
    pub(crate) fn new(dir: PathBuf, in_memory_max: Option<u64>) -> SpillDir {
        SpillDir {
            dir,
            in_memory_max,
            in_memory: AtomicU64::new(0),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    #[cfg(test)]
    pub(crate) fn in_memory(&self) -> u64 {
        self.in_memory.load(Ordering::Relaxed)
    }

    /// A file that has no name for other processes and is removed when it is closed.
    fn open(&self) -> io::Result<File> {
        uninterrupted(|| tempfile::tempfile_in(&self.dir).map_err(plain))
    }

    /// Reserves this many bytes of the limit, or as many as are left; returns the number.
    fn take(&self, wanted: usize) -> usize {
        let Some(max) = self.in_memory_max else {
            return wanted;
        };
        let mut taken = 0;
        let _ = self
            .in_memory
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                taken = max.saturating_sub(used).min(wanted as u64);
                Some(used + taken)
            });
        taken as usize
    }

    fn give_back(&self, bytes: u64) {
        if self.in_memory_max.is_some() {
            self.in_memory.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// The error when the limit is reached. Its kind is that of a full disk.
    fn full(&self) -> io::Error {
        let mib = self.in_memory_max.unwrap_or(0) >> 20;
        let why = format!(
            "this directory is in memory (tmpfs), and the {mib} MiB that captures may take there \
             are used; choose a directory on a disk"
        );
        io::Error::new(io::ErrorKind::StorageFull, why)
    }
}

/// The directory for spilled captures, and whether it is in memory: the one that was set; or the
/// first temporary directory of the system that is usable and not in memory; or the first usable
/// one.
pub(crate) fn choose(asked: Option<PathBuf>) -> (PathBuf, bool) {
    let dir = asked.unwrap_or_else(|| {
        let is_usable = |dir: &Path| match tempfile::tempfile_in(dir) {
            Ok(_) => true,
            // The directory may be usable; this program has no descriptor left.
            Err(error) => base::is_want_of_files(&plain(error)),
        };
        first_of(base::temporary_dirs(), base::is_in_memory, is_usable)
    });
    let is_in_memory = base::is_in_memory(&dir);
    (dir, is_in_memory)
}

fn first_of(
    dirs: Vec<PathBuf>,
    is_in_memory: impl Fn(&Path) -> bool,
    is_usable: impl Fn(&Path) -> bool,
) -> PathBuf {
    let (in_memory, on_disk): (Vec<_>, Vec<_>) =
        dirs.iter().partition(|dir| is_in_memory(dir.as_path()));
    let mut best_first = on_disk.into_iter().chain(in_memory);
    let first = best_first.find(|dir| is_usable(dir));
    // Its error is reported when something is to be spilled there.
    first.or(dirs.first()).cloned().unwrap_or_default()
}

/// A temporary file that is only appended to.
#[derive(Debug)]
pub(crate) struct SpillFile {
    file: File,
    budget: Arc<Budget>,
    len: AtomicU64,
}

impl SpillFile {
    pub(crate) fn new(budget: &Arc<Budget>) -> io::Result<SpillFile> {
        #[cfg(test)]
        budget.refusals.strike_files()?;
        Ok(SpillFile {
            file: budget.place().open()?,
            budget: budget.clone(),
            len: AtomicU64::new(0),
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// How many bytes were written, and why not all.
    pub(crate) fn append(&self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let place = self.budget.place();
        let taken = place.take(bytes.len());
        let mut written = 0;
        let mut result = Ok(());
        while written < taken && result.is_ok() {
            result = match uninterrupted(|| (&self.file).write(&bytes[written..taken])) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    written += n;
                    Ok(())
                }
                Err(error) => Err(error),
            };
        }
        place.give_back((taken - written) as u64);
        self.len.fetch_add(written as u64, Ordering::Relaxed);
        if result.is_ok() && taken < bytes.len() {
            result = Err(place.full());
        }
        (written, result)
    }

    /// Reads from a position; an error at the end.
    pub(crate) fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match uninterrupted(|| base::read_at(&self.file, buffer, at))? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => Ok(n),
        }
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        self.budget
            .place()
            .give_back(self.len.load(Ordering::Relaxed));
    }
}

/// Gives a file that a process reads as its stdin a time that is always the same. Programs such as
/// gzip write the time of what they read into what they make of it, if that is a file, and the same
/// bytes are to give the same result. Where a file system refuses, they can still be read.
pub(crate) fn set_stdin_time(file: &File) {
    let time = SystemTime::UNIX_EPOCH + STDIN_TIME;
    let times = FileTimes::new().set_accessed(time).set_modified(time);
    let _ = uninterrupted(|| file.set_times(times));
}

/// Repeats a call that a signal has interrupted.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..INTERRUPTED_MAX {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
    call()
}

/// The system's error, without the path that was wrapped around it.
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
    fn the_directory_is_on_a_disk_if_possible_and_can_be_used() {
        let chosen = |dirs: &[&str]| {
            let dirs = dirs.iter().map(PathBuf::from).collect();
            let is_in_memory = |dir: &Path| dir.starts_with("/memory");
            let is_usable = |dir: &Path| !dir.ends_with("no");
            first_of(dirs, is_in_memory, is_usable)
        };
        for (dirs, expected) in [
            (&["/disk/a", "/disk/b"][..], "/disk/a"),
            (&["/memory/a", "/disk/b"], "/disk/b"),
            (&["/memory/a", "/disk/no"], "/memory/a"),
            (&["/disk/no", "/memory/a"], "/memory/a"),
            (&["/disk/no", "/disk/b"], "/disk/b"),
            (&["/memory/no", "/memory/b"], "/memory/b"),
            (&["/memory/no", "/disk/no"], "/memory/no"),
        ] {
            assert_eq!(chosen(dirs), PathBuf::from(expected), "{dirs:?}");
        }
    }

    #[test]
    fn a_requested_spill_directory_is_not_replaced() {
        let dir = PathBuf::from("/is/not/there");
        assert_eq!(choose(Some(dir.clone())), (dir, false));
    }

    #[test]
    fn files_in_memory_share_a_limit_and_return_their_share() {
        let dir = tempfile::tempdir().unwrap();
        let place = SpillDir::new(dir.path().to_owned(), Some(100));
        let budget = Arc::new(Budget::with_place(0, place));
        let files = [SpillFile::new(&budget), SpillFile::new(&budget)].map(Result::unwrap);
        let (written, result) = files[0].append(&[1; 70]);
        assert!(written == 70 && result.is_ok());
        let (written, result) = files[1].append(&[2; 70]);
        assert_eq!(written, 30, "what there is room for is kept");
        let error = result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("in memory (tmpfs)"), "{error}");
        assert_eq!(budget.place().in_memory(), 100);
        let [first, second] = files;
        drop(first);
        assert_eq!(budget.place().in_memory(), 30);
        assert_eq!(second.append(&[2; 70]).0, 70);
        drop(second);
        assert_eq!(budget.place().in_memory(), 0);
    }

    #[test]
    fn a_write_that_is_always_interrupted_fails_eventually() {
        let mut calls = 0;
        let result = uninterrupted(|| {
            calls += 1;
            Err::<(), _>(io::ErrorKind::Interrupted.into())
        });
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(calls, INTERRUPTED_MAX + 1);
    }
}
