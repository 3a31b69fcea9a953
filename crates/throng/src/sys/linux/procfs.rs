//! What /proc says of other processes (proc(5)). Knows nothing of who they are to us.
//!
//! Every look is at a process that may be gone by then, or another; so what is found is told with
//! the time of its start, which together with its id names it for good.

use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, readlinkat_raw, statat};
use rustix::io::Errno;

use crate::Holder;

/// What a file of /proc is read into at first; most are smaller.
const BUFFER: usize = 16 * 1024;

/// /proc, open, and a buffer for what is read there.
#[derive(Debug)]
pub(super) struct Procfs {
    root: OwnedFd,
    buffer: Vec<u8>,
}

/// A process, and never the next one with its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) pid: u32,
    /// In ticks since the machine has started.
    pub(super) started: u64,
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) name: Name,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) is_over: bool,
    pub(super) is_stopped: bool,
}

impl Procfs {
    pub(super) fn open() -> io::Result<Procfs> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, "/proc", flags, Mode::empty())?;
        // An empty directory is no /proc.
        openat(&root, "self", flags, Mode::empty())?;
        Ok(Procfs {
            root,
            buffer: vec![0; BUFFER],
        })
    }

    /// All processes that are to be seen, in no order.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.numbers(".")
    }

    /// The directory of a process, which stands for this one and no other as long as it is open.
    pub(super) fn directory(&self, pid: u32) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(&self.root, pid.to_string(), flags, Mode::empty())
    }

    /// Whether this id is that of a process, and not that of one of its other threads, which the
    /// directory has but does not list.
    pub(super) fn is_process(&mut self, pid: u32) -> bool {
        let status = self.read(&format!("{pid}/status")).unwrap_or_default();
        let mut lines = status.split(|byte| *byte == b'\n');
        let leader = lines.find_map(|line| line.strip_prefix(b"Tgid:"));
        leader.is_some_and(|leader| number(leader) == pid)
    }

    /// The entries of a directory that are numbers.
    pub(super) fn numbers(&self, path: &str) -> Vec<u32> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(&self.root, path, flags, Mode::empty());
        let Ok(dir) = opened.and_then(Dir::new) else {
            return Vec::new();
        };
        dir.flatten()
            .filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok())
            .collect()
    }

    /// All of a file; nothing when it is gone, or not for us.
    fn read(&mut self, path: &str) -> Result<&[u8], Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.root, path, flags, Mode::empty())?;
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
            match rustix::io::read(&file, &mut self.buffer[filled..]) {
                Ok(0) => return Ok(&self.buffer[..filled]),
                Ok(n) => filled += n,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The environment that a process was started with; empty for one that is over, and for those
    /// that do not tell us.
    pub(super) fn environment(&mut self, pid: u32) -> &[u8] {
        self.read(&format!("{pid}/environ")).unwrap_or_default()
    }

    /// What `/proc/PID/cgroup` says.
    pub(super) fn control_group(&mut self, pid: u32) -> &[u8] {
        self.read(&format!("{pid}/cgroup")).unwrap_or_default()
    }

    /// None when there is no such process.
    pub(super) fn stat(&mut self, pid: u32) -> Option<Stat> {
        parse_stat(pid, self.read(&format!("{pid}/stat")).ok()?)
    }

    /// Whether it is still there, and not only its exit status.
    pub(super) fn is_live(&mut self, name: Name) -> bool {
        self.stat(name.pid)
            .is_some_and(|stat| stat.name == name && !stat.is_over)
    }

    /// The children of a process, whichever of its threads has started them.
    pub(super) fn children(&mut self, pid: u32) -> Vec<u32> {
        let mut children = Vec::new();
        for thread in self.numbers(&format!("{pid}/task")) {
            children.append(&mut self.children_of_thread(pid, thread));
        }
        children
    }

    /// The children that one thread has started, or that came to it when their parent ended.
    pub(super) fn children_of_thread(&mut self, pid: u32, thread: u32) -> Vec<u32> {
        let list = self.read(&format!("{pid}/task/{thread}/children"));
        let words = list
            .unwrap_or_default()
            .split(|byte| byte.is_ascii_whitespace());
        words
            .filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
            .collect()
    }

    /// The id that was given last.
    pub(super) fn last_pid(&mut self) -> u32 {
        let load = self.read("loadavg").unwrap_or_default();
        let last = load.rsplit(|byte| *byte == b' ').next();
        number(last.unwrap_or_default())
    }

    /// Ids are below this.
    pub(super) fn pid_max(&mut self) -> u32 {
        number(self.read("sys/kernel/pid_max").unwrap_or_default())
    }

    /// Whether the kernel tells of children at all.
    pub(super) fn lists_children(&mut self) -> bool {
        self.read("thread-self/children").is_ok()
    }

    /// Its command line, program first; empty for one that is over or has none.
    pub(super) fn command_line(&mut self, pid: u32) -> Vec<OsString> {
        let line = self.read(&format!("{pid}/cmdline")).unwrap_or_default();
        let line = line.strip_suffix(b"\0").unwrap_or(line);
        if line.is_empty() {
            return Vec::new();
        }
        line.split(|byte| *byte == 0)
            .map(|arg| OsStr::from_bytes(arg).to_owned())
            .collect()
    }

    /// Calls this with each descriptor of a process that is a pipe, and with the pipe's inode.
    pub(super) fn each_pipe(&mut self, pid: u32, mut found: impl FnMut(u32, u64)) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = format!("{pid}/fd");
        let Ok(dir) = openat(&self.root, path, flags, Mode::empty()) else {
            return;
        };
        let Ok(entries) = Dir::read_from(&dir) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if let Some(inode) = pipe_inode(&dir, name)
                && let Some(fd) = name.to_str().ok().and_then(|name| name.parse().ok())
            {
                found(fd, inode);
            }
        }
    }

    /// Whether this descriptor of a process is an end of this pipe that can be written to. The
    /// permissions of the link are those of the descriptor (proc(5)).
    pub(super) fn is_writing_end(&self, pid: u32, fd: u32, inode: u64) -> bool {
        let path = format!("{pid}/fd/{fd}");
        let link = statat(&self.root, &path, AtFlags::SYMLINK_NOFOLLOW);
        let may_write = link.is_ok_and(|link| Mode::from(link.st_mode).contains(Mode::WUSR));
        let path = std::ffi::CString::new(path).unwrap_or_default();
        may_write && pipe_inode(&self.root, &path) == Some(inode)
    }

    /// A process as the user is told of it.
    pub(super) fn describe(&mut self, name: Name) -> Holder {
        Holder {
            pid: name.pid,
            argv: self.command_line(name.pid),
            started: self.started_at(name),
        }
    }

    /// When a process was started, as far as the clock has not been set since.
    pub(super) fn started_at(&self, name: Name) -> Option<SystemTime> {
        let per_second = rustix::param::clock_ticks_per_second();
        let since_boot =
            Duration::from_millis(name.started.saturating_mul(1000) / per_second.max(1));
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let up = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
        SystemTime::now().checked_sub(up.checked_sub(since_boot)?)
    }
}

