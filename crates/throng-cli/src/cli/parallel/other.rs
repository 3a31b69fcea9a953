//! Everything else.

use super::{Row, Theme, no, same};

pub(super) const THEME: Theme = Theme {
    title: "Other",
    rows: ROWS,
};

const ROWS: &[Row] = &[
    same(&["--help", "-h"]),
    no(&["--version", "-V"], "throng --version"),
    no(&["--minversion"], "throng --version"),
    no(&["--gnu"], "leave it away"),
    no(&["--plain"], "--no-config reads no throng.toml"),
    Row {
        names: &["--profile", "-J"],
        differs: "a profile of throng.toml, or of --config FILE",
        instead: "write the options out",
    },
    no(
        &["--shebang", "--hashbang", "--shebang-wrap"],
        "a script that calls throng run",
    ),
    no(
        &["--embed"],
        "one file is the whole program; it can be copied",
    ),
    no(
        &["--record-env", "--session"],
        "commands have our environment; functions of bash need --shell=bash",
    ),
    no(&["--_parset"], "read what throng run -k prints"),
    no(&["--shell-completion"], "throng completions"),
    no(
        &["--show-limits", "--max-line-length-allowed"],
        "-s takes what the system takes by itself",
    ),
    no(
        &[
            "--number-of-cpus",
            "--number-of-cores",
            "--number-of-sockets",
            "--number-of-threads",
        ],
        "nproc(1)",
    ),
];
