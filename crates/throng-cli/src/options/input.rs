//! Where values come from and how many go into a command.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::size;

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct Input {
    /// Take values from the lines of FILE; - is stdin
    #[arg(short, long = "arg-file", value_name = "FILE")]
    pub(crate) arg_files: Vec<PathBuf>,

    /// Values end with a NUL, not with a line
    #[arg(short = '0', long, conflicts_with_all = ["delimiter", "csv"])]
    pub(crate) null: bool,

    /// Values end with this; \n, \t, \0, \x1f and the like are read
    #[arg(
        short,
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        conflicts_with = "csv"
    )]
    pub(crate) delimiter: Option<OsString>,

    /// What is between the columns of a value: {1}, {2}, ...
    #[arg(short = 'C', long, value_name = "REGEX", allow_hyphen_values = true)]
    pub(crate) colsep: Option<String>,

    /// Values are lines of a CSV; --colsep is what is between its columns
    #[arg(long)]
    pub(crate) csv: bool,

    /// Names for columns: from the first line (:), or names of files (0)
    #[arg(long, value_name = ":|0")]
    pub(crate) header: Option<String>,

    /// Take the sources side by side, not every value with every other
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

    /// Put at most N values into a command
    #[arg(short = 'n', long, value_name = "N", value_parser = size::parse)]
    pub(crate) max_args: Option<u64>,

    /// The same; the values are {1} to {N}, those missing at the end empty
    #[arg(
        short = 'N',
        long,
        value_name = "N",
        value_parser = size::parse,
        conflicts_with = "max_args"
    )]
    pub(crate) max_replace_args: Option<u64>,

    /// The same with lines: blank ones are skipped, a blank at the end joins
    #[arg(
        short = 'L',
        long,
        value_name = "N",
        value_parser = size::parse_positive,
        conflicts_with = "max_args"
    )]
    pub(crate) max_lines: Option<u64>,

    /// Put as many values into a command as fit; x{}y is repeated for each
    #[arg(short = 'X', long)]
    pub(crate) context_replace: bool,

    /// The same; all values take the place of {}
    #[arg(short = 'm', long, conflicts_with = "context_replace")]
    pub(crate) multiple: bool,

    /// Like -m, but the last values are not shared out to all jobs
    #[arg(long, conflicts_with = "context_replace")]
    pub(crate) xargs: bool,

    /// The longest command, in characters; joins no values by itself [default: what the system
    /// takes]
    #[arg(short = 's', long, value_name = "SIZE", value_parser = size::parse_positive)]
    pub(crate) max_chars: Option<u64>,

    /// Stop where the values of -n, -N or -L do not fit into a command
    #[arg(short = 'x', long)]
    pub(crate) exit: bool,

    /// Take blanks off values: left, right, both, or not at all
    #[arg(long, value_name = "n|l|r|lr", value_enum, hide_possible_values = true)]
    pub(crate) trim: Option<Trim>,

    /// Make no command of values that are empty or blanks
    #[arg(short = 'r', long)]
    pub(crate) no_run_if_empty: bool,

    /// Stop reading a source at this value
    #[arg(short = 'E', long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) eof: Option<OsString>,

    /// Read all values first, then take them in an order of chance
    #[arg(long)]
    pub(crate) shuf: bool,

    /// What decides the order of --shuf
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Use WORD in place of :::; no other word separates then, :::: neither
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) arg_sep: Option<OsString>,

    /// Use WORD in place of ::::
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) arg_file_sep: Option<OsString>,
}

/// What happens to sources side by side of which one is shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Link {
    /// It is a mistake
    Equal,
    /// It begins again, as in GNU parallel
    Recycle,
    /// The others end with it
    Shortest,
}

/// Where blanks are taken off.
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
