//! Files: our own and where they are, and the kernel's, which are read from their beginning.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The file systems that are memory, by linux/magic.h: tmpfs (and /dev, which reports the same),
/// ramfs, hugetlbfs.
const IN_MEMORY: [u32; 3] = [0x0102_1994, 0x8584_58f6, 0x9584_58f6];

/// The error code for a lack of memory.
pub(crate) const OUT_OF_MEMORY: i32 = libc::ENOMEM;

/// Reads at a position; that of the file itself does not matter.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(buffer, at)
}

/// Whether this is a lack of something that becomes free when processes end.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let exhausted = [
        libc::EAGAIN,
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOMEM,
        libc::ENOSPC,
    ];
    // The bound on a directory in memory has no error number.
    error.kind() == io::ErrorKind::StorageFull
        || error
            .raw_os_error()
            .is_some_and(|errno| exhausted.contains(&errno))
}

/// Whether a file could not be opened because there are too many, or for lack of memory.
pub(crate) fn is_want_of_files(error: &io::Error) -> bool {
    let want = [libc::EMFILE, libc::ENFILE, libc::ENOMEM];
    error
        .raw_os_error()
        .is_some_and(|errno| want.contains(&errno))
}

/// Directories for temporary files, the preferred first: that of `TMPDIR`, or /tmp; and /var/tmp,
/// which is meant for large files (file-hierarchy(7)) and is on a disk even if /tmp is not.
pub(crate) fn temporary_dirs() -> Vec<PathBuf> {
    vec![std::env::temp_dir(), PathBuf::from("/var/tmp")]
}

/// Whether files in this directory are in memory. What is beneath an overlay, or a block device
/// that is memory itself, cannot be seen.
pub(crate) fn is_in_memory(dir: &Path) -> bool {
    // How wide the type is, and whether it has a sign, depends on the processor.
    rustix::fs::statfs(dir).is_ok_and(|stat| IN_MEMORY.contains(&(stat.f_type as u32)))
}

/// The beginning of a file, up to this many bytes: others may decide what the kernel writes there.
pub(crate) fn read_start(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_in_memory_is_distinguished_from_others() {
        assert!(!is_in_memory(Path::new("/proc")), "no files are kept there");
        assert!(!is_in_memory(Path::new("/is/not/there")));
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let mounts = mounts.lines().map(|line| line.split(' ').collect());
        let mounts: Vec<Vec<&str>> = mounts.collect();
        for mount in &mounts {
            // The topmost mount is the one that is seen.
            let seen = mounts.iter().rfind(|other| other[1] == mount[1]);
            let is_tmpfs = seen.is_some_and(|seen| seen[2] == "tmpfs");
            let place = Path::new(mount[1]);
            if is_tmpfs && rustix::fs::statfs(place).is_ok() {
                assert!(is_in_memory(place), "{mount:?}");
            }
        }
    }
}
