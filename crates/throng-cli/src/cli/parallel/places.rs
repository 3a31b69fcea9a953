//! Options about places for values, and about quotes.

use super::{Row, Theme, differs, no, same};

pub(super) const THEME: Theme = Theme {
    title: "Places and quotes",
    rows: ROWS,
};

const ROWS: &[Row] = &[
    differs(
        &["-I"],
        "{#} and {%} are text as well, unless there is --plus",
    ),
    no(&["--replace", "-i"], "-I TEXT"),
    differs(
        &["--plus"],
        "{:3} counts characters, not bytes; {sshlogin}, {host}, {agrp}, {hgrp} are text",
    ),
    differs(
        &["--rpl"],
        "s/REGEX/TEXT/ with g, i, m, s, x; uc, lc, trim; joined by ; or ||; no other Perl",
    ),
    no(
        &["--parens"],
        "{= Perl =} is not taken; there are --plus and --rpl",
    ),
    same(&["--basenamereplace", "--bnr"]),
    same(&["--basenameextensionreplace", "--bner"]),
    same(&["--dirnamereplace", "--dnr"]),
    same(&["--extensionreplace", "--er"]),
    same(&["--seqreplace"]),
    same(&["--slotreplace"]),
    differs(
        &["--quote", "-q"],
        "for --shell; without it no shell sees the command, and nothing has to be quoted",
    ),
    no(
        &["--shell-quote"],
        "--dry-run prints commands as a shell would read them",
    ),
    no(
        &["--template", "--tmpl"],
        "write the file in a command of --shell",
    ),
];
