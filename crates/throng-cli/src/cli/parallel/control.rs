//! Options about how commands are started, kept and ended.

use super::{Row, Theme, differs, no, same};

pub(super) const THEME: Theme = Theme {
    title: "Control",
    rows: ROWS,
};

const ROWS: &[Row] = &[
    same(&["--jobs", "-j", "--max-procs", "-P"]),
    differs(&["--delay"], "\"auto\" is not taken"),
    no(
        &["--limit"],
        "--load, --memfree, or -j FILE, which is read again while running",
    ),
    same(&["--load"]),
    same(&["--memfree"]),
    no(
        &["--memsuspend"],
        "--memfree starts no more while memory is short",
    ),
    no(
        &["--noswap"],
        "--memfree starts no more while memory is short",
    ),
    same(&["--nice"]),
    differs(
        &["--retries"],
        "again on this machine; --backoff waits before",
    ),
    same(&["--timeout"]),
    differs(
        &["--term-seq"],
        "TERM,2000,KILL unless said otherwise, to all that a command has started",
    ),
    same(&["--halt", "--halt-on-error"]),
    differs(
        &["--workdir", "--wd"],
        "\"...\" is refused: name one, such as work/{#}; no value leads out of what is written",
    ),
    differs(
        &["--env"],
        "NAME=VALUE sets a variable, with placeholders filled in; _ is not special",
    ),
    no(&["--process-slot-var"], "THRONG_SLOT, or --env NAME={%}"),
    no(
        &["--interactive", "-p"],
        "--dry-run shows the commands before a run",
    ),
    no(
        &[
            "--semaphore",
            "--semaphore-name",
            "--id",
            "--semaphore-timeout",
            "--st",
            "--bg",
            "--fg",
        ],
        "flock(1), or one run with a list of commands",
    ),
    no(&["--wait"], "a run always waits for its commands"),
    no(
        &[
            "--use-sockets-instead-of-threads",
            "--use-cores-instead-of-threads",
            "--use-cpus-instead-of-cores",
        ],
        "-j N",
    ),
];
