//! Results as a tree of directories, as GNU parallel lays it out: `DIR/1/VALUE/2/VALUE/` with
//! `stdout`, `stderr` and `seq`, or at a path with placeholders.
//!
//! `stdout` is written last, so that a command whose `stdout` is there has been run to its end.
//! Commands with the same values would write to the same path: the later ones get one beside it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use throng::{Outcome, Stream};

use crate::options::output::FilesWanted;
use crate::records::chunks;
use crate::records::job_info::JobInfo;
use crate::values::Columns;
use crate::{links, sys, text};

/// The longest name that file systems take, in bytes here and in UTF-16 on Windows.
pub(crate) const LONGEST_NAME: usize = 255;

/// The digits of the largest number.
const DIGITS_MAX: u64 = 20;

#[derive(Debug)]
pub(crate) struct Tree {
    paths: Paths,
    files: FilesWanted,
    /// Whether other users could have made links where files are written, so that each file is
    /// opened with care.
    is_shared: bool,
    /// Hashes of the paths that this run has written to.
    written: HashSet<u64>,
}

#[derive(Debug)]
enum Paths {
    /// Names of columns and values below this.
    Below { root: PathBuf, columns: Columns },
    /// The path in each command's [`JobInfo`], below this. No two commands have the same.
    Given {
        fixed: PathBuf,
        /// Whether each path is a directory.
        in_directories: bool,
    },
}

/// The three files of one command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) stdout: PathBuf,
    pub(crate) stderr: PathBuf,
    pub(crate) seq: PathBuf,
}

impl Tree {
    pub(super) fn below(root: PathBuf, columns: Columns, files: FilesWanted) -> Tree {
        Tree::new(Paths::Below { root, columns }, files)
    }

    pub(super) fn at_paths(fixed: PathBuf, in_directories: bool, files: FilesWanted) -> Tree {
        let paths = Paths::Given {
            fixed,
            in_directories,
        };
        Tree::new(paths, files)
    }

    fn new(paths: Paths, files: FilesWanted) -> Tree {
        Tree {
            paths,
            files,
            is_shared: true,
            written: HashSet::new(),
        }
    }

    /// Makes the root. One that holds something already is another run's, unless it is `kept`.
    pub(crate) fn prepare(&mut self, kept: bool) -> anyhow::Result<()> {
        let Paths::Below { root, .. } = &self.paths else {
            return Ok(());
        };
        let name = || format!("--results {}", root.display());
        sys::create_directories(root).with_context(|| format!("cannot make {}", name()))?;
        let mut entries = fs::read_dir(root).with_context(|| format!("cannot read {}", name()))?;
        if !kept && entries.next().is_some() {
            bail!(
                "{} holds results already: --resume runs what is missing in it, \
                 --results +{} adds to it",
                name(),
                root.display()
            );
        }
        let probe = root.join(".throng-can-write-here");
        fs::create_dir(&probe)
            .and_then(|()| fs::remove_dir(&probe))
            .with_context(|| format!("cannot write to {}", name()))?;
        self.is_shared = foreign(root).is_some();
        Ok(())
    }

    /// Fails where the root is there and others could have written in it.
    pub(crate) fn check_owner(&self, option: &str) -> anyhow::Result<()> {
        let Paths::Below { root, .. } = &self.paths else {
            return Ok(());
        };
        match foreign(root) {
            Some(why) => bail!("--results {}: {}", root.display(), goes_by_it(&why, option)),
            None => Ok(()),
        }
    }

    /// Whether the results of a command with these values are there. `option` goes by that, unless
    /// somebody insists.
    pub(crate) fn has(&self, info: &JobInfo, option: Option<&str>) -> anyhow::Result<bool> {
        let files = self.paths.files(info, false)?;
        let has_all = match &self.paths {
            Paths::Given {
                in_directories: false,
                ..
            } => files.are_of_one_command(),
            _ => true,
        };
        let stdout = files.stdout;
        if !stdout.is_file() || !has_all {
            return Ok(false);
        }
        if let (Some(option), Some(why)) = (option, foreign(&stdout)) {
            bail!(
                "--results {}: {}",
                stdout.display(),
                goes_by_it(&why, option)
            );
        }
        Ok(true)
    }

