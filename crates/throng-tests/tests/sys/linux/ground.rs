//! Programs that lack what every program has: stdin, stdout and stderr, /dev/null, a file system
//! that responds.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use throng::{Mechanism, Throng};
use throng_tests::os::{not_tested, without_devices};
use throng_tests::{
    HANG, assert_output, child, describe, for_each_mechanism, poll_once, probe, within,
};

use super::refusals::LIMIT;

#[test]
fn a_program_with_closed_standard_streams_captures_and_leaks_no_descriptors() {
    for_each_mechanism(|mechanism| {
        for when in ["before", "after"] {
            let (report, ended) = probe!(mechanism, "closed {when}").report_within(LIMIT);
            assert!(ended.is_ok(), "{when}: {ended:?}: {report:?}");
            assert_eq!(report.text("whole"), "50", "{when}");
            assert_eq!(report.text("echo"), "bytes", "{when}");
            // The child's runtime opens /dev/null in place of closed ones.
            for (name, expected) in [("stdin", "null"), ("descriptors", "0 1 2")] {
                let said = report.text(name);
                let is_error = said.starts_with("error: cannot start ") && said.contains("stdin");
                assert!(is_error || said == expected, "{when}, {name}: {said}");
            }
        }
    });
}

#[test]
fn a_missing_dev_null_is_an_error_that_names_it() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let Some(starter) = without_devices(dir.path()) else {
            return;
        };
        let probe = probe!(mechanism, "no-null").by_words(&starter);
        let (report, ended) = probe.report_within(LIMIT);
        assert!(ended.is_ok(), "{ended:?}: {report:?}");
        let error = report.text("error");
        assert!(error.contains("/dev/null"), "{error}");
        assert!(
            error.ends_with("No such file or directory (os error 2)"),
            "{error}"
        );
    });
}

/// A program that does not load: opening it waits until the lease on it is given back, as on a file
/// system that does not answer (fcntl(2), `F_SETLEASE`; for 45 seconds by default).
struct Unanswered(Child);

impl Unanswered {
    const SCRIPT: &str = "$SIG{IO} = 'IGNORE'; open(F, '+<', $ARGV[0]) or die; \
        fcntl(F, 1024, 1) or die \"no lease: $!\"; $| = 1; print \"held\\n\"; sleep 600";

    /// `None` if no lease is available.
    fn hold(program: &std::path::Path) -> Option<Unanswered> {
        let mut perl = Command::new("perl");
        let perl = perl.args(["-e", Unanswered::SCRIPT]).arg(program);
        let started = perl.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let Ok(mut holder) = started.map(Unanswered) else {
            not_tested("a program that does not load: there is no perl to hold a lease");
            return None;
        };
        let stdout = holder.0.stdout.take().expect("it was asked for");
        let said = BufReader::new(stdout).lines().next();
        if said.is_none() {
            not_tested("a program that does not load: no lease is to be had here");
        }
        said.map(|_| holder)
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn throng(mechanism: Mechanism) -> Throng {
    let builder = Throng::builder().mechanism(mechanism).shards(1).jobs(8);
    builder.build().unwrap()
}

#[test]
fn a_program_that_does_not_load_delays_no_reads_and_timeouts_of_others() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        // A lease is refused if the file is open anywhere else; the child itself is running.
        let program = dir.path().join("slow");
        std::fs::copy(env!("CARGO_BIN_EXE_child"), &program).unwrap();
        let Some(holder) = Unanswered::hold(&program) else {
            return;
        };
        within(HANG / 3, "those beside one that does not load", move || {
            let throng = throng(mechanism);
            let mut bystander = child!("out:7 sleep:600000");
            let bystander = throng.spawn(bystander.timeout(Duration::from_secs(1)));
            let talker = throng.spawn(&child!("slow-out:300:1000 exit:3"));
            let mut command = throng::Command::new(&program);
            let mut slow = throng.spawn(command.arg("out:5"));
            let outcome = bystander.wait().unwrap();
            let talked = talker.wait().unwrap();
            let is_waiting = poll_once(&mut slow).is_pending();
            assert!(is_waiting, "the others had to wait for it");
            assert!(outcome.timed_out(), "{}", describe(&outcome));
            assert_eq!(talked.stdout().len(), 300);
            // The lease is given back, and it loads.
            drop(holder);
            assert_output(&slow.wait().unwrap(), 5, 0);
        });
    });
}

#[test]
fn a_program_that_does_not_load_can_be_cancelled() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("slow");
        std::fs::copy(env!("CARGO_BIN_EXE_child"), &program).unwrap();
        let Some(_holder) = Unanswered::hold(&program) else {
            return;
        };
        within(HANG / 3, "the end of one that does not load", move || {
            let throng = throng(mechanism);
            let slow = throng.spawn(&throng::Command::new(&program));
            let mut later = throng.spawn(&throng::Command::new(&program));
            // It may be cancelled before it is even tried, which is fine too.
            std::thread::sleep(Duration::from_millis(100));
            slow.cancel();
            assert!(!slow.wait().unwrap().success());
            assert!(poll_once(&mut later).is_pending(), "nothing else was ended");
            drop(throng);
            assert!(!later.wait().unwrap().success());
        });
    });
}
