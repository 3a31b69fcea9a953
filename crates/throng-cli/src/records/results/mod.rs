//! `--results`: what commands say in files, and all that is known of them in tables. Knows which
//! kind was asked for; each is one file.

mod table;
mod tree;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::{Context, ensure};
use throng::{Outcome, Stream};

pub(crate) use self::table::Table;
pub(crate) use self::tree::Tree;
pub(crate) use self::tree::{Files, LONGEST_NAME, with_ending};
use super::joblog::BEFORE;
use super::jsonl;
use super::kept::{self, Kept, Kind as Record, Place};
use crate::options::output::FilesWanted;
use crate::records::note::Note;
use crate::records::target::Target;
use crate::shell::Shell;
use crate::sys;
use crate::template::{Pattern, PlaceholderSyntax};
use crate::values::Columns;

/// Where results go, as it was asked for.
#[derive(Debug)]
pub(crate) enum Results {
    /// A file for each stream of each command.
    Tree(Tree),
    /// A line for each command, in this file.
    Lines(Lines),
}

/// One file with something for each command.
#[derive(Debug)]
pub(crate) struct Lines {
    shape: Shape,
    kept: Kept,
}

#[derive(Debug)]
enum Shape {
    Table(Table),
    Jsonl,
}

/// What `--results` has been given, before anything is opened.
#[derive(Debug)]
pub(crate) struct Wanted {
    target: Target,
    kind: Kind,
    columns: Columns,
    files: FilesWanted,
}

#[derive(Debug)]
enum Kind {
    Tree,
    Pattern(Pattern),
    Separated(u8),
    Jsonl,
}

impl Kind {
    /// What one file with something for each command is known again by.
    fn record(&self) -> Record {
        match self {
            Kind::Separated(separator) => {
                let byte = |byte| if byte == b'\t' { *separator } else { byte };
                Record {
                    name: "table of results",
                    begins: vec![BEFORE.bytes().map(byte).collect()],
                }
            }
            _ => Record {
                name: "file of results",
                begins: vec![jsonl::BEGIN.into()],
            },
        }
    }
}

impl Wanted {
    /// Reads `[+]DIR`, `[+]FILE.csv`, a name with places, and so on.
    pub(crate) fn parse(
        text: &OsStr,
        language: &PlaceholderSyntax,
        columns: &Columns,
        files: Option<FilesWanted>,
    ) -> anyhow::Result<Wanted> {
        let target = Target::parse(text)?;
        let lower = text.to_string_lossy().to_ascii_lowercase();
        let ending = lower.rsplit_once('.').map_or("", |(_, ending)| ending);
        let pattern = Pattern::parse(target.path.as_os_str(), language, columns)?;
        let kind = match ending {
            _ if pattern.has_placeholders() => Kind::Pattern(pattern),
            "csv" => Kind::Separated(b','),
            "tsv" => Kind::Separated(b'\t'),
            "json" | "jsonl" => Kind::Jsonl,
            _ => Kind::Tree,
        };
        let is_table = matches!(kind, Kind::Separated(_) | Kind::Jsonl);
        ensure!(
            files.is_none() || !is_table,
            "--results-files is for a directory, or a name with placeholders"
        );
        Ok(Wanted {
            target,
            kind,
            columns: columns.clone(),
            files: files.unwrap_or_default(),
        })
    }

    /// As it was given, without the `+`.
    pub(crate) fn name(&self) -> String {
        self.target.path.display().to_string()
    }

    /// The stream of ours that a table or lines go to: stdout for `-.csv` and so on, and either
    /// where it is the same file.
    pub(crate) fn stream(&self) -> Option<Stream> {
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
    pub(crate) fn is_tree(&self) -> bool {
        matches!(self.kind, Kind::Tree | Kind::Pattern(_))
    }

    /// Fails where the job log would be written to the same file.
    pub(crate) fn refuse_path(&self, joblog: &Target) -> anyhow::Result<()> {
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

    /// The tree, where it is one.
    pub(crate) fn tree(&self) -> Option<Tree> {
        match &self.kind {
            Kind::Tree => {
                let root = self.target.path.clone();
                Some(Tree::below(root, self.columns.clone(), self.files))
            }
            Kind::Pattern(pattern) => {
                let fixed = sys::os_string(pattern.fixed_directory().to_vec()).ok()?;
                Some(Tree::as_noted(
                    fixed.into(),
                    pattern.ends_with_slash(),
                    self.files,
                ))
            }
            Kind::Separated(_) | Kind::Jsonl => None,
        }
    }

    /// Whether what is there is kept, without --resume.
    pub(crate) fn appends(&self) -> bool {
        self.target.appends
    }

    /// Whether what is there shows for certain which commands have been run. The files of a name
    /// with places do so by their number: stderr of `a` has the name of stdout of `a.err`.
    pub(crate) fn shows_what_was_run(&self) -> bool {
        match &self.kind {
            Kind::Tree => true,
            Kind::Pattern(pattern) => self.files == FilesWanted::All || pattern.ends_with_slash(),
            _ => false,
        }
    }

    /// The name with places, if it is one, and the files that are wanted.
    pub(crate) fn pattern(&self) -> Option<(Pattern, FilesWanted)> {
        match &self.kind {
            Kind::Pattern(pattern) => Some((pattern.clone(), self.files)),
            _ => None,
        }
    }

    /// Opens what is to be written. `resumes` says that what is there is kept.
    pub(crate) fn open(self, shell: Option<Shell>, resumes: bool) -> anyhow::Result<Results> {
        let keeps = resumes || self.target.appends;
        if let Some(mut tree) = self.tree() {
            tree.prepare(keeps)?;
            return Ok(Results::Tree(tree));
        }
        let stream = self.stream();
        let path = self.target.path;
        let context = || format!("cannot write --results {}", path.display());
        let to = match stream {
            Some(stream) => Place::Ours(stream),
            None => {
                let record = self.kind.record();
                record.refuse_others("--results", &path)?;
                Place::File(open(&path, keeps, &record).with_context(context)?)
            }
        };
        let is_new = match &to {
            Place::File(file) => file.metadata().with_context(context)?.len() == 0,
            Place::Ours(_) => true,
        };
        let shape = match self.kind {
            Kind::Separated(separator) => {
                Shape::Table(Table::new(separator, shell, self.columns, is_new))
            }
            _ => Shape::Jsonl,
        };
        Ok(Results::Lines(Lines {
            shape,
            kept: Kept::new("--results", path, to),
        }))
    }
}

/// Opens a table, or lines, at the end; what is there and not to be kept is kept aside.
fn open(path: &Path, keeps: bool, record: &Record) -> io::Result<File> {
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
    kept::keep_aside("--results", path, record)?;
    open()
}

impl Lines {
    /// The stream of ours that they go to, if so.
    pub(crate) fn stream(&self) -> Option<Stream> {
        self.kept.stream()
    }

    /// What comes before the first line, if it is still to be written.
    pub(crate) fn take_head(&mut self, note: &Note) -> Option<Vec<u8>> {
        match &mut self.shape {
            Shape::Table(table) => table.take_head(note.values.len()),
            Shape::Jsonl => None,
        }
    }

    pub(crate) fn line(&self, outcome: &Outcome, note: &Note) -> anyhow::Result<Vec<u8>> {
        match &self.shape {
            Shape::Table(table) => Ok(table.row(outcome, note)),
            Shape::Jsonl => {
                let mut line = Vec::new();
                jsonl::write(&mut line, outcome, note)
                    .context("what was spilled cannot be read back")?;
                Ok(line)
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.kept.write(bytes)
    }

    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.kept.flush()
    }
}
