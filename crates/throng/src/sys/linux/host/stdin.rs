//! Bytes that processes read as their stdin: a file that is written in full before the process
//! starts, so that no pipe has to be fed later.
//!
//! The file is in memory and counted in the budget; if it does not fit there, or files in memory
//! are refused, it is a temporary file like those of captures. Few bytes have a file for each start
//! and are not counted. Many bytes that several commands share exist once, however many processes
//! read them at the same time: each process gets a file description of its own, with its own
//! position and for reading only, and a file in memory is sealed, so that no process can change
//! what another reads. (A file on a disk can be changed by a process of the same user that sets out
//! to.)
//!
//! A file is kept here while a process lives that was started with it, and no longer: for a process
//! that starts later it is made again. That costs at most a copy for each start, and keeps
//! nothing that may never be asked for again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, fstat, memfd_create};

use crate::capture::budget::{Budget, WORTH_A_FILE};
use crate::capture::spill::{SpillFile, set_stdin_time};
use crate::sync::lock;
use crate::sys::base::is_want_of_files;

/// Bytes are counted, and shared, from this size on.
const SHARE_FROM: usize = WORTH_A_FILE;

#[derive(Debug)]
pub(crate) struct Stdins {
    budget: Arc<Budget>,
    /// By the address of the bytes, which are not freed while the file exists.
    shared: Mutex<HashMap<usize, Weak<Shared>>>,
    /// Whether a file can be opened again, by its name in /proc.
    reopens: AtomicBool,
}

/// What is kept while a process lives that reads the bytes.
#[derive(Debug)]
#[expect(dead_code, reason = "they are kept, and dropped")]
pub(crate) enum Held {
    Own(Counted),
    Shared(Arc<Shared>),
}

/// Bytes in a file of which several processes have a description.
#[derive(Debug)]
pub(crate) struct Shared {
    file: File,
    _bytes: Arc<[u8]>,
    _counted: Counted,
}

/// Bytes that are counted, in memory or, if need be, as part of what is spilled.
#[derive(Debug)]
#[expect(dead_code, reason = "a file is kept, and dropped")]
pub(crate) enum Counted {
    Not,
    Memory(Arc<Budget>, u64),
    Spilled(SpillFile),
}

impl Stdins {
    pub(crate) fn new(budget: Arc<Budget>) -> Stdins {
        Stdins {
            budget,
            shared: Mutex::default(),
            reopens: AtomicBool::new(true),
        }
    }

    /// The operation that is going on here, for an error message.
    pub(crate) fn doing(&self, bytes: &[u8]) -> String {
        let dir = self.budget.dir().display();
        format!(
            "hold its stdin of {} bytes in memory or in {dir}",
            bytes.len()
        )
    }

    /// A descriptor that reads these bytes from the beginning, and what is to be kept until the
    /// process that has it is gone.
    pub(crate) fn open(&self, bytes: &Arc<[u8]>) -> io::Result<(OwnedFd, Held)> {
        // With one reference to the bytes, only one command can be started with them.
        let is_shared = bytes.len() >= SHARE_FROM && Arc::strong_count(bytes) > 1;
        if is_shared && self.reopens.load(Ordering::Relaxed) {
            let shared = self.share(bytes)?;
            match reopen(shared.file.as_fd()) {
                Ok(fd) => return Ok((fd, Held::Shared(shared))),
                Err(error) if is_want_of_files(&error) => return Err(error),
                // There is no /proc, or not ours. The next time will be the same.
                Err(_) => self.reopens.store(false, Ordering::Relaxed),
            }
        }
        let (file, counted) = self.copy(bytes, false)?;
        Ok((file.into(), Held::Own(counted)))
    }