/// 0 where there is none.
fn number(text: &[u8]) -> u32 {
    let text = std::str::from_utf8(text.trim_ascii());
    text.ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn pipe_inode(dir: impl AsFd, link: &CStr) -> Option<u64> {
    let mut buffer = [0; 32];
    let length = readlinkat_raw(dir, link, &mut buffer).ok()?;
    let inode = buffer[..length]
        .strip_prefix(b"pipe:[")?
        .strip_suffix(b"]")?;
    std::str::from_utf8(inode).ok()?.parse().ok()
}

fn parse_stat(pid: u32, text: &[u8]) -> Option<Stat> {
    // The program's name before it, in parentheses, may contain anything.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(end + 2..)?).ok()?;
    // The fields of proc_pid_stat(5) from the third on: state, parent, group, then others until
    // threads (20) and the time of the start (22).
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let threads: u32 = fields.nth(14)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    Some(Stat {
        name: Name { pid, started },
        parent,
        group,
        // Its first thread may have ended before the others.
        is_over: matches!(state, "Z" | "X") && threads <= 1,
        is_stopped: state == "T",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_ourselves_is_true() {
        let mut procfs = Procfs::open().unwrap();
        let own = std::process::id();
        assert!(procfs.pids().contains(&own));
        let stat = procfs.stat(own).unwrap();
        let parent = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
        assert_eq!(stat.parent, parent as u32);
        assert!(procfs.is_live(stat.name));
        let argv: Vec<_> = std::env::args_os().collect();
        assert_eq!(procfs.command_line(own), argv);
        let started = procfs.started_at(stat.name).unwrap();
        assert!(started <= SystemTime::now(), "{started:?}");
        let other = Name {
            started: stat.name.started + 1,
            ..stat.name
        };
        assert!(!procfs.is_live(other), "it is another with the same id");
    }

    #[test]
    fn a_program_may_have_any_name() {
        let text = b"7 (a) Z (b) 1 2) S 3 5 6 0 -1 4 9 9 9 9 9 9 9 9 20 0 1 0 4242 1 1";
        let stat = parse_stat(7, text).unwrap();
        assert_eq!((stat.parent, stat.group, stat.is_over), (3, 5, false));
        assert_eq!(
            stat.name,
            Name {
                pid: 7,
                started: 4242
            }
        );
        assert_eq!(parse_stat(7, b"7 (a"), None);
        assert_eq!(parse_stat(7, b"7 (a) S 1 2"), None);
    }
}
