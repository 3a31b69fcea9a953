//! Finds the processes of one test by files that they keep open exclusively.
//!
//! Windows does not report the command lines of other processes. So a child that is given a tag
//! creates a file in the tag's directory, named by its process id, without sharing it. As long as
//! opening that file is a sharing violation, the process runs.

use std::fs::{self, File};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use windows_sys::Win32::Foundation::ERROR_SHARING_VIOLATION;

use super::event::Event;
use crate::unique::unique;

/// A tag on processes, to find those of one test and to end them when it is over.
#[derive(Debug)]
pub struct Tag {
    name: String,
    end: Event,
}

impl Tag {
    /// A tag that nothing else in the system has.
    ///
    /// When its directory cannot be created.
    ///
    /// When there can be no directory for it.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Tag {
        let name = format!("throng-tag-{}", unique());
        fs::create_dir(dir(&name)).expect("a temporary directory can be made");
        let end = Event::create(&name);
        Tag { name, end }
    }

    /// What the child does when it is given a tag: shows that it runs, and ends when the test is
    /// over. A tag whose test has ended is ignored.
    ///
    /// # Panics
    ///
    /// When the file cannot be created.
    pub fn bear(name: &str) {
        let Some(end) = Event::open(name) else {
            return;
        };
        let path = dir(name).join(process::id().to_string());
        // Another process may be checking whether a process that had our id still runs.
        let mut file = lock(&path);
        while file.as_ref().is_err_and(is_shared_out) {
            thread::yield_now();
            file = lock(&path);
        }
        std::mem::forget(file.expect("the file can be made"));
        thread::spawn(move || {
            end.wait();
            process::exit(99);
        });
    }

    /// The processes that run with this tag.
    pub fn pids(&self) -> Vec<u32> {
        let entries = fs::read_dir(dir(&self.name)).expect("it is there until we are dropped");
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut pids: Vec<u32> = paths.filter_map(|path| pid_of_live(&path)).collect();
        pids.sort_unstable();
        pids
    }
}

fn dir(name: &str) -> PathBuf {
    env::temp_dir().join(name)
}

fn lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    options.share_mode(0).open(path)
}

fn is_shared_out(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_SHARING_VIOLATION as i32)
}

fn pid_of_live(path: &Path) -> Option<u32> {
    let is_live = File::open(path).as_ref().is_err_and(is_shared_out);
    let pid = path.file_name()?.to_str()?.parse().ok()?;
    is_live.then_some(pid)
}

impl std::fmt::Display for Tag {
    /// The step to put on a command line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tag:{}", self.name)
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        self.end.set();
        // The directory can be removed when no process has a file in it open. If a process does not
        // end in spite of this, the test has already shown that, if it was about that.
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.pids().is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = fs::remove_dir_all(dir(&self.name));
    }
}
