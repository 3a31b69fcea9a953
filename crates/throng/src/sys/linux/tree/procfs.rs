//! What /proc contains about other processes (proc(5)). Knows nothing of trees.
//!
//! A process may be gone when it is looked at, and another may have its id; so what is found comes
//! with the time of its start, which together with the id identifies it for good.
//!
//! What is read is controlled by other processes: a process can present an environment and a
//! command line of gigabytes (`PR_SET_MM_MAP` of prctl(2)), and have any number of children,
//! threads and descriptors. So nothing is read into memory that grows, and every read has a limit.
//! What lies beyond a limit is missed; the comment on each limit names it.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, readlinkat_raw, statat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use super::cookie::{JobId, RunId};
use crate::sys::base::linux::above_stdio;
use crate::sys::base::linux::clock;

/// How many descriptors are kept for a time when there are no others.
const SPARES: usize = 4;

/// How much is read at once.
const BUFFER: usize = 64 * 1024;

/// At most this much is read of a file of a few lines or words: `stat`, `status`, `loadavg`.
const SHORT_MAX: usize = 4096;

/// At most this much is read of a command line; the rest is not shown.
const COMMAND_LINE_MAX: usize = 4096;

/// At most this much is read of `cgroup`: a line for each hierarchy, each with a path of less than
/// 4 KiB (PATH_MAX).
const CONTROL_GROUP_MAX: usize = BUFFER;

/// At most this much is read of an environment: arguments and environment together are not larger
/// when a program is started (three quarters of `_STK_LIM`, `bprm_stack_limits` in the kernel's
/// fs/exec.c). A process that presents more has moved it there itself, and is missed as if its
/// environment were empty.
const ENVIRON_MAX: usize = 6 << 20;

/// A process that was started less than this ago may still be loading its program.
const YOUNG: Duration = Duration::from_secs(1);

/// At most this much is read of a list of children: at least 500,000 of them. Others are missed by
/// this look, and seen by the next one when those have ended.
const CHILDREN_MAX: usize = 4 << 20;

/// At most this many threads, or descriptors, of one process are looked at; children of the other
/// threads are missed, and pipes behind the other descriptors.
const ENTRIES_MAX: usize = 1 << 16;

/// The maximum number of processes (PID_MAX_LIMIT, proc_sys_kernel(5)).
const PIDS_MAX: usize = 1 << 22;

/// At most this many of the ids that were assigned since a time are looked at one by one.
pub(super) const NEW_MAX: u32 = 2048;

/// /proc, open, and a buffer for what is read there.
#[derive(Debug)]
pub(super) struct Procfs {
    root: OwnedFd,
    /// Descriptors that are given up for looks when all others are in use, and taken again later:
    /// processes must be found even then. One pins a process, one is for a look at it, and others
    /// may be taken by whatever else of this program waits for a descriptor.
    spares: RefCell<Vec<OwnedFd>>,
    spares_max: usize,
    /// Whether something could not be looked at because descriptors or memory had run out.
    is_starved: Cell<bool>,
    buffer: Box<[u8]>,
    /// How many bytes have been read.
    #[cfg(test)]
    total: usize,
}

/// A process, and never the next one with its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProcessKey {
    pub(crate) pid: u32,
    /// In ticks since the machine has started.
    pub(crate) started: u64,
}

/// What `/proc/PID/stat` contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) key: ProcessKey,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    pub(crate) is_over: bool,
    pub(crate) is_stopped: bool,
}

/// The ids that are assigned from some time on.
///
/// A process that forks, leaves its parent and goes on in the child is never there when it is
/// looked at, but its successor is among the processes that were started since. Ids are assigned in
/// turn, and the kernel shows the last one. Where it does not, or when ids start over, nothing is
/// found here, and the next look at all processes has to suffice.
#[derive(Debug)]
pub(super) struct NewPids {
    last: u32,
}

