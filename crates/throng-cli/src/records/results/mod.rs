//! `--results`: the output of commands in files of their own, or everything about them in one file.

mod claims;
mod table;
mod tree;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::{Context, ensure};
use throng::Stream;

use super::append_file::{AppendFile, Format, Kind, Place, Target, keep_aside};
use super::{joblog, jsonl};
use crate::options::output::FilesWanted;
use crate::shell::Shell;
use crate::sys;
use crate::template::{Pattern, PlaceholderSyntax};
use crate::values::Columns;

pub(crate) use self::claims::ResultsExist;
pub(super) use self::claims::{Claims, is_of_a_name};
pub(super) use self::table::Table;
pub(super) use self::tree::Tree;

const OPTION: &str = "--results";

/// The argument of `--results`.
#[derive(Debug)]
pub(super) struct ResultsSpec {
    target: Target,
    layout: Layout,
    columns: Columns,
    files: FilesWanted,
}

/// How results are laid out in files.
#[derive(Debug)]
enum Layout {
    /// A directory for each command, below one that was given.
    Tree,
    /// Files for each command, at a path with placeholders.
    Pattern(Pattern),
    /// One file with a row for each command, and this separator.
    Table(u8),
    /// One file with an object for each command.
    Jsonl,
}

impl ResultsSpec {
    /// Parses `[+]DIR`, `[+]FILE.csv`, a path with placeholders, and so on.
    pub(super) fn parse(
        text: &OsStr,
        language: &PlaceholderSyntax,
        columns: &Columns,
        files: Option<FilesWanted>,
    ) -> anyhow::Result<ResultsSpec> {
        let target = Target::parse(text)?;
        let lower = text.to_string_lossy().to_ascii_lowercase();
        let ending = lower.rsplit_once('.').map_or("", |(_, ending)| ending);
        let pattern = Pattern::parse(target.path.as_os_str(), language, columns)?;
        let layout = match ending {
            _ if pattern.has_placeholders() => Layout::Pattern(pattern),
            "csv" => Layout::Table(b','),
            "tsv" => Layout::Table(b'\t'),
            "json" | "jsonl" => Layout::Jsonl,
            _ => Layout::Tree,
        };
        let spec = ResultsSpec {
            target,
            layout,
            columns: columns.clone(),
            files: files.unwrap_or_default(),
        };
        ensure!(
            files.is_none() || spec.is_tree(),
            "--results-files is for a directory, or a name with placeholders"
        );
        Ok(spec)
    }

    /// The path as it was given, without the `+`.
    pub(super) fn name(&self) -> String {
        self.target.path.display().to_string()
    }

    /// Our stdout for `-.csv` and so on, and our stdout or stderr where the one file is the same.
    pub(super) fn stream(&self) -> Option<Stream> {
        let path = &self.target.path;
        let is_dash =
            path.file_stem() == Some(OsStr::new("-")) && path.parent() == Some(Path::new(""));
        match is_dash {
            _ if self.is_tree() => None,
            true => Some(Stream::Stdout),
            false => self.target.stream(),
        }
    }

    /// Whether there are files for each command.
    pub(super) fn is_tree(&self) -> bool {
        matches!(self.layout, Layout::Tree | Layout::Pattern(_))
    }

    /// Fails if the job log would be written to the same file.
    pub(super) fn refuse_path(&self, joblog: &Target) -> anyhow::Result<()> {
        let [ours, log] = [&self.target, joblog].map(|target| {
            let path = fs::canonicalize(&target.path);
            path.or_else(|_| std::path::absolute(&target.path)).ok()
        });
        ensure!(
            self.is_tree() || ours != log || joblog.stream().is_some(),
            "--results {0} and --joblog {0} are the same file: name two",
            self.name()
        );
        Ok(())
    }

    /// Where the files of each command are, if each has its own.
    pub(super) fn tree(&self) -> Option<Tree> {
        match &self.layout {
            Layout::Tree => {
                let root = self.target.path.clone();
                Some(Tree::below(root, self.columns.clone(), self.files))
            }
            Layout::Pattern(pattern) => {
                let fixed = sys::os_string(pattern.fixed_directory().to_vec()).ok()?;
                let in_directories = pattern.ends_with_slash();
                Some(Tree::at_paths(fixed.into(), in_directories, self.files))
            }
            Layout::Table(_) | Layout::Jsonl => None,
        }
    }

    /// Whether results that exist are kept, without --resume too.
    pub(super) fn appends(&self) -> bool {
        self.target.appends
    }

    /// Whether results that exist show reliably which commands have been run. At a path with
    /// placeholders it is their `seq` file that does: the stderr of `a` has the same path as the
    /// stdout of `a.err`.
    pub(super) fn shows_what_was_run(&self) -> bool {
        match &self.layout {
            Layout::Tree => true,
            Layout::Pattern(pattern) => self.files == FilesWanted::All || pattern.ends_with_slash(),
            _ => false,
        }
    }

    /// The path with placeholders, if it is one, and the files that are wanted.
    pub(super) fn pattern(&self) -> Option<(Pattern, FilesWanted)> {
        match &self.layout {
            Layout::Pattern(pattern) => Some((pattern.clone(), self.files)),
            _ => None,
        }
    }

    /// Opens the one file. `resumes`: its content is kept.
    pub(super) fn open(self, shell: Option<Shell>, resumes: bool) -> anyhow::Result<AppendFile> {
        let keeps = resumes || self.target.appends;
        let stream = self.stream();
        let path = self.target.path;
        let context = || format!("cannot write --results {}", path.display());
        let (to, is_new) = match stream {
            Some(stream) => (Place::Stream(stream), true),
            None => {
                let kind = self.layout.kind();
                kind.refuse_others(OPTION, &path)?;
                let file = open_file(&path, keeps, &kind).with_context(context)?;
                let is_new = file.metadata().with_context(context)?.len() == 0;
                (Place::File(file), is_new)
            }
        };
        let format = match self.layout {
            Layout::Table(separator) => Format::Table(Table::new(separator, shell, self.columns)),
            _ => Format::Jsonl,
        };
        Ok(AppendFile::new(OPTION, path, to, format, is_new))
    }
}

impl Layout {
    /// How the one file begins.
    fn kind(&self) -> Kind {
        match self {
            Layout::Table(separator) => {
                let byte = |byte| if byte == b'\t' { *separator } else { byte };
                Kind {
                    name: "table of results",
                    begins: vec![joblog::BEFORE.bytes().map(byte).collect()],
                }
            }
            _ => Kind {
                name: "file of results",
                begins: vec![jsonl::BEGIN.into()],
            },
        }
    }
}

/// Opens a file to append to it. The file of an earlier run is renamed first, unless it is kept.
fn open_file(path: &Path, keeps: bool, kind: &Kind) -> io::Result<File> {
    let open = || {
        let mut options = sys::file_options();
        sys::open_for_writing(path, options.create(true).append(true))
    };
    let file = open()?;
    let metadata = file.metadata()?;
    if keeps || !metadata.is_file() || metadata.len() == 0 {
        return Ok(file);
    }
    drop(file);
    keep_aside(OPTION, path, kind)?;
    open()
}
