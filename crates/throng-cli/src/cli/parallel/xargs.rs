//! The options of xargs (findutils 4.9), for whoever comes from there.

/// Of an option of xargs: what to write here.
pub(super) const ROWS: &[(&str, &str)] = &[
    (
        "xargs COMMAND",
        "throng run -X COMMAND; without -X a command for each value",
    ),
    ("words, quotes", "a value is a line, whatever is in it"),
    ("-0, -a, -d, -r, -x", "the same"),
    ("-E STR", "the same"),
    ("-I {}", "the same, and {} is there without it"),
    ("-L N", "the same; blanks do not split a line"),
    ("-n N", "the same"),
    ("-s N", "-X -s N; -s alone joins no values"),
    ("-P N", "-j N; by default as many as there are cores"),
    ("-t", "the same"),
    ("-p", "--dry-run shows the commands before a run"),
    ("-o", "--tty"),
    ("--process-slot-var=NAME", "THRONG_SLOT, or --env NAME={%}"),
    ("--show-limits", "the limits are kept to by themselves"),
    (
        "exit status 123",
        "the number of commands that failed, up to 101",
    ),
];