    /// A second caller waits until the first has copied the bytes.
    fn share(&self, bytes: &Arc<[u8]>) -> io::Result<Arc<Shared>> {
        let address = bytes.as_ptr().addr();
        let mut all = lock(&self.shared);
        if let Some(shared) = all.get(&address).and_then(Weak::upgrade) {
            return Ok(shared);
        }
        all.retain(|_, shared| shared.strong_count() > 0);
        let (file, counted) = self.copy(bytes, true)?;
        let shared = Arc::new(Shared {
            file,
            _bytes: bytes.clone(),
            _counted: counted,
        });
        all.insert(address, Arc::downgrade(&shared));
        Ok(shared)
    }

    /// These bytes in a file whose position is at the beginning.
    fn copy(&self, bytes: &[u8], seals: bool) -> io::Result<(File, Counted)> {
        let len = bytes.len() as u64;
        let is_counted = bytes.len() >= SHARE_FROM;
        if !is_counted || self.budget.has_room_for(len) {
            self.budget.make_way(if is_counted { len } else { 0 });
            // A sandbox may refuse files in memory, an old kernel has none, and there may be no
            // memory for one. If descriptors have run out, the other file cannot be opened either.
            if let Ok(file) = in_memory(bytes, seals) {
                let counted = match is_counted {
                    true => Counted::memory(&self.budget, len),
                    false => Counted::Not,
                };
                return Ok((file, counted));
            }
        }
        let spilled = SpillFile::new(&self.budget)?;
        spilled.append(bytes).1?;
        set_stdin_time(spilled.file());
        let mut file = spilled.file().try_clone()?;
        file.rewind()?;
        Ok((file, Counted::Spilled(spilled)))
    }
}

impl Counted {
    fn memory(budget: &Arc<Budget>, bytes: u64) -> Counted {
        budget.add(bytes);
        Counted::Memory(budget.clone(), bytes)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Counted::Memory(budget, bytes) = self {
            budget.remove(*bytes);
        }
    }
}

/// Bytes in a file in memory whose position is at the beginning.
fn in_memory(bytes: &[u8], seals: bool) -> io::Result<File> {
    let flags = match seals {
        true => MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        false => MemfdFlags::CLOEXEC,
    };
    let file = File::from(memfd_create("throng-stdin", flags)?);
    file.write_all_at(bytes, 0)?;
    set_stdin_time(&file);
    if seals {
        let all = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&file, all)?;
    }
    Ok(file)
}

