//! Options about values.

use super::{Row, Theme, differs, no, same};

pub(super) const THEME: Theme = Theme {
    title: "Values",
    rows: ROWS,
};

const ROWS: &[Row] = &[
    differs(
        &["--arg-file", "-a"],
        "the first command does not get our stdin; --stdin says what commands read",
    ),
    same(&["--arg-file-sep"]),
    differs(&["--arg-sep"], "no other word separates then, :::: neither"),
    same(&["--null", "-0"]),
    same(&["--delimiter", "-d"]),
    differs(
        &["--colsep", "-C"],
        "a regular expression without look-around and back-references that matches something; a \
         row without a column that the command names is a failure, not an empty value",
    ),
    differs(&["--csv"], "a quote out of place is refused, with its line"),
    differs(
        &["--header"],
        "\":\" and 0, and with --pipe a number of lines; no other regular expression; a name that \
         is a number is not used, {2} is the second column",
    ),
    differs(
        &["--link", "--xapply"],
        "lists of different lengths are refused; --link=recycle begins the shorter again",
    ),
    differs(
        &["--max-args", "-n"],
        "with -m what is left at the end is one command, not shared out to all jobs",
    ),
    same(&["--max-replace-args", "-N"]),
    differs(
        &["-L"],
        "0 is refused; -N 0 makes a command for each value and inserts none",
    ),
    differs(&["--max-lines"], "wants its number"),
    no(&["-l"], "-L N"),
    same(&["-X"]),
    differs(
        &["-m"],
        "x{}y stays one argument, with blanks between the values, unless there is --shell",
    ),
    differs(&["--xargs"], "as -m"),
    same(&["--max-chars", "-s"]),
    differs(&["--exit", "-x"], "is for -n, -N and -L"),
    same(&["-E"]),
    differs(&["--eof"], "wants its value"),
    no(&["-e"], "-E VALUE"),
    same(&["--trim"]),
    differs(
        &["--no-run-if-empty", "-r"],
        "data of --pipe is taken as it is; without data nothing runs",
    ),
    differs(&["--shuf"], "--seed gives the same order again"),
    no(&["--skip-first-line"], "tail -n +2 FILE |, or --header :"),
    no(
        &["--filter"],
        "leave values out before they come here, as with grep or awk",
    ),
    no(
        &["--total-jobs", "--total"],
        "the total is known where values are a list",
    ),
];
