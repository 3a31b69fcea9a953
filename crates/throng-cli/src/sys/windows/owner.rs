//! The owners of files. On Windows nothing is refused: each user has a temporary directory of their
//! own, symbolic links need a privilege, and who may write a file is in access control lists, which
//! std does not read.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Why the content of a file may come from another user.
pub(crate) fn foreign(_: &Metadata) -> Option<String> {
    None
}

/// Options of files that we write.
pub(crate) fn file_options() -> OpenOptions {
    OpenOptions::new()
}

/// Makes directories, with those above them.
pub(crate) fn directory_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    builder
}

/// Opens a file that we write.
pub(crate) fn open_for_writing(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.open(path)
}

/// Opens a file for reading without waiting.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Makes this directory and those above it, where they are missing.
pub(crate) fn create_directories(path: &Path) -> io::Result<()> {
    directory_builder().create(path)
}
