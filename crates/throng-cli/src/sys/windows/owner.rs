//! Whose a file is. Windows has no directory that every user writes to and programs use by default
//! (each has a temporary directory of their own), symbolic links need a privilege, and what others
//! may do is told by access control lists, which std does not read: so nothing is refused here.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Why what is in a file may come from somebody else.
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
