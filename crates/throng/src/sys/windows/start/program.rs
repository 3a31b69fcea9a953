//! Finds the file of a program, so that `CreateProcessW` gets exactly what to run.
//!
//! Left to itself that function looks into the directory of our own program, then into the current
//! one, then into the system's, and only then along `PATH` (MSDN "CreateProcessW"): a program that
//! can leave a file in the current directory decides what runs. Here the current directory is never
//! searched, nor is ours.
//!
//! The search path comes first and the system's directories last: the other way around a command
//! could not be given another `find.exe` or `bash.exe` by its `PATH`, which is what people set it
//! for, what `cmd.exe` does and what Linux does. In the usual `PATH` the system's directories are
//! the first anyway; they are added for commands that have no `PATH`.
//!
//! `PATHEXT` is not asked: only images can be started without a shell. Batch files are found where
//! there is no image of that name anywhere, for `batch.rs` to judge. Not known here: whether a file
//! is an image at all, or may be executed.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::ErrorKind;
use std::os::windows::fs::MetadataExt;
use std::path::{self, Component, Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_DIRECTORY;

use crate::sys::base::windows::system_directory;

/// Why there is no program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Its name is empty.
    Empty,
    /// Its name contains a NUL, which would end it early.
    Nul,
    /// It is in no directory of the search path, and in none of the system's.
    NotInPath,
    /// There is nothing at this path.
    NotFound(PathBuf),
    /// There is a directory at this path.
    IsDirectory(PathBuf),
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lookup::Empty => f.write_str("its name is empty"),
            Lookup::Nul => f.write_str("its name contains a NUL byte"),
            Lookup::NotInPath => f.write_str("not found in PATH"),
            Lookup::NotFound(path) => write!(f, "{} does not exist", path.display()),
            Lookup::IsDirectory(path) => write!(f, "{} is a directory", path.display()),
        }
    }
}

/// The absolute path of a program: of a bare name along this search path, of all else from this
/// directory, or from ours where there is none.
pub(crate) fn find(
    program: &OsStr,
    path: Option<&OsStr>,
    dir: Option<&Path>,
) -> Result<PathBuf, Lookup> {
    if program.is_empty() {
        return Err(Lookup::Empty);
    }
    if program.as_encoded_bytes().contains(&0) {
        return Err(Lookup::Nul);
    }
    if is_bare(program) {
        search(program, path)
    } else {
        at_path(program, dir)
    }
}

/// Whether this names no directory, not even by a drive, so that it is searched for.
pub(crate) fn is_bare(program: &OsStr) -> bool {
    let has_separator = program.as_encoded_bytes().iter().any(is_separator);
    !has_separator && prefix(Path::new(program)).is_none()
}

/// Entries of the search path that are not absolute are skipped, the empty among them: they name
/// places that depend on the current directory. Marks around an entry let it contain a `;`.
fn search(program: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, Lookup> {
    let path = env::split_paths(path.unwrap_or_default());
    let mut dirs: Vec<PathBuf> = path.filter(|dir| dir.is_absolute()).collect();
    let system = system_directory();
    let windows = system.parent().map(Path::to_owned);
    dirs.push(system);
    dirs.extend(windows);
    let suffixes = Suffixes::of(program);
    for suffixes in [suffixes.of_images, suffixes.of_batch_files] {
        let candidates = dirs.iter().flat_map(|dir| {
            let path = dir.join(program);
            suffixes
                .iter()
                .map(move |suffix| with_suffix(&path, suffix))
        });
        let mut found = candidates.filter(|path| look(path) == Found::File);
        if let Some(found) = found.next() {
            return path::absolute(found).map_err(|_| Lookup::NotInPath);
        }
    }
    Err(Lookup::NotInPath)
}

/// A name without an extension that exists as it is comes last. Package managers of scripting
/// languages put a shell script without an extension next to the batch file that does the same,
/// and Windows can run only the latter.
fn at_path(program: &OsStr, dir: Option<&Path>) -> Result<PathBuf, Lookup> {
    let given = relative_to(dir, Path::new(program));
    // This also takes out `..`, and the dots and spaces at the end that the system ignores.
    let Ok(full) = path::absolute(&given) else {
        return Err(Lookup::NotFound(given));
    };
    let ends_in_separator = program.as_encoded_bytes().last().is_some_and(is_separator);
    if !ends_in_separator {
        let suffixes = Suffixes::of(program);
        for suffix in [suffixes.of_images, suffixes.of_batch_files, &[""]].concat() {
            let candidate = with_suffix(&full, suffix);
            // What we may not look at may be executed nevertheless; the start will show it.
            if matches!(look(&candidate), Found::File | Found::Denied) {
                return Ok(candidate);
            }
        }
    }
    match look(&full) {
        Found::Directory => Err(Lookup::IsDirectory(full)),
        _ => Err(Lookup::NotFound(full)),
    }
}

/// A path with a drive and no root (`C:a.exe`) counts from the directory if that is on this drive,
/// otherwise from what our own current directory on the drive is.
fn relative_to(dir: Option<&Path>, program: &Path) -> PathBuf {
    let Some(dir) = dir.and_then(|dir| path::absolute(dir).ok()) else {
        return program.to_owned();
    };
    let drive = prefix(program);
    if drive.is_some() && !program.has_root() && drive == prefix(&dir) {
        dir.join(program.components().skip(1).collect::<PathBuf>())
    } else {
        dir.join(program)
    }
}

/// What to try to put behind a name, in this order.
struct Suffixes {
    of_images: &'static [&'static str],
    of_batch_files: &'static [&'static str],
}

impl Suffixes {
    /// A dot at the end means that the name has no extension and is to get none: MSDN
    /// "CreateProcessW". What looks like an extension may be a part of the name: `python3.12`.
    fn of(program: &OsStr) -> Suffixes {
        let (of_images, of_batch_files): (&[_], &[_]) =
            if program.as_encoded_bytes().ends_with(b".") {
                (&[""], &[])
            } else if Path::new(program).extension().is_some() {
                (&["", ".exe"], &[])
            } else {
                (&[".exe", ".com"], &[".bat", ".cmd"])
            };
        Suffixes {
            of_images,
            of_batch_files,
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

#[derive(PartialEq, Eq)]
enum Found {
    File,
    Directory,
    Denied,
    Nothing,
}

/// Links are not followed: the aliases of Store apps (such as `python.exe` in `WindowsApps`) can be
/// started, but not opened. A link to a directory has the attribute of one.
fn look(path: &Path) -> Found {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.file_attributes() & FILE_ATTRIBUTE_DIRECTORY != 0 => {
            Found::Directory
        }
        Ok(_) => Found::File,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Found::Denied,
        Err(_) => Found::Nothing,
    }
}

/// The drive or share that a path begins with.
fn prefix(path: &Path) -> Option<Component<'_>> {
    let first = path.components().next();
    first.filter(|first| matches!(first, Component::Prefix(_)))
}

fn is_separator(byte: &u8) -> bool {
    matches!(byte, b'\\' | b'/')
}

#[cfg(test)]
mod tests;