/// The same file opened again, with a position of its own (proc_pid_fd(5)).
fn reopen(file: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let again = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let [one, other] = [fstat(file)?, fstat(&again)?];
    if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino) {
        Ok(again)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::MetadataExt;
    use std::time::{Duration, SystemTime};

    use super::*;

    const LEN: u64 = 1 << 20;

    fn stdins(limit: u64) -> (Stdins, Arc<Budget>) {
        let budget = Arc::new(Budget::new(Some(limit), None));
        (Stdins::new(budget.clone()), budget)
    }

    fn bytes() -> Arc<[u8]> {
        (0..LEN).map(|n| (n % 251) as u8).collect()
    }

    fn content(file: &mut File) -> Vec<u8> {
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn shared_bytes_exist_once_and_each_process_reads_them_from_the_beginning() {
        let (stdins, budget) = stdins(10 * LEN);
        let bytes = bytes();
        let clone = bytes.clone();
        let opened: Vec<_> = (0..5).map(|_| stdins.open(&bytes).unwrap()).collect();
        assert_eq!(budget.used(), LEN);
        let mut inodes = Vec::new();
        for (fd, _) in &opened {
            let mut file = File::from(fd.try_clone().unwrap());
            assert!(content(&mut file) == *bytes, "it has a position of its own");
            inodes.push(file.metadata().unwrap().ino());
        }
        inodes.dedup();
        assert_eq!(inodes.len(), 1);
        drop(opened);
        assert_eq!(budget.used(), 0, "nobody reads them any more");
        drop(clone);
        assert_eq!(Arc::strong_count(&bytes), 1);
    }

    #[test]
    fn no_process_can_change_the_stdin_bytes_of_another() {
        let (stdins, _) = stdins(10 * LEN);
        let (bytes, _other) = (bytes(), bytes());
        let _used_by_others = bytes.clone();
        let (fd, _held) = stdins.open(&bytes).unwrap();
        let mut file = File::from(fd);
        assert!(file.write(b"x").is_err(), "it is for reading");
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let writable = File::options().write(true).open(path);
        let written = writable.and_then(|mut file| file.write(b"x"));
        assert!(written.is_err(), "it is sealed");
        assert!(content(&mut file) == *bytes);
    }

    #[test]
    fn different_bytes_have_different_files_and_unshared_files_are_closed() {
        let (stdins, budget) = stdins(10 * LEN);
        let (one, other) = (bytes(), bytes());
        let _clones = (one.clone(), other.clone());
        let opened = [stdins.open(&one).unwrap(), stdins.open(&other).unwrap()];
        assert_eq!(budget.used(), 2 * LEN);
        assert_eq!(lock(&stdins.shared).len(), 2);
        drop(opened);
        let alone = bytes();
        let (fd, held) = stdins.open(&alone).unwrap();
        assert!(matches!(held, Held::Own(Counted::Memory(..))));
        assert_eq!(budget.used(), LEN);
        assert!(content(&mut File::from(fd)) == *alone);
        let _kept = stdins.open(&one).unwrap();
        assert_eq!(lock(&stdins.shared).len(), 1, "others are forgotten");
    }

    #[test]
    fn without_room_in_the_budget_stdin_bytes_are_in_a_file() {
        let (stdins, budget) = stdins(LEN - 1);
        let shared = bytes();
        let _clone = shared.clone();
        for bytes in [bytes(), shared] {
            let (fd, held) = stdins.open(&bytes).unwrap();
            let (again, _held) = stdins.open(&bytes).unwrap();
            assert_eq!(budget.used(), 0);
            assert!(content(&mut File::from(fd)) == *bytes);
            assert!(content(&mut File::from(again)) == *bytes);
            drop(held);
        }
    }

    #[test]
    fn without_proc_each_start_has_a_copy_that_is_counted() {
        let (stdins, budget) = stdins(10 * LEN);
        stdins.reopens.store(false, Ordering::Relaxed);
        let bytes = bytes();
        let _clone = bytes.clone();
        let opened = [stdins.open(&bytes).unwrap(), stdins.open(&bytes).unwrap()];
        assert_eq!(budget.used(), 2 * LEN);
        for (fd, _held) in opened {
            assert!(content(&mut File::from(fd)) == *bytes);
        }
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn the_time_of_a_file_does_not_depend_on_when_it_was_made() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(315_532_800);
        let modified = |fd: OwnedFd| File::from(fd).metadata().unwrap().modified().unwrap();
        let shared = bytes();
        let _clone = shared.clone();
        for limit in [10 * LEN, LEN - 1] {
            let (stdins, _) = stdins(limit);
            let few: Arc<[u8]> = b"few".as_slice().into();
            for bytes in [&bytes(), &shared, &few] {
                let (fd, _held) = stdins.open(bytes).unwrap();
                assert_eq!(modified(fd), time, "{limit} {}", bytes.len());
            }
        }
    }

    #[test]
    fn few_stdin_bytes_are_not_counted() {
        let (stdins, budget) = stdins(0);
        let bytes: Arc<[u8]> = b"few".as_slice().into();
        let _clone = bytes.clone();
        let (fd, held) = stdins.open(&bytes).unwrap();
        assert!(matches!(held, Held::Own(Counted::Not)));
        assert_eq!(
            (budget.used(), content(&mut File::from(fd))),
            (0, b"few".to_vec())
        );
    }

    #[test]
    fn failure_to_create_a_file_is_an_error_that_names_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        let budget = Arc::new(Budget::new(Some(0), Some(dir.path().to_owned())));
        let stdins = Stdins::new(budget);
        dir.close().unwrap();
        assert!(stdins.open(&bytes()).is_err());
        assert!(stdins.doing(&bytes()).ends_with(&path));
    }
}
