//! Where our own control group (version 2) is: the mount and our path below it, as /proc says them.
//!
//! Knows nothing of what is done there. What /proc says is a parameter, so that a machine without
//! control groups is a test like any other.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::sys::base::linux::file::read_start;

/// At most this much is read of the list of mounts: a process that may mount in our namespace can
/// make it long (100,000 of them by default, `fs.mount-max`). A mount beyond this is not found.
const MOST: u64 = 16 << 20;

/// The directory of the group that we are in, or why there is none.
pub(crate) fn own_group() -> Result<PathBuf, String> {
    let read =
        |path: &str| read_start(Path::new(path), MOST).map_err(|error| format!("{path}: {error}"));
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

/// Blanks and their kin are written as `\040`.
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
    fn a_machine_without_version_2_is_told_why() {
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
