//! Options about what commands read.

use super::{Row, Theme, differs, no, same};

pub(super) const THEME: Theme = Theme {
    title: "Stdin of commands",
    rows: ROWS,
};

const ROWS: &[Row] = &[
    differs(
        &["--pipe", "--spreadstdin"],
        "wants a command; data is never given to a shell",
    ),
    same(&["--pipe-part"]),
    same(&["--block", "--block-size"]),
    no(
        &["--block-timeout", "--bt"],
        "-N 1 gives out each record as it comes",
    ),
    same(&["--recstart"]),
    same(&["--recend"]),
    differs(
        &["--regexp"],
        "regular expressions without look-around and back-references",
    ),
    same(&["--remove-rec-sep", "--removerecsep", "--rrs"]),
    differs(
        &["--round-robin", "--round"],
        "a block goes to whichever command is ready, with -k too; a command starts when there is \
         a block for it",
    ),
    no(
        &["--tee"],
        "tee with a process substitution, or a run for each value",
    ),
    no(
        &["--bin", "--shard"],
        "split the data by a program of its own before",
    ),
    no(
        &["--group-by"],
        "sort the data, and use --regexp --recend where a value changes",
    ),
    no(
        &["--cat", "--fifo"],
        "a block is a file already: /dev/stdin on Linux",
    ),
    differs(
        &["--tty"],
        "one command at a time, in the foreground of the terminal; not on Windows",
    ),
    no(&["--open-tty", "-o"], "--tty"),
];
