//! Whether a process has a console.

use std::time::Duration;

use throng::os::windows::{CommandExt, Console};
use throng_tests::{assert_complete, child, for_each_mechanism, run_one};

/// Wine 8 gives the streams of a process to the `conhost.exe` that it starts for it, which ends a
/// little later than the process.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_process_has_no_console_or_a_hidden_one() {
    for_each_mechanism(|mechanism| {
        let said = |console| {
            let mut command = child!("out:5 close:err console");
            let outcome = run_one(mechanism, command.console(console).grace(PATIENCE));
            assert_complete(&outcome);
            String::from_utf8_lossy(&outcome.stdout()[5..]).into_owned()
        };
        assert_eq!(said(Console::None), "none");
        assert_eq!(said(Console::Hidden), "console");
    });
}

#[test]
fn streams_are_captured_whatever_the_console() {
    for_each_mechanism(|mechanism| {
        for console in [Console::Inherit, Console::None, Console::Hidden] {
            let mut command = child!("both:100000 stdin-kind exit:3");
            let outcome = run_one(mechanism, command.console(console).grace(PATIENCE));
            assert_complete(&outcome);
            assert_eq!(outcome.status().unwrap().code(), Some(3));
            assert!(outcome.stdout().ends_with(b"null"), "{console:?}");
            assert_eq!(outcome.stderr().len(), 100_000);
        }
    });
}
