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
    same(&["--tag"]),
    same(&["--tagstring"]),
    differs(&["--color"], "--color=auto colors on a terminal alone"),
    no(
        &["--color-failed", "--cf"],
        "--output jsonl, or --joblog, names what failed",
    ),
    no(&["--ctag"], "--color --tag"),
    no(&["--ctagstring"], "--color --tagstring TEXT"),
    differs(
        &["--joblog", "--jl"],
        "the same columns, and ours after them",
    ),
    differs(
        &["--results", "--res"],
        "a directory that has results is for --resume or +DIR; .json has the objects of jsonl",
    ),
    differs(
        &["--resume"],
        "a job log of other commands is refused without --trust-joblog",
    ),
    differs(
        &["--resume-failed"],
        "a job log of other commands is refused without --trust-joblog",
    ),
    same(&["--retry-failed"]),
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
    same(&["--verbose", "-t"]),
    same(&["-v"]),
    no(&["--silent"], "it is the default"),
    differs(
        &["--dry-run"],
        "commands are printed quoted, as a shell would read them",
    ),
    no(&["--tmux", "--tmuxpane"], "--line-buffer --tag"),
];
