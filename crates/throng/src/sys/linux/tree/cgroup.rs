//! One control group (version 2), and all groups below it: their members, and their end; and where
//! our own group is.
//!
//! A group is named by its path, not by a descriptor: thousands of them may be there, and each is
//! looked at a few times. Looks and signals are best efforts, since the group, or its members,
//! may be gone by then. The kernel's interface is cgroups(7) and `Documentation/admin-guide/
//! cgroup-v2.rst`.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::procfs::Procfs;
use crate::sys::base::linux::file::read_start;

/// At most this much is read of a file of a few lines.
const SHORT_MAX: u64 = 4096;

/// At most this much is read of a list of members: at least 500,000 of them. The others are seen by
/// the next look, when those have ended.
const MEMBERS_MAX: u64 = 4 << 20;

/// At most this many groups are visited by one look.
const GROUPS_MAX: usize = 1 << 16;

/// At most this much is read of the list of mounts: a process that may mount in our namespace can
/// make it long (100,000 of them by default, `fs.mount-max`). A mount beyond this is not found.
const MOUNTS_MAX: u64 = 16 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// The group with this directory.
    pub(crate) fn at(path: PathBuf) -> Cgroup {
        Cgroup { path }
    }

    /// Makes a group of this name below this one.
    pub(crate) fn make(&self, name: &str) -> io::Result<Cgroup> {
        let path = self.path.join(name);
        fs::create_dir(&path)?;
        Ok(Cgroup { path })
    }

    /// The group of this name in it, if there is one.
    pub(crate) fn named(&self, name: &str) -> Cgroup {
        Cgroup::at(self.path.join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory, for a process that is to be started in the group.
    pub(crate) fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Whether processes may be put here, and into groups below.
    pub(crate) fn check(&self) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.procs())?;
        Ok(())
    }

    /// Whether it can have processes at all: it cannot where those above it are for threads.
    pub(crate) fn is_for_processes(&self) -> bool {
        let kind = read_start(&self.path.join("cgroup.type"), SHORT_MAX);
        kind.is_ok_and(|kind| kind.trim_ascii_end() == b"domain")
    }

    fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// Moves a process here, with all its threads; 0 is the caller.
    pub(crate) fn add(&self, pid: u32) -> io::Result<()> {
        let mut procs = OpenOptions::new().write(true).open(self.procs())?;
        procs.write_all(pid.to_string().as_bytes())
    }

    /// Its members.
    pub(crate) fn own_members(&self) -> Vec<u32> {
        let procs = read_start(&self.procs(), MEMBERS_MAX).unwrap_or_default();
        // A number that was cut off is another number. 0 is a process that is not in our own
        // process namespace.
        let whole = procs.split_inclusive(|byte| *byte == b'\n');
        let lines = whole.filter_map(|line| str::from_utf8(line.strip_suffix(b"\n")?).ok());
        let pids = lines.filter_map(|line| line.parse().ok());
        pids.filter(|pid| *pid != 0).collect()
    }

    /// Its members and those of the groups below.
    pub(crate) fn members(&self) -> Vec<u32> {
        let groups = self.tree(|_| true).into_iter();
        groups.flat_map(|group| group.own_members()).collect()
    }

    /// The groups that are in it.
    pub(crate) fn below(&self) -> impl Iterator<Item = Cgroup> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        dirs.map(|entry| Cgroup::at(entry.path()))
    }

    /// Kills all that are in it or below, and all that they start meanwhile (`cgroup.kill`, since
    /// 5.14). `false` where the kernel cannot.
    pub(crate) fn kill(&self) -> bool {
        let kill = OpenOptions::new()
            .write(true)
            .open(self.path.join("cgroup.kill"));
        kill.and_then(|mut kill| kill.write_all(b"1")).is_ok()
    }

    /// Whether any process in it or below is alive.
    pub(crate) fn is_populated(&self) -> bool {
        let events = read_start(&self.path.join("cgroup.events"), SHORT_MAX);
        events.is_ok_and(|events| {
            events
                .split(|b| *b == b'\n')
                .any(|line| line == b"populated 1")
        })
    }

    /// Removes it, if no process and no group is in it.
    pub(crate) fn remove(&self) -> bool {
        match fs::remove_dir(&self.path) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Removes it and all groups below that are empty.
    pub(crate) fn remove_all(&self) -> bool {
        for group in self.tree(|_| true).iter().rev() {
            group.remove();
        }
        !self.path.exists()
    }

    /// Whether a process is in it or below. The name of a run is unique; the path
    /// before it depends on what is mounted.
    pub(super) fn holds(&self, procfs: &mut Procfs, pid: u32) -> bool {
        let own: Vec<_> = self.path.iter().collect();
        let Some(run) = own.iter().rposition(|name| is_of_a_run(name)) else {
            return false;
        };
        let Some(path) = own_path(procfs.control_group(pid)) else {
            return false;
        };
        let path: Vec<_> = path.iter().collect();
        let own = &own[run..];
        path.windows(own.len()).any(|part| part == own)
    }

    /// Whether it is called as a run calls its own, or one that it has made for a process.
    pub(crate) fn is_ours(&self) -> bool {
        let is_number = |name: &OsStr| name.as_bytes().iter().all(u8::is_ascii_digit);
        let name = self.path.file_name();
        name.is_some_and(|name| is_of_a_run(name) || is_number(name))
    }

    /// This group, and all below it that are to be entered, each before those that are in it.
    /// Commands make groups as deep and as many as they like: beyond [`GROUPS_MAX`] the rest is
    /// left out.
    pub(crate) fn tree(&self, is_entered: impl Fn(&Cgroup) -> bool) -> Vec<Cgroup> {
        let mut tree = vec![self.clone()];
        let mut next = 0;
        while let Some(group) = tree.get(next).cloned() {
            let room = GROUPS_MAX.saturating_sub(tree.len());
            tree.extend(group.below().filter(&is_entered).take(room));
            next += 1;
        }
        tree
    }
}