    pub(crate) fn write(&mut self, outcome: &Outcome, info: &JobInfo) -> anyhow::Result<()> {
        let mut files = self.paths.files(info, false)?;
        match &self.paths {
            Paths::Given { fixed, .. } => {
                for file in [&files.stdout, &files.stderr, &files.seq] {
                    links::refuse_links_out(fixed, file).with_context(|| {
                        format!("cannot write --results {}", text::quoted_name(file))
                    })?;
                }
            }
            Paths::Below { .. } => {
                if !self.written.insert(hash(&sys::folded_path(&files.stdout))) {
                    files = self.paths.files(info, true)?;
                }
            }
        }
        let context = |path: &Path| format!("cannot write --results {}", text::quoted_name(path));
        let directory = files.stdout.parent().unwrap_or(Path::new("."));
        match self.is_shared {
            true => sys::create_directories(directory),
            false => sys::directory_builder().create(directory),
        }
        .with_context(|| context(directory))?;
        if self.files == FilesWanted::All {
            let number = info.number.to_string();
            self.create(&files.seq)
                .and_then(|mut file| file.write_all(number.as_bytes()))
                .with_context(|| context(&files.seq))?;
        }
        self.write_stderr(&files.stderr, outcome)
            .with_context(|| context(&files.stderr))?;
        self.write_stream(&files.stdout, outcome, Stream::Stdout)
            .with_context(|| context(&files.stdout))
    }

    fn write_stderr(&self, path: &Path, outcome: &Outcome) -> io::Result<()> {
        let is_empty = outcome.capture().len(Stream::Stderr) == 0;
        if self.files == FilesWanted::All || !is_empty {
            return self.write_stream(path, outcome, Stream::Stderr);
        }
        // That of an earlier run would be taken for that of this one.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn write_stream(&self, path: &Path, outcome: &Outcome, stream: Stream) -> io::Result<()> {
        let mut file = self.create(path)?;
        chunks::for_each(outcome.capture(), stream, |piece| file.write_all(piece))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let mut options = sys::file_options();
        options.write(true).create(true).truncate(true);
        match self.is_shared {
            true => sys::open_for_writing(path, &mut options),
            false => options.open(path),
        }
    }
}

/// Why another user could have written this file.
fn foreign(path: &Path) -> Option<String> {
    sys::foreign(&fs::metadata(path).ok()?)
}

fn goes_by_it(why: &str, option: &str) -> String {
    format!("{why}, and {option} would go by what is there (--trust-joblog insists)")
}

impl Paths {
    /// Where a command's files are; `beside` that when an earlier command has them.
    fn files(&self, info: &JobInfo, beside: bool) -> anyhow::Result<Files> {
        let mark = beside.then_some(info.number);
        let Paths::Below { root, columns } = self else {
            return Files::of_path(&info.path);
        };
        let mut directory = root.clone();
        let named = |(index, value)| (columns.name(index), value);
        let mut parts: Vec<_> = info.values.iter().enumerate().map(named).collect();
        parts.sort_by(|(a, _), (b, _)| by_number_then_name(a, b));
        for (n, (name, value)) in parts.iter().enumerate() {
            let mark = mark.filter(|_| n + 1 == parts.len());
            directory.push(file_name(name, None));
            directory.push(file_name(value, mark));
        }
        Ok(Files::in_directory(&directory))
    }
}

impl Files {
    /// Those of a command with this path: a file and what is beside it, or a directory.
    pub(crate) fn of_path(path: &[u8]) -> anyhow::Result<Files> {
        let is_directory = path.last() == Some(&b'/');
        let path = PathBuf::from(sys::os_string(path.to_vec())?);
        Ok(if is_directory {
            Files::in_directory(&path)
        } else {
            Files {
                stderr: with_ending(&path, ".err"),
                seq: with_ending(&path, ".seq"),
                stdout: path,
            }
        })
    }