impl NewPids {
    pub(super) fn from_now_on(procfs: &mut Procfs) -> NewPids {
        NewPids {
            last: procfs.last_pid(),
        }
    }

    /// The ids that were assigned since the last call, the newest first. If there are more than
    /// [`NEW_MAX`], the oldest of them are missed.
    pub(super) fn ids(&mut self, procfs: &mut Procfs) -> impl Iterator<Item = u32> + use<> {
        let last = procfs.last_pid();
        let before = std::mem::replace(&mut self.last, last);
        let begin = before.saturating_add(1).max(last.saturating_sub(NEW_MAX));
        (begin..=last).rev()
    }
}

impl Procfs {
    /// Opens /proc, if it is that of our own process namespace. In another namespace's /proc an id
    /// means another process, and a signal would go to an unrelated one: so in a namespace that was
    /// made without a /proc of its own, there is none.
    pub(super) fn open() -> io::Result<Procfs> {
        let mut procfs = Procfs::at(Path::new("/proc"))?;
        if !procfs.is_of(std::process::id()) {
            let why = "/proc is that of another process namespace, or empty";
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        Ok(procfs)
    }

    pub(super) fn at(root: &Path) -> io::Result<Procfs> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, root, flags, Mode::empty())?;
        Ok(Procfs::new(above_stdio(root), SPARES))
    }

    /// The same /proc for another thread, which needs one descriptor for a look, and one more while
    /// a process is pinned.
    pub(super) fn share(&self) -> io::Result<Procfs> {
        Ok(Procfs::new(fcntl_dupfd_cloexec(&self.root, 3)?, 2))
    }

    fn new(root: OwnedFd, spares_max: usize) -> Procfs {
        let procfs = Procfs {
            spares: RefCell::default(),
            spares_max,
            root,
            is_starved: Cell::new(false),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            #[cfg(test)]
            total: 0,
        };
        procfs.keep_spares();
        procfs
    }

    fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut opened = openat(&self.root, path, flags, Mode::empty());
        if opened.as_ref().is_err_and(|errno| *errno == Errno::MFILE) {
            drop(self.spares.borrow_mut().pop());
            opened = openat(&self.root, path, flags, Mode::empty());
        } else {
            self.keep_spares();
        }
        if matches!(opened, Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM)) {
            self.is_starved.set(true);
        }
        opened
    }

    /// Takes spare descriptors again that were given up, and returns whether all are there. To be
    /// called from time to time, while there are descriptors.
    pub(super) fn keep_spares(&self) -> bool {
        let mut spares = self.spares.borrow_mut();
        while spares.len() < self.spares_max
            && let Ok(spare) = fcntl_dupfd_cloexec(&self.root, 3)
        {
            spares.push(spare);
        }
        spares.len() == self.spares_max
    }

    /// Whether anything could not be looked at since the last call because descriptors or memory
    /// had run out. It may be there all the same.
    pub(super) fn was_starved(&self) -> bool {
        self.is_starved.take()
    }

    /// Whether we have this id here, and no other in a namespace within this one: `NSpid` lists our
    /// ids from the namespace of this /proc on (proc_pid_status(5), since 4.1). Without that line
    /// the link has to suffice, which could be right only by coincidence.
    fn is_of(&mut self, own: u32) -> bool {
        let mut buffer = [0; 16];
        let link = readlinkat_raw(&self.root, c"self", &mut buffer);
        if link.map_or(0, |length| number(&buffer[..length])) != own {
            return false;
        }
        // The list of our groups comes before that line, and may be long.
        let status = self.read("self/status", BUFFER).unwrap_or_default();
        let mut lines = status.split(|byte| *byte == b'\n');
        let ids = lines.find_map(|line| line.strip_prefix(b"NSpid:"));
        ids.is_none_or(|ids| number(ids) == own)
    }

    /// All visible processes, in no particular order.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.numbers(".", PIDS_MAX)
    }

    /// The directory of a process, which refers to this process and no other as long as it is open.
    pub(super) fn directory(&self, pid: u32) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.open_at(&pid.to_string(), flags)
    }

    /// The entries of a directory that are numbers, up to this many.
    fn numbers(&self, path: &str, most: usize) -> Vec<u32> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(dir) = self.open_at(path, flags).and_then(Dir::new) else {
            return Vec::new();
        };
        dir.flatten()
            .filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok())
            .take(most)
            .collect()
    }

    /// The beginning of a file, up to this many bytes and [`BUFFER`]; an error when it is gone, or
    /// we may not read it.
    fn read(&mut self, path: &str, most: usize) -> Result<&[u8], Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = self.open_at(path, flags)?;
        let mut filled = 0;
        let most = most.min(self.buffer.len());
        while filled < most {
            match rustix::io::read(&file, &mut self.buffer[filled..most]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        #[cfg(test)]
        {
            self.total += filled;
        }
        Ok(&self.buffer[..filled])
    }

    /// Calls this with a file, piece by piece, until it has found what it looks for. At the end of
    /// the file the piece is empty, but not when the limit was reached.
    fn stream<T>(
        &mut self,
        path: &str,
        most: usize,
        mut look: impl FnMut(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = self.open_at(path, flags).ok()?;
        let mut left = most;
        while left > 0 {
            let size = left.min(self.buffer.len());
            let length = match rustix::io::read(&file, &mut self.buffer[..size]) {
                Ok(length) => length,
                Err(Errno::INTR) => continue,
                // The process has ended, or has become another program that we may not look at.
                Err(_) => return None,
            };
            left -= length;
            #[cfg(test)]
            {
                self.total += length;
            }
            let found = look(&self.buffer[..length]);
            if found.is_some() || length == 0 {
                return found;
            }
        }
        None
    }

    /// The job of this run that a process belongs to by its cookie. None if the process has ended,
    /// or does not let us read its environment.
    pub(super) fn job(&mut self, pid: u32, run: &RunId) -> Option<JobId> {
        let mut search = run.search();
        self.stream(&format!("{pid}/environ"), ENVIRON_MAX, |piece| {
            search.push(piece)
        })
    }

    /// Whether a process may be in the middle of an exec: it is young, and has no environment. The
    /// kernel says where the environment is only when the program is mapped (`create_elf_tables`
    /// in its fs/binfmt_elf.c); until then `environ` is empty.
    pub(super) fn may_be_loading(&mut self, key: ProcessKey) -> bool {
        age(key).unwrap_or_default() < YOUNG
            && self
                .read(&format!("{}/environ", key.pid), 1)
                .is_ok_and(<[u8]>::is_empty)
    }

    /// What `/proc/PID/cgroup` contains.
    pub(super) fn control_group(&mut self, pid: u32) -> &[u8] {
        self.read(&format!("{pid}/cgroup"), CONTROL_GROUP_MAX)
            .unwrap_or_default()
    }

    /// None when there is no such process.
    pub(super) fn stat(&mut self, pid: u32) -> Option<Stat> {
        parse_stat(pid, self.read(&format!("{pid}/stat"), SHORT_MAX).ok()?)
    }

    /// Whether it is still there, and not only its exit status.
    pub(super) fn is_live(&mut self, key: ProcessKey) -> bool {
        self.stat(key.pid)
            .is_some_and(|stat| stat.key == key && !stat.is_over)
    }

    /// Whether this is a process, and not a thread of one: threads have directories as well, which
    /// are not listed.
    pub(super) fn is_process(&mut self, pid: u32) -> bool {
        let status = self.read(&format!("{pid}/status"), SHORT_MAX);
        let mut lines = status.unwrap_or_default().split(|byte| *byte == b'\n');
        let id = lines.find_map(|line| line.strip_prefix(b"Tgid:"));
        id.is_some_and(|id| number(id) == pid)
    }

    /// Whether it runs as our user, as far as can be told without looking into it.
    pub(super) fn is_of_our_user(&self, pid: u32) -> bool {
        let dir = statat(&self.root, pid.to_string(), AtFlags::SYMLINK_NOFOLLOW);
        dir.is_ok_and(|dir| dir.st_uid == rustix::process::geteuid().as_raw())
    }

    /// The children of a process, whichever of its threads has started them.
    pub(super) fn children(&mut self, pid: u32) -> Vec<u32> {
        let mut children = Vec::new();
        for thread in self.numbers(&format!("{pid}/task"), ENTRIES_MAX) {
            children.append(&mut self.children_of_thread(pid, thread));
        }
        children
    }

    /// The children that one thread has started, or that came to it when their parent ended.
    pub(super) fn children_of_thread(&mut self, pid: u32, thread: u32) -> Vec<u32> {
        let (mut children, mut begun) = (Vec::new(), None);
        let path = format!("{pid}/task/{thread}/children");
        // Each number is followed by a blank; one that was cut at the limit is not.
        self.stream(&path, CHILDREN_MAX, |piece| {
            for byte in piece {
                match byte {
                    b'0'..=b'9' => {
                        let before: u32 = begun.unwrap_or(0);
                        begun = Some(before.wrapping_mul(10).wrapping_add((byte - b'0').into()));
                    }
                    _ => children.extend(begun.take()),
                }
            }
            None::<()>
        });
        children
    }

    /// The id that was given last.
    pub(super) fn last_pid(&mut self) -> u32 {
        let load = self.read("loadavg", SHORT_MAX).unwrap_or_default();
        let last = load.rsplit(|byte| *byte == b' ').next();
        number(last.unwrap_or_default())
    }

    /// Ids are below this.
    pub(super) fn pid_max(&mut self) -> u32 {
        number(
            self.read("sys/kernel/pid_max", SHORT_MAX)
                .unwrap_or_default(),
        )
    }

    /// Whether the kernel lists children at all.
    pub(super) fn lists_children(&mut self) -> bool {
        self.read("thread-self/children", SHORT_MAX).is_ok()
    }

    /// The beginning of its command line, program first; empty if the process has ended or has
    /// none.
    pub(super) fn command_line(&mut self, pid: u32) -> Vec<OsString> {
        let path = format!("{pid}/cmdline");
        let line = self.read(&path, COMMAND_LINE_MAX).unwrap_or_default();
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
        let opened = self.open_at(&format!("{pid}/fd"), flags);
        let Ok(mut dir) = opened.and_then(Dir::new) else {
            return;
        };
        for _ in 0..ENTRIES_MAX {
            let Some(Ok(entry)) = dir.read() else {
                return;
            };
            let name = entry.file_name();
            if let Ok(dir) = dir.fd()
                && let Some(inode) = pipe_inode(dir, name)
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

    /// When a process was started, as far as the clock has not been set since.
    pub(super) fn started_at(&self, key: ProcessKey) -> Option<SystemTime> {
        SystemTime::now().checked_sub(age(key)?)
    }
}

/// How long ago it was started, to a tick.
fn age(key: ProcessKey) -> Option<Duration> {
    let per_second = clock::ticks_per_second().max(1);
    let started = Duration::from_millis(key.started.saturating_mul(1000) / per_second);
    clock::since_boot().checked_sub(started)
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
    // The fields of proc_pid_stat(5) from the third on: state, parent, group, session, then others
    // until threads (20) and the time of the start (22).
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let threads: u32 = fields.nth(13)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    Some(Stat {
        key: ProcessKey { pid, started },
        parent,
        group,
        session,
        // Its first thread may have ended before the others.
        is_over: matches!(state, "Z" | "X") && threads <= 1,
        is_stopped: state == "T",
    })
}

#[cfg(test)]
mod tests;