/// What the groups of runs are called.
pub(crate) const PREFIX: &str = "throng-";

fn is_of_a_run(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX.as_bytes())
}

/// The directory of the group that we are in, or why there is none.
pub(crate) fn own_cgroup() -> Result<PathBuf, String> {
    let read = |path: &str| {
        read_start(Path::new(path), MOUNTS_MAX).map_err(|error| format!("{path}: {error}"))
    };
    let mounts = read("/proc/self/mountinfo")?;
    find(&mounts, &read("/proc/self/cgroup")?)
}

/// The same, from `mountinfo` (proc_pid_mountinfo(5)) and `cgroup` (cgroups(7)).
fn find(mounts: &[u8], own: &[u8]) -> Result<PathBuf, String> {
    let own = own_path(own).ok_or("we are in no control group of version 2 that we can see")?;
    let lines = mounts.split(|byte| *byte == b'\n');
    let roots: Vec<_> = lines.filter_map(mount).collect();
    if roots.is_empty() {
        return Err("no control groups of version 2 are mounted".into());
    }
    // Of several mounts the last covers the others.
    let dir = roots.into_iter().rev().find_map(|(root, place)| {
        let below = own.strip_prefix(root).ok()?;
        let is_root = below.as_os_str().is_empty();
        Some(if is_root { place } else { place.join(below) })
    });
    dir.ok_or_else(|| "our own control group is not below what is mounted".into())
}

/// The path of the line `0::/path`. One that leads out of what we may see (`/../other`) is none.
pub(crate) fn own_path(own: &[u8]) -> Option<&Path> {
    let mut lines = own.split(|byte| *byte == b'\n');
    let path = Path::new(OsStr::from_bytes(
        lines.find_map(|line| line.strip_prefix(b"0::"))?,
    ));
    let leads_out = path.components().any(|part| part == Component::ParentDir);
    (path.is_absolute() && !leads_out).then_some(path)
}

