//! System calls that older kernels lack and stricter sandboxes refuse. Whichever call is refused,
//! and with whatever error, the result of a command is the same, nothing is left, and no unrelated
//! process is signalled. If this does not hold, the whole table is shown; `--nocapture` shows it in
//! any case.

use std::time::Duration;

use throng::Mechanism;
use throng_tests::{Report, for_each_mechanism, probe};

use super::stranger::Stranger;

/// What the probe reports if everything works.
pub(super) const EXPECTED: [(&str, &str); 20] = [
    (
        "plain",
        "exit 0 by itself, complete 70003 bytes, complete 5000 bytes, 0 survive",
    ),
    (
        "exit-code",
        "exit 7 by itself, complete 3 bytes, complete 0 bytes, 0 survive",
    ),
    (
        "closed-early",
        "exit 3 by itself, complete 5 bytes, complete 0 bytes, 0 survive",
    ),
    (
        "closed-early-timeout",
        "signal 15 by timeout, complete 5 bytes, complete 0 bytes, 0 survive",
    ),
    (
        "holder",
        "exit 0 by itself, held by 1 4 bytes, held by 1 0 bytes, 0 survive",
    ),
    ("holders", "40 named"),
    (
        "holder-killed",
        "exit 0 by itself, complete 4 bytes, complete 0 bytes, 0 survive, 0 left",
    ),
    (
        "deaf-timeout",
        "signal 9 by timeout, cut 5 bytes, cut 0 bytes, 0 survive",
    ),
    (
        "session-timeout",
        "signal 15 by timeout, cut 5 bytes, cut 0 bytes, 0 survive, 0 left",
    ),
    (
        "session-kill",
        "signal 9 by cancel, cut 0 bytes, cut 0 bytes, 0 survive, 0 left",
    ),
    (
        "stdin-bytes",
        "exit 0 by itself, complete 200000 bytes, complete 0 bytes, 0 survive",
    ),
    (
        "no-program",
        "NotFound: cannot start \"/no/such/program\": exec /no/such/program: \
         No such file or directory (os error 2)",
    ),
    (
        "not-executable",
        "NotExecutable: cannot start \"/etc/passwd\": exec /etc/passwd: \
         Permission denied (os error 13)",
    ),
    ("no-directory", "Some(BadDirectory)"),
    ("many", "200 whole"),
    ("sequence", "30 whole"),
    ("descriptors", "0 1 2"),
    ("handles-left", "0"),
    ("children-left", "0"),
    (
        "dropped",
        "signal 9 by cancel, cut 0 bytes, cut 0 bytes, 0 survive, 0 left",
    ),
];

/// Anything that takes longer than this hangs; the probe itself gives up a little before.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

fn confined(mechanism: Mechanism, refusals: &str) -> (Report, Result<(), String>) {
    let starter = [env!("CARGO_BIN_EXE_confine"), refusals, "--"];
    let probe = probe!(mechanism, "scenarios").by_words(&starter);
    probe.report_within(LIMIT)
}

/// The differences from the expected results, one line for each.
fn differences(mechanism: Mechanism, refusals: &str) -> Vec<String> {
    let stranger = Stranger::in_our_group();
    let (report, ended) = confined(mechanism, refusals);
    let mut wrong: Vec<String> = ended.err().into_iter().collect();
    let threads = report.find("no-threads");
    wrong.extend(threads.map(|error| format!("no thread can be made: {error}")));
    if !stranger.is_unhurt() {
        wrong.push("a stranger was signalled".into());
    }
    for (name, expected) in EXPECTED {
        let found = report.find(name).unwrap_or("(nothing was reported)");
        if found != expected {
            wrong.push(format!("{name}: {found}"));
        }
    }
    wrong
}

/// Runs the scenarios for each of these lists of refusals, and shows a table of them.
#[track_caller]
fn assert_all_the_same(mechanism: Mechanism, table: &[&str]) {
    let mut is_good = true;
    let mut lines = String::new();
    for refusals in table {
        let wrong = differences(mechanism, refusals);
        is_good &= wrong.is_empty();
        let verdict = match wrong.len() {
            0 => "all the same".to_owned(),
            count => format!("{count} of {} differ", EXPECTED.len()),
        };
        lines += &format!("| {refusals} | {mechanism} | {verdict} |\n");
        for line in wrong {
            lines += &format!("      {line}\n");
        }
    }
    print!("{lines}");
    assert!(is_good, "\n{lines}");
}

/// Tests of one system call each, with every mechanism that can do without it.
macro_rules! refused {
    ($($name:ident: $table:expr;)*) => {$(
        #[test]
        fn $name() {
            for_each_mechanism(|mechanism| {
                let table: &[&str] = &$table;
                let needs_ring = mechanism == Mechanism::IoUring;
                let refuses_ring = table.iter().any(|refusals| refusals.contains("io_uring"));
                if !(needs_ring && refuses_ring) {
                    assert_all_the_same(mechanism, table);
                }
            });
        }
    )*};
}

