//! How much memory there is: what the machine has, or what our control group may use if that is
//! less; and what this process may still request.

use std::path::{Path, PathBuf};

use super::file::read_start;
use rustix::process::{Resource, getrlimit};

/// At most this much is read of a file: all of them have only a few lines.
const MOST: u64 = 64 * 1024;

/// The size of a page. Asked of libc: rustix reads the auxiliary vector for it, and cannot handle
/// valgrind's.
pub(crate) fn page_size() -> usize {
    // SAFETY: an integer.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(64 * 1024)
}

/// Where control groups are mounted, version 2 or the memory controller of version 1.
const ROOTS: [(&str, &str, &str); 2] = [
    ("", "/sys/fs/cgroup", "memory.max"),
    ("memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
];

pub(crate) fn memory_limit() -> Option<u64> {
    let own = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let groups = ROOTS.iter().filter_map(|(controller, root, file)| {
        group_of(&own, controller).and_then(|group| limit_of(Path::new(root), group, file))
    });
    groups.chain(physical()).min()
}

fn read(path: &Path) -> Option<String> {
    String::from_utf8(read_start(path, MOST).ok()?).ok()
}

/// The group of a line "hierarchy:controllers:/path" of cgroups(7). Version 2 names no controller.
fn group_of<'a>(own: &'a str, controller: &str) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let has_it = parts.next()?.split(',').any(|name| name == controller);
        parts.next().filter(|_| has_it)
    })
}

/// The least of the limits of a group and those that it is in. "max" is no limit, and in a
/// container that sees only a part of the tree the path may lead nowhere.
fn limit_of(root: &Path, group: &str, file: &str) -> Option<u64> {
    let dir: PathBuf = root.join(group.trim_start_matches('/'));
    let within = dir.ancestors().take_while(|dir| dir.starts_with(root));
    let limits = within.filter_map(|dir| {
        let text = read(&dir.join(file))?;
        text.trim().parse().ok()
    });
    limits.min()
}

fn physical() -> Option<u64> {
    let text = read(Path::new("/proc/meminfo"))?;
    value_of(&text, "MemTotal:")
}

/// How much more this process may request, if that is limited: address space, or memory that can be
/// written, which `RLIMIT_DATA` has limited since kernel 4.7 (setrlimit(2)). If /proc does not show
/// it what it has already, the result is the limit itself.
pub(crate) fn memory_left() -> Option<u64> {
    let status = read(Path::new("/proc/self/status")).unwrap_or_default();
    let left = |limit: Resource, used: &str| {
        let limit = getrlimit(limit).current?;
        Some(limit.saturating_sub(value_of(&status, used).unwrap_or(0)))
    };
    let limits = [
        left(Resource::As, "VmSize:"),
        left(Resource::Data, "VmData:"),
    ];
    limits.into_iter().flatten().min()
}

/// The bytes of a line "name: n kB".
fn value_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_control_group_is_found_in_either_version() {
        let both = "12:cpu,memory:/a/b\n1:name=systemd:/x\n0::/user.slice/c:d\n";
        assert_eq!(group_of(both, ""), Some("/user.slice/c:d"));
        assert_eq!(group_of(both, "memory"), Some("/a/b"));
        assert_eq!(group_of("0::/\n", "memory"), None);
    }

    #[test]
    fn values_are_read_as_the_kernel_writes_them() {
        let status = "Name:\tx\nVmSize:\t    2048 kB\nVmData:\t       3 kB\n";
        assert_eq!(value_of(status, "VmSize:"), Some(2 << 20));
        assert_eq!(value_of(status, "VmData:"), Some(3 << 10));
        assert_eq!(value_of(status, "VmRSS:"), None);
    }

    #[test]
    fn the_lowest_limit_of_all_ancestors_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("a/b");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit_of(root.path(), "/a/b", "memory.max"), None);
        fs::write(root.path().join("a/memory.max"), "4096\n").unwrap();
        fs::write(root.path().join("memory.max"), "8192\n").unwrap();
        assert_eq!(limit_of(root.path(), "/a/b", "memory.max"), Some(4096));
        assert_eq!(
            limit_of(root.path(), "/not/there", "memory.max"),
            Some(8192)
        );
    }
}
