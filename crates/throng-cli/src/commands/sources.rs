//! The sources of a run: which words are the command, and where values or data come from.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::commands::batching::Batching;
use crate::commands::pipe::PipeOptions;
use crate::input::combine::{Combined, Linking};
use crate::input::rows::Reading;
use crate::input::words::{Given, Separators, Source, split_words};
use crate::options::input::Link;
use crate::options::{self, Run};
use crate::values::Columns;
use crate::{sys, terminal};

/// The sources of a run, opened, with their headers read.
pub(crate) struct Input {
    /// The command, as it was written.
    pub(crate) words: Vec<OsString>,
    pub(super) origin: Origin,
    columns: Columns,
    pub(super) batching: Batching,
    reads_stdin: bool,
}

/// What records are made of.
pub(super) enum Origin {
    Values(Combined),
    /// Blocks of these files, or of stdin.
    Data(PipeOptions, Vec<PathBuf>),
}

impl Input {
    /// Opens the sources of this command line.
    pub(crate) fn open(args: &Run) -> anyhow::Result<Input> {
        let options = &args.input;
        let separators = Separators::new(options)?;
        // If values come from a `*` in a shell, these are names in the current directory.
        let is_file = |word: &OsStr| Path::new(word).symlink_metadata().is_ok();
        let words = args.words.clone();
        let (words, sources) = split_words(words, &options.arg_files, &separators, is_file)?;
        let reads_stdin = sources.iter().any(|given| given.source == Source::Stdin);
        if reads_stdin && std::io::stdin().is_terminal() {
            if args.output.tty {
                bail!(
                    "--tty: stdin is the terminal, and commands read from it; give values with \
                     ::: VALUE... or :::: FILE"
                );
            }
            warn_of_terminal();
        }
        if let Some(pipe) = PipeOptions::new(args)? {
            let files = files_only(sources)?;
            return Ok(Input {
                words,
                origin: Origin::Data(pipe, files),
                columns: Columns::new(Some(0)),
                batching: Batching::default(),
                reads_stdin,
            });
        }
        let reading = Reading::new(options)?;
        let batching = Batching::new(options)?;
        let (mut combined, mut columns) = Combined::open(sources, &reading, linking(options))?;
        if options.no_run_if_empty {
            combined.drop_blank();
        }
        if options.shuf {
            combined.shuffle(options.seed)?;
        }
        if columns.mislead() {
            terminal::warn(format_args!(
                "--header: a number in braces is a position, {{1}} that of the first column, \
                 though columns are called {}",
                columns.listed()
            ));
        }
        let unnamed = columns.unnamed();
        if !unnamed.is_empty() {
            terminal::warn(format_args!(
                "--header: no placeholder names {}: {{N}} is the column at position N",
                unnamed.join(", ")
            ));
        }
        if reading.splits() && columns.count().is_none() {
            columns = columns.counted(combined.peek_width());
        }
        Ok(Input {
            words,
            origin: Origin::Values(combined),
            columns,
            batching,
            reads_stdin,
        })
    }

    /// No command and no values.
    pub(crate) fn none() -> Input {
        Input {
            words: Vec::new(),
            origin: Origin::Values(Combined::empty()),
            columns: Columns::default(),
            batching: Batching::default(),
            reads_stdin: false,
        }
    }

    /// The columns that placeholders of a command can name.
    pub(crate) fn columns(&self) -> Columns {
        self.batching.columns(&self.columns)
    }

    /// How combinations go into the commands.
    pub(crate) fn packing(&self) -> crate::template::Packing {
        self.batching.packing()
    }

    /// Whether values that no placeholder names are appended.
    pub(crate) fn appends(&self) -> bool {
        self.batching.appends() && !self.is_data()
    }

    /// Whether values come from our stdin.
    pub(crate) fn reads_stdin(&self) -> bool {
        self.reads_stdin
    }

    /// Whether commands get data on stdin and no values.
    pub(crate) fn is_data(&self) -> bool {
        matches!(self.origin, Origin::Data(..))
    }
}

/// The files among the sources; stdin is one of them.
fn files_only(sources: Vec<Given>) -> anyhow::Result<Vec<PathBuf>> {
    let path = |given: Given| match given.source {
        Source::File(path) => Ok(path),
        Source::Stdin => Ok("-".into()),
        Source::List(_) => bail!("--pipe takes its data from stdin or files, not from a list"),
    };
    sources.into_iter().map(path).collect()
}

fn warn_of_terminal() {
    terminal::warn(format_args!(
        "values are read from the terminal until {}",
        sys::END_OF_INPUT
    ));
}

fn linking(options: &options::input::Input) -> Linking {
    match options.link {
        None => Linking::ByWord,
        Some(Link::Equal) => Linking::Equal,
        Some(Link::Recycle) => Linking::Recycle,
        Some(Link::Shortest) => Linking::Shortest,
    }
}