refused! {
    where_nothing_is_refused_all_is_as_expected: ["-"];
    pidfd_open_may_be_refused: ["pidfd_open=EPERM", "pidfd_open=ENOSYS"];
    pidfd_send_signal_may_be_refused: ["pidfd_send_signal=EPERM", "pidfd_send_signal=ENOSYS"];
    both_calls_of_pidfds_may_be_refused: [
        "pidfd_open=EPERM,pidfd_send_signal=EPERM",
        "pidfd_open=ENOSYS,pidfd_send_signal=ENOSYS",
    ];
    clone3_may_be_refused: ["clone3=ENOSYS"];
    waitid_may_be_refused: ["waitid=EPERM", "waitid=ENOSYS"];
    close_range_may_be_refused: ["close_range=EPERM", "close_range=ENOSYS"];
    memfd_create_may_be_refused: ["memfd_create=EPERM", "memfd_create=ENOSYS"];
    preadv2_may_be_refused: ["preadv2=EPERM", "preadv2=ENOSYS"];
    io_uring_may_be_refused: ["io_uring=EPERM", "io_uring=ENOSYS"];
    all_of_them_may_be_refused_at_once: [
        "pidfd_open=EPERM,pidfd_send_signal=EPERM,clone3=ENOSYS,close_range=EPERM,\
         memfd_create=EPERM,preadv2=EPERM",
        "pidfd_open=ENOSYS,pidfd_send_signal=ENOSYS,clone3=ENOSYS,close_range=ENOSYS,\
         memfd_create=ENOSYS,preadv2=ENOSYS",
    ];
    all_of_them_and_io_uring_may_be_refused_at_once: [
        "pidfd_open=EPERM,pidfd_send_signal=EPERM,clone3=ENOSYS,close_range=EPERM,\
         memfd_create=EPERM,preadv2=EPERM,io_uring=EPERM",
        "pidfd_open=ENOSYS,pidfd_send_signal=ENOSYS,clone3=ENOSYS,close_range=ENOSYS,\
         memfd_create=ENOSYS,preadv2=ENOSYS,io_uring=ENOSYS",
    ];
    // Like qemu-user and valgrind.
    a_process_that_shares_descriptors_may_be_refused: [
        "clone3=ENOSYS,clone.files=EINVAL",
        "clone3=ENOSYS,clone.files=EPERM",
        "clone3=ENOSYS,close_range.unshare=EINVAL",
        "close_range.unshare=EINVAL",
    ];
    a_process_that_shares_memory_may_be_refused: [
        "clone3=ENOSYS,clone.vm=EINVAL",
        "clone3=ENOSYS,clone.vm=EPERM",
    ];
}

/// glibc creates threads with it, and does without it only if the call does not exist.
#[test]
fn a_throng_refused_its_threads_by_clone3_is_an_error_that_explains_it() {
    for_each_mechanism(|mechanism| {
        let (report, ended) = confined(mechanism, "clone3=EPERM");
        ended.expect("the probe ends");
        if report.find("no-threads").is_none() {
            return assert_all_the_same(mechanism, &["clone3=EPERM"]);
        }
        let error = report.text("build");
        println!("| clone3=EPERM | {mechanism} | {error} |");
        let error = error.strip_prefix("cannot start ").unwrap_or_default();
        assert!(error.contains("thread"), "{}", report.text("build"));
        assert!(error.ends_with("Operation not permitted (os error 1)"));
    });
}

#[test]
fn a_refused_io_uring_gives_the_reason_and_epoll_is_the_default() {
    for (refusals, why) in [
        ("io_uring=EPERM", "a sandbox forbids io_uring"),
        ("io_uring=ENOSYS", "io_uring"),
    ] {
        let starter = [env!("CARGO_BIN_EXE_confine"), refusals, "--"];
        let probe = probe!(Mechanism::Epoll, "survey").by_words(&starter);
        let (report, ended) = probe.report_within(LIMIT);
        ended.expect("the probe ends");
        println!("| {refusals} | io-uring | {} |", report.text("io-uring"));
        assert!(report.text("io-uring").contains(why), "{report:?}");
        let built = report.text("build_io-uring");
        assert!(
            built.starts_with("Unsupported: mechanism io-uring is not available: "),
            "{built}"
        );
        assert!(built.contains(why), "{built}");
        assert_eq!(report.text("epoll"), "available");
        assert_eq!(report.text("threads"), "available");
        assert_eq!(report.text("default"), "epoll");
    }
}
