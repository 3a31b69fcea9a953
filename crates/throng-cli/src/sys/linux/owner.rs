//! Whose a file is, and how one is opened for writing where others may have put a symbolic link in
//! its place. The kernel has rules for that (`fs.protected_symlinks`, `fs.protected_regular`,
//! sysctl/fs.rst), but only in directories with the sticky bit, and they can be off.
//!
//! The directories on the way to a file are looked at before it is opened, so whoever can replace
//! one of them in between is not noticed; the last name is decided by `open` itself.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Files that we write can be read back as a list of commands, so nobody else gets to write them,
/// whatever the umask allows.
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

/// Why what is in a file, or in a directory, may come from somebody else; none where only the user
/// and root can write it.
///
/// A group may write it if its number is the owner's: many systems give each user such a group, and
/// with it a umask of 002.
pub(crate) fn foreign(metadata: &Metadata) -> Option<String> {
    foreign_to(
        rustix::process::geteuid().as_raw(),
        metadata.uid(),
        metadata.gid(),
        metadata.mode(),
    )
}

fn foreign_to(user: u32, uid: u32, gid: u32, mode: u32) -> Option<String> {
    let mode = mode & 0o7777;
    if is_of_another(user, uid) {
        Some(format!("it belongs to another user (uid {uid})"))
    } else if mode & 0o002 != 0 {
        Some(format!("every user can write to it (mode {mode:03o})"))
    } else if mode & 0o020 != 0 && uid != gid {
        Some(format!("group {gid} can write to it (mode {mode:03o})"))
    } else {
        None
    }
}

fn is_of_another(user: u32, uid: u32) -> bool {
    uid != user && uid != 0
}

/// Options of files that nobody else can write when they are made.
pub(crate) fn file_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE_MODE);
    options
}

/// Makes directories, with those above them, that nobody else can write to.
pub(crate) fn directory_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(DIRECTORY_MODE);
    builder
}

/// Opens a file that we write. Where others can put something beside it, a symbolic link is not
/// followed and a file of another user is not written.
pub(crate) fn open_for_writing(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    refuse_planted_links(directory_of(path))?;
    if !is_shared(directory_of(path))? {
        return options.open(path);
    }
    let nofollow = OFlags::NOFOLLOW.bits().cast_signed();
    let file = match options.custom_flags(nofollow).open(path) {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(io::Error::other(
                "it is a symbolic link in a directory where others can create files",
            ));
        }
        file => file?,
    };
    let uid = file.metadata()?.uid();
    if is_of_another(rustix::process::geteuid().as_raw(), uid) {
        return Err(io::Error::other(format!(
            "it belongs to another user (uid {uid}), in a directory where others can create files"
        )));
    }
    Ok(file)
}

/// Opens a file for reading without waiting: for the other end of a pipe, say.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Makes this directory and those above it, where they are missing.
pub(crate) fn create_directories(path: &Path) -> io::Result<()> {
    refuse_planted_links(path)?;
    directory_builder().create(path)
}

/// Refuses a directory that is, or that is below, a symbolic link of another user.
fn refuse_planted_links(path: &Path) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    for directory in path.ancestors() {
        let is_planted = fs::symlink_metadata(directory)
            .is_ok_and(|link| link.is_symlink() && is_of_another(user, link.uid()));
        if is_planted && is_shared(directory_of(directory))? {
            return Err(io::Error::other(format!(
                "{} is a symbolic link of another user",
                directory.display()
            )));
        }
    }
    Ok(())
}

/// Whether others can create files in this directory.
fn is_shared(directory: &Path) -> io::Result<bool> {
    fs::metadata(directory).map(|metadata| foreign(&metadata).is_some())
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn files_writable_by_others_are_foreign() {
        let is_foreign = |user, uid, gid, mode| foreign_to(user, uid, gid, mode).is_some();
        for (uid, gid, mode, expected) in [
            (1000, 1000, 0o100_644, false),
            (1000, 1000, 0o100_664, false),
            (1000, 100, 0o100_664, true),
            (1000, 100, 0o100_646, true),
            (1000, 1000, 0o100_666, true),
            (0, 0, 0o100_644, false),
            (0, 0, 0o041_777, true),
            (1001, 1001, 0o100_600, true),
        ] {
            assert_eq!(is_foreign(1000, uid, gid, mode), expected, "{uid} {mode:o}");
        }
        // root trusts no other user.
        assert!(is_foreign(0, 1000, 1000, 0o100_600));
        let why = foreign_to(0, 1000, 1000, 0o100_600).unwrap();
        assert_eq!(why, "it belongs to another user (uid 1000)");
    }

    fn shared_directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o1777)).unwrap();
        directory
    }

    fn open(path: &Path) -> io::Result<File> {
        open_for_writing(path, file_options().write(true).create(true))
    }

    #[test]
    fn a_link_is_followed_in_a_private_directory_but_not_in_a_shared_one() {
        for (directory, is_followed) in [
            (tempfile::tempdir().unwrap(), true),
            (shared_directory(), false),
        ] {
            let [link, target] = ["link", "target"].map(|name| directory.path().join(name));
            symlink(&target, &link).unwrap();
            assert_eq!(open(&link).is_ok(), is_followed);
            assert_eq!(target.exists(), is_followed, "nothing is created either");
            assert!(open(&directory.path().join("file")).is_ok());
        }
    }

    #[test]
    fn files_we_create_are_not_writable_by_others() {
        let directory = tempfile::tempdir().unwrap();
        let file = open(&directory.path().join("file")).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o022, 0);
        let below = directory.path().join("a/b");
        create_directories(&below).unwrap();
        assert_eq!(fs::metadata(&below).unwrap().mode() & 0o022, 0);
    }
}
