//! Options about other machines and databases.

use super::{Row, Theme, no};

pub(super) const THEME: Theme = Theme {
    title: "Other machines",
    rows: ROWS,
};

const HERE: &str = "commands run on this machine; ssh can be the command";

const ROWS: &[Row] = &[
    no(&["--sshlogin", "-S", "--sshloginfile", "--slf"], HERE),
    no(&["--ssh", "--ssh-delay", "--controlmaster", "-M"], HERE),
    no(
        &["--onall", "--nonall"],
        "throng run ssh {} COMMAND :::: HOSTS",
    ),
    no(&["--filter-hosts", "--hostgroups", "--hgrp"], HERE),
    no(
        &[
            "--transfer",
            "--transferfile",
            "--tf",
            "--return",
            "--cleanup",
            "--trc",
        ],
        "commands run on this machine; rsync before and after",
    ),
    no(
        &["--basefile", "--bf", "--rsync-opts"],
        "commands run on this machine; rsync before",
    ),
    no(
        &["--sql", "--sql-master", "--sql-and-worker", "--sql-worker"],
        "--joblog FILE and --resume keep what has been done",
    ),
];
