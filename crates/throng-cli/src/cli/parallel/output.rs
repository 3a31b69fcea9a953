//! Options about what becomes of output.

use super::{Row, Theme, differs, no, same};

pub(super) const THEME: Theme = Theme {
    title: "Output",
    rows: ROWS,
};

const ROWS: &[Row] = &[
    differs(
        &["--group"],
        "stdout goes to stdout and stderr to stderr, neither mixed with another's",
    ),
    same(&["--line-buffer", "--lb"]),
    same(&["--ungroup", "-u"]),
    same(&["--keep-order", "-k"]),
    no(&["--no-keep-order"], "leave -k away"),
    differs(&["--tag"], "control characters in values are escaped"),
    differs(&["--tagstring"], "control characters in values are escaped"),
    differs(&["--color"], "--color=auto colors on a terminal alone"),
    no(
        &["--color-failed", "--cf"],
        "--output jsonl, or --joblog, names what failed",
    ),
    no(&["--ctag"], "--color --tag"),
    no(&["--ctagstring"], "--color --tagstring TEXT"),
    differs(
        &["--joblog", "--jl"],
        "the same columns, and ours after them; an earlier log is kept as FILE~",
    ),
    differs(
        &["--results", "--res"],
        "a directory or name that has results is for --resume or +DIR, no value leads out of it; \
         an earlier table is kept as FILE~; .json has the objects of jsonl",
    ),
    differs(
        &["--resume"],
        "a job log of other commands, or that others can write, is refused without --trust-joblog",
    ),
    differs(
        &["--resume-failed"],
        "a job log of other commands, or that others can write, is refused without --trust-joblog",
    ),
    differs(
        &["--retry-failed"],
        "a job log that others can write is refused without --trust-joblog",
    ),
    differs(&["--bar"], "for people, and not for zenity"),
    differs(&["--eta"], "at the pace of the last half minute"),
    differs(
        &["--progress"],
        "how far it is and what takes long; without it, on a terminal alone",
    ),
    no(&["--latest-line", "--ll"], "--progress, or --line-buffer"),
    no(
        &["--output-as-files", "--outputasfiles", "--files"],
        "--results DIR",
    ),
    no(
        &["--compress", "--compress-program", "--decompress-program"],
        "output beyond --memory is in files without names, as it is",
    ),
    same(&["--tmpdir"]),
    differs(&["--verbose", "-t"], "control characters are escaped"),
    differs(&["-v"], "control characters are escaped"),
    no(&["--silent"], "it is the default"),
    differs(
        &["--dry-run"],
        "commands are printed quoted, as a shell would read them; escaped on a terminal",
    ),
    no(&["--tmux", "--tmuxpane"], "--line-buffer --tag"),
];
