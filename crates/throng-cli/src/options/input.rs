//! Where values come from, and how many are passed to a command.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::size;

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct Input {
    /// Read values from the lines of FILE (- is stdin)
    #[arg(short, long = "arg-file", value_name = "FILE")]
    pub(crate) arg_files: Vec<PathBuf>,

    /// Separate values by NUL bytes, as find -print0 writes them
    #[arg(short = '0', long, conflicts_with_all = ["delimiter", "csv"])]
    pub(crate) null: bool,

    /// Separate values by TEXT, which may have escapes such as \n, \t, \0 and \x1f
    #[arg(
        short,
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        conflicts_with = "csv"
    )]
    pub(crate) delimiter: Option<OsString>,

    /// Split each value into columns {1}, {2}, ... where REGEX matches
    #[arg(short = 'C', long, value_name = "REGEX", allow_hyphen_values = true)]
    pub(crate) colsep: Option<String>,

    /// Parse input as CSV with columns {1}, {2}, ...; --colsep sets the separator
    #[arg(long)]
    pub(crate) csv: bool,

    /// Name the columns by the first line (:), or each source by its file (0), as in {NAME}
    ///
    /// With --pipe: N puts the first N lines of the data before each block, and : the first one.
    #[arg(long, value_name = ":|0")]
    pub(crate) header: Option<String>,

    /// Pair the values of the sources instead of combining each with every other
    ///
    /// Without =WHAT: equal.
    #[arg(
        long,
        alias = "xapply",
        value_name = "WHAT",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "equal"
    )]
    pub(crate) link: Option<Link>,

    /// Pass at most N values to each command
    #[arg(short = 'n', long, value_name = "N", value_parser = size::parse)]
    pub(crate) max_args: Option<u64>,

    /// Pass N values to each command as {1} to {N}; missing ones are empty
    ///
    /// With --pipe: pass N records to each command.
    #[arg(
        short = 'N',
        long,
        value_name = "N",
        value_parser = size::parse,
        conflicts_with = "max_args"
    )]
    pub(crate) max_replace_args: Option<u64>,

    /// Pass N non-blank lines to each command; trailing whitespace continues a line
    ///
    /// With --pipe: a record is N lines.
    #[arg(
        short = 'L',
        long,
        value_name = "N",
        value_parser = size::parse_positive,
        conflicts_with = "max_args"
    )]
    pub(crate) max_lines: Option<u64>,

    /// Pass as many values as fit to each command, and repeat x{}y for each value
    ///
    /// The last values are shared out among the jobs; with --xargs they are not.
    #[arg(short = 'X', long)]
    pub(crate) context_replace: bool,

    /// Pass as many values as fit to each command, all in the place of one {}
    ///
    /// The last values are shared out among the jobs; with --xargs they are not.
    #[arg(short = 'm', long, conflicts_with = "context_replace")]
    pub(crate) multiple: bool,

    /// Pass as many values as fit to each command, the last ones to a single command
    #[arg(long, conflicts_with = "context_replace")]
    pub(crate) xargs: bool,

    /// Limit command lines to SIZE characters [default: the limit of the system]
    ///
    /// It joins no values by itself: that is what -X, -m, --xargs, -n, -N and -L are for.
    #[arg(short = 's', long, value_name = "SIZE", value_parser = size::parse_positive)]
    pub(crate) max_chars: Option<u64>,

    /// End the run if the values of -n, -N or -L do not fit into a command
    #[arg(short = 'x', long)]
    pub(crate) exit: bool,

    /// Trim whitespace from values: n none, l left, r right, lr both
    #[arg(long, value_name = "n|l|r|lr", value_enum, hide_possible_values = true)]
    pub(crate) trim: Option<Trim>,

    /// Skip values that are empty or only whitespace
    #[arg(short = 'r', long)]
    pub(crate) no_run_if_empty: bool,

    /// Stop reading a source at VALUE
    #[arg(short = 'E', long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) eof: Option<OsString>,

    /// Shuffle the values (reads all input first)
    #[arg(long)]
    pub(crate) shuf: bool,

    /// Seed for the order of --shuf, which repeats it
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Use WORD instead of ::: as the only separator of values
    ///
    /// No other word separates then, not even ::::.
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) arg_sep: Option<OsString>,

    /// Use WORD instead of :::: to begin the names of files with values
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) arg_file_sep: Option<OsString>,
}

/// What happens to linked sources of different lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Link {
    /// Sources must have the same length
    Equal,
    /// Shorter sources start again, as in GNU parallel
    Recycle,
    /// All sources end with the shortest
    Shortest,
}

/// Where whitespace is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trim {
    #[value(name = "n")]
    None,
    #[value(name = "l")]
    Left,
    #[value(name = "r")]
    Right,
    #[value(name = "lr", alias = "rl")]
    Both,
}
