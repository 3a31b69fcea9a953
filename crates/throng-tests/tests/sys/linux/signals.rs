//! Signals that end processes, and the signal dispositions of a process when it starts.

use throng_tests::{assert_complete, child, describe, for_each_mechanism, probe, run_all, run_one};

#[test]
fn signals_are_reported_unchanged() {
    let signals = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("KILL", 9),
        ("USR1", 10),
        ("ALARM", 14),
        ("TERM", 15),
    ];
    for_each_mechanism(move |mechanism| {
        let commands = signals
            .iter()
            .map(|(name, _)| child!("out:5 signal:{name}"))
            .collect();
        for (outcome, (_, number)) in run_all(mechanism, commands).iter().zip(signals) {
            assert_complete(outcome);
            let status = outcome.status().unwrap();
            assert_eq!(status.signal(), Some(number), "{}", describe(outcome));
            assert!(status.code().is_none() && !outcome.success());
            assert_eq!(outcome.ended_by(), None, "it has ended itself");
        }
    });
}

#[test]
fn an_abort_is_a_signal() {
    for_each_mechanism(|mechanism| {
        let outcome = run_one(mechanism, &child!("err:5 abort"));
        assert_complete(&outcome);
        assert_eq!(
            outcome.status().unwrap().signal(),
            Some(6),
            "{}",
            describe(&outcome)
        );
    });
}

#[test]
fn the_process_id_is_that_of_the_process() {
    for_each_mechanism(|mechanism| {
        let outcome = run_one(mechanism, &child!("pgid"));
        let said = String::from_utf8_lossy(outcome.stdout()).into_owned();
        let (pid, _) = said.split_once(' ').unwrap();
        assert_eq!(pid, outcome.pid().unwrap().to_string());
    });
}

#[test]
fn a_process_starts_without_blocked_or_caught_signals_and_with_default_sigpipe() {
    for_each_mechanism(|mechanism| {
        // The child cannot be used here: Rust's runtime ignores SIGPIPE before it could report it.
        let report = probe!(mechanism, "signals").report();
        let mask = |name: &str| u64::from_str_radix(report.text(name), 16).unwrap();
        let sigpipe = 1 << (13 - 1);
        assert_ne!(mask("own_SigIgn") & sigpipe, 0, "Rust's runtime ignores it");
        assert_eq!(mask("process_SigBlk"), 0);
        assert_eq!(mask("process_SigCgt"), 0);
        assert_eq!(mask("process_SigIgn"), mask("own_SigIgn") & !sigpipe);
    });
}

#[test]
fn signals_blocked_at_startup_are_not_blocked_in_processes() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "signals")
            .by("env --block-signal=USR1")
            .report();
        let mask = |name: &str| u64::from_str_radix(report.text(name), 16).unwrap();
        assert_ne!(mask("own_SigBlk"), 0, "that is what the test is about");
        assert_eq!(mask("process_SigBlk"), 0);
    });
}

#[test]
fn signals_ignored_at_startup_are_ignored_in_processes() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "signals")
            .by("env --ignore-signal=HUP")
            .report();
        let mask = |name: &str| u64::from_str_radix(report.text(name), 16).unwrap();
        assert_eq!(mask("process_SigIgn") & 1, 1, "as nohup wants it");
    });
}

#[test]
fn exit_codes_arrive_even_if_our_parent_ignored_sigchld() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "exit-codes")
            .by("env --ignore-signal=CHLD")
            .report();
        assert_eq!(report.get::<usize>("right"), 20);
    });
}

#[test]
fn a_process_is_the_leader_of_a_group_of_its_own() {
    for_each_mechanism(|mechanism| {
        for outcome in run_all(mechanism, vec![child!("pgid"); 5]) {
            let pid = outcome.pid().unwrap();
            assert_eq!(
                String::from_utf8_lossy(outcome.stdout()),
                format!("{pid} {pid}")
            );
        }
    });
}

#[test]
fn the_end_of_a_process_wakes_no_unrelated_thread() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "undisturbed 200").report();
        assert_eq!(report.get::<usize>("good"), 200);
        let woken = report.get::<u64>("woken");
        assert!(
            woken < 50,
            "{mechanism}: the main thread was woken {woken} times"
        );
    });
}