/// Root and place of a mount of version 2: `41 31 0:38 ROOT PLACE options... - cgroup2 ...`.
fn mount(line: &[u8]) -> Option<(PathBuf, PathBuf)> {
    let mut words = line.split(|byte| *byte == b' ');
    let root = words.nth(3)?;
    let place = words.next()?;
    words.find(|word| *word == b"-")?;
    (words.next()? == b"cgroup2").then(|| (unescaped(root), unescaped(place)))
}

/// White space and backslashes are written in octal, as `\040`.
fn unescaped(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = word;
    while let [first, after @ ..] = rest {
        let code = after.get(..3).filter(|_| *first == b'\\');
        let code = code.and_then(|code| str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_any_depth_and_number_are_handled() {
        let dir = tempfile::tempdir().unwrap();
        let mut deep = dir.path().to_owned();
        while deep.as_os_str().len() < 4000 {
            deep.push("d");
        }
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("cgroup.procs"), "7\n0\n8\n").unwrap();
        let group = Cgroup::at(dir.path().to_owned());
        // A shard has a stack of 2 MiB.
        let look = move || {
            let members = group.members();
            fs::remove_file(deep.join("cgroup.procs")).unwrap();
            (members, group.remove_all())
        };
        let thread = std::thread::Builder::new().stack_size(128 << 10);
        assert_eq!(
            thread.spawn(look).unwrap().join().unwrap(),
            (vec![7, 8], true)
        );
    }

    #[test]
    fn a_member_list_is_read_up_to_a_limit_and_no_number_is_split() {
        let dir = tempfile::tempdir().unwrap();
        let line = "12345678\n";
        let list = line.repeat(MEMBERS_MAX as usize / line.len() + 9);
        fs::write(dir.path().join("cgroup.procs"), list).unwrap();
        let members = Cgroup::at(dir.path().to_owned()).own_members();
        assert_eq!(members.len(), MEMBERS_MAX as usize / line.len());
        assert!(members.iter().all(|pid| *pid == 12_345_678));
    }

    const V1: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";

    fn find(mounts: &str, own: &str) -> Result<PathBuf, String> {
        super::find(mounts.as_bytes(), own.as_bytes())
    }

    #[test]
    fn our_group_is_found_wherever_version_2_is_mounted() {
        let both = format!("{V1}41 31 0:38 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 c rw\n");
        let own = "4:memory:/somewhere\n0::/user.slice/a b\n";
        let dir = PathBuf::from("/sys/fs/cgroup/unified/user.slice/a b");
        assert_eq!(find(&both, own), Ok(dir));
        let alone = "29 22 0:26 / /sys/fs/cgroup\\040two rw - cgroup2 cgroup2 rw\n";
        assert_eq!(find(alone, "0::/\n"), Ok("/sys/fs/cgroup two".into()));
        let part = "29 22 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            find(part, "0::/docker/1/x\n"),
            Ok("/sys/fs/cgroup/x".into())
        );
    }

    #[test]
    fn a_machine_without_version_2_gets_the_reason() {
        let refusals = [
            find(V1, "4:memory:/\n"),
            find(V1, "4:memory:/\n0::/\n"),
            find(
                "29 22 0:26 /docker/1 /c rw - cgroup2 c rw\n",
                "0::/docker/2\n",
            ),
            find("29 22 0:26 / /c rw - cgroup2 c rw\n", "0::/../other\n"),
            find("", ""),
        ];
        let said = refusals.map(Result::unwrap_err);
        assert!(said[0].contains("we are in no"), "{said:?}");
        assert!(said[1].contains("mounted"), "{said:?}");
        assert!(said[2].contains("not below"), "{said:?}");
        assert!(said[3].contains("we are in no"), "{said:?}");
    }
}
