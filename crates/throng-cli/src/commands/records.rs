//! From the options and words of the command line to the records that commands are made of. Read
//! lazily, so that an endless source starts at once.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use throng::Stdin;

use crate::commands::batch::Batching;
use crate::commands::pipe::{Sent, Spread};
use crate::commands::recipe::Recipe;
use crate::input::combine::{Combined, Linking};
use crate::input::position::{At, Row};
use crate::input::rows::Reading;
use crate::input::words::{Given, Separators, Source, split_words};
use crate::options;
use crate::options::Run;
use crate::options::input::Link;
use crate::values::Columns;
use crate::values::Value;
use crate::{sys, terminal};

/// What one command is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// The values of all sources in their order; where several combinations go into one command,
    /// one combination after the other.
    pub(crate) values: Vec<Value>,
    /// How many of the values are one combination; 0: all.
    pub(crate) width: usize,
    /// What the command reads, where that is data of `--pipe`.
    pub(crate) stdin: Option<Stdin>,
    /// What it is sent there while it runs.
    pub(crate) sent: Option<Sent>,
    /// The number of its command, where that is not the next one.
    pub(crate) number: Option<u64>,
    /// Where the values were read.
    pub(crate) at: At,
}

impl From<Vec<Value>> for Record {
    fn from(values: Vec<Value>) -> Record {
        Record {
            values,
            ..Record::default()
        }
    }
}

impl From<Row> for Record {
    fn from(row: Row) -> Record {
        Record {
            values: row.values,
            at: row.at,
            ..Record::default()
        }
    }
}

/// The sources of a run, opened, with their headers read.
pub(crate) struct Input {
    /// The command, as it was written.
    pub(crate) words: Vec<OsString>,
    origin: Origin,
    columns: Columns,
    batching: Batching,
    reads_stdin: bool,
}

/// What records are made of.
enum Origin {
    Values(Combined),
    /// Blocks of these files, or of stdin.
    Data(Spread, Vec<PathBuf>),
}

impl Input {
    /// Opens the sources of this command line.
    pub(crate) fn open(args: &Run) -> anyhow::Result<Input> {
        let options = &args.input;
        let separators = Separators::new(options)?;
        // Where values come from a shell's `*`, these are names in the current directory.
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
        if let Some(spread) = Spread::new(args)? {
            let files = files_only(sources)?;
            return Ok(Input {
                words,
                origin: Origin::Data(spread, files),
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
        } else if options.seed.is_some() {
            bail!("--seed is for --shuf, which is not there");
        }
        if columns.mislead() {
            terminal::complain(format_args!(
                "--header: a number in braces is a position, {{1}} that of the first column, \
                 though columns are called {}",
                columns.listed()
            ));
        }
        let unnamed = columns.unnamed();
        if !unnamed.is_empty() {
            terminal::complain(format_args!(
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

    /// The columns that places of a command can name.
    pub(crate) fn columns(&self) -> Columns {
        self.batching.columns(&self.columns)
    }

    /// How combinations go into the commands.
    pub(crate) fn packing(&self) -> crate::template::Packing {
        self.batching.packing()
    }

    /// Whether values that no place names are appended.
    pub(crate) fn appends(&self) -> bool {
        self.batching.appends() && !self.is_data()
    }

    /// Whether it is our stdin that values come from.
    pub(crate) fn reads_stdin(&self) -> bool {
        self.reads_stdin
    }

    /// Whether commands get data on stdin and no values.
    pub(crate) fn is_data(&self) -> bool {
        matches!(self.origin, Origin::Data(..))
    }

    /// The records for this recipe, which runs so many commands at a time.
    pub(crate) fn records(self, recipe: &Arc<Recipe>, jobs: usize) -> anyhow::Result<Records> {
        let combined = match self.origin {
            Origin::Values(combined) => combined,
            Origin::Data(spread, files) => {
                let records = spread.open(files, jobs)?.map(|stdin| {
                    let (stdin, sent) = stdin?;
                    Ok(Record {
                        stdin: Some(stdin),
                        sent,
                        ..Record::default()
                    })
                });
                return Records::count(Box::new(records), None, recipe);
            }
        };
        let total = combined.total;
        let takes = recipe.clone();
        let combined = combined.filter(move |row| match row {
            Ok(row) => takes.takes(&row.values),
            Err(_) => true,
        });
        let is_single = !self.batching.is_on();
        let total = total.filter(|_| is_single && !recipe.is_choosy());
        let inner = match recipe.needs_total() && total.is_none() {
            // How long a command is depends on how many digits their number has: at most so many.
            true => {
                let rows = combined.collect::<anyhow::Result<Vec<_>>>()?;
                recipe.set_total(rows.len() as u64);
                let rows = Box::new(rows.into_iter().map(Ok));
                self.batching.records(rows, recipe, jobs)
            }
            false => {
                // Used only where it is known and wanted.
                recipe.set_total(total.unwrap_or(0));
                self.batching.records(Box::new(combined), recipe, jobs)
            }
        };
        Records::count(inner, total, recipe)
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
    terminal::complain(format_args!(
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

type RecordIter = Box<dyn Iterator<Item = anyhow::Result<Record>> + Send>;

/// What the commands of a run are made of, one after the other.
pub(crate) struct Records {
    inner: RecordIter,
    /// How many records there are, where that is known without reading.
    pub(crate) total: Option<u64>,
}

impl Records {
    /// These records; all of them at once where the recipe has to know how many there are.
    fn count(inner: RecordIter, total: Option<u64>, recipe: &Recipe) -> anyhow::Result<Records> {
        if !recipe.needs_total() {
            return Ok(Records { inner, total });
        }
        let all = inner.collect::<anyhow::Result<Vec<_>>>()?;
        let total = all.len() as u64;
        recipe.set_total(total);
        Ok(Records {
            inner: Box::new(all.into_iter().map(Ok)),
            total: Some(total),
        })
    }

    /// All of them at once, so that it is known how many there are.
    pub(crate) fn counted(self) -> anyhow::Result<Records> {
        if self.total.is_some() {
            return Ok(self);
        }
        let all = self.inner.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Records {
            total: Some(all.len() as u64),
            inner: Box::new(all.into_iter().map(Ok)),
        })
    }

    /// A record of each line, with the number of its command.
    pub(crate) fn of_lines(lines: Vec<(u64, Value)>) -> Records {
        let record = |(number, line)| {
            let mut record = Record::from(vec![line]);
            record.number = Some(number);
            Ok(record)
        };
        Records {
            total: Some(lines.len() as u64),
            inner: Box::new(lines.into_iter().map(record)),
        }
    }
}

impl Iterator for Records {
    type Item = anyhow::Result<Record>;

    fn next(&mut self) -> Option<anyhow::Result<Record>> {
        self.inner.next()
    }
}