    /// Whether all three are there, and the number is one: files of other values may have the name
    /// of one or two of these.
    fn are_of_one_command(&self) -> bool {
        let is_number = |text: String| text.parse::<u64>().is_ok();
        self.stderr.is_file()
            && fs::metadata(&self.seq).is_ok_and(|seq| seq.is_file() && seq.len() <= DIGITS_MAX)
            && fs::read_to_string(&self.seq).is_ok_and(is_number)
    }

    fn in_directory(directory: &Path) -> Files {
        Files {
            stdout: directory.join("stdout"),
            stderr: directory.join("stderr"),
            seq: directory.join("seq"),
        }
    }
}

/// A path with something added to its last name.
pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(OsStr::new(ending));
    name.into()
}

/// Orders names that are numbers by their value; others count as 0, and are ordered as bytes.
fn by_number_then_name(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let number = |name: &[u8]| {
        let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
        str::from_utf8(&name[..digits])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0_u64)
    };
    number(a).cmp(&number(b)).then_with(|| a.cmp(b))
}

/// A value as the name of a directory: bytes that cannot be in one are escaped, and one that is too
/// long is shortened and made unique by a hash.
fn file_name(value: &[u8], beside: Option<u64>) -> OsString {
    let mut name = sys::escaped_name(value);
    let mark = beside.map_or_else(String::new, |number| {
        format!("{}#{number}", char::from(sys::ESCAPE))
    });
    if name.len() + mark.len() > LONGEST_NAME {
        let hash = format!("{}~{:016x}", char::from(sys::ESCAPE), hash(value));
        let mut end = LONGEST_NAME - mark.len() - hash.len();
        // Not in the middle of a character.
        while name[end] & 0xc0 == 0x80 && end > 200 {
            end -= 1;
        }
        name.truncate(end);
        name.extend_from_slice(hash.as_bytes());
    }
    name.extend_from_slice(mark.as_bytes());
    sys::os_string(name).unwrap_or_else(|_| format!("{:016x}", hash(value)).into())
}

/// FNV-1a. Names are made of it, so it has to be the same in every version of this program.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn different_values_have_different_valid_file_names(
            a in prop::collection::vec(any::<u8>(), 0..8),
            b in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let names = [file_name(&a, None), file_name(&b, None)];
            prop_assert_eq!(a == b, names[0] == names[1]);
            for name in names {
                let path = Path::new("x").join(&name).join("y");
                let parts: Vec<_> = path.components().map(|part| part.as_os_str()).collect();
                prop_assert_eq!(&parts, &[OsStr::new("x"), &name, OsStr::new("y")]);
            }
        }

        #[test]
        fn long_values_have_short_names_that_differ(text in "[aé/]{300}", other in "[ab]") {
            let a = file_name(format!("{text}{other}").as_bytes(), None);
            let b = file_name(format!("{text}!").as_bytes(), Some(7));
            prop_assert!(a.len() <= LONGEST_NAME && b.len() <= LONGEST_NAME);
            prop_assert_ne!(a, b);
        }
    }

    #[test]
    fn the_tree_is_sorted_by_the_names_of_the_columns() {
        let bytes = |names: [&str; 4]| names.map(|name| name.as_bytes().to_vec()).to_vec();
        let columns = Columns::named(bytes(["10", "2", "b", "a"]));
        let info = JobInfo {
            number: 1,
            values: bytes(["x", "y", "z", "w"]),
            sent: None,
            path: Vec::new(),
            fate: crate::fate::Fate::Succeeded,
        };
        let files = Tree::below("r".into(), columns, FilesWanted::All)
            .paths
            .files(&info, false)
            .unwrap();
        let parts = ["r", "a", "w", "b", "z", "2", "y", "10", "x", "stdout"];
        assert_eq!(files.stdout, parts.iter().collect::<PathBuf>());
    }

    #[test]
    fn a_name_with_placeholders_is_a_file_or_a_directory() {
        let files = |path: &str| Files::of_path(path.as_bytes()).unwrap();
        let names = |files: Files| [files.stdout, files.stderr, files.seq];
        let expected = ["my_v", "my_v.err", "my_v.seq"].map(PathBuf::from);
        assert_eq!(names(files("my_v")), expected);
        assert_eq!(files("my_v/").seq, Path::new("my_v/seq"));
    }
}
