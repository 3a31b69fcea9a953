//! A command that cannot be started has that as its outcome, with the reason, and stops no other
//! command.

use std::fs;
use std::time::Duration;

use throng::{Command, ErrorKind, Outcome, Stdin};
use throng_tests::{assert_output, child, describe, for_each_mechanism, run_all, run_one};

/// It did not start, with an error of this kind, and the message contains all of these.
#[track_caller]
fn assert_start_error(outcome: &Outcome, kind: ErrorKind, says: &[&str]) {
    let Some(error) = outcome.start_error() else {
        panic!("started: {}", describe(outcome))
    };
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    let program = outcome.command().get_program().to_string_lossy();
    assert!(message.starts_with(&format!("cannot start \"{program}\": ")));
    for part in says {
        assert!(message.contains(part), "\"{part}\" is not in \"{message}\"");
    }
    assert!(outcome.status().is_none() && outcome.pid().is_none());
    assert!(!outcome.success() && outcome.ended_by().is_none());
    assert!(outcome.is_complete() && outcome.stdout().is_empty());
}

#[test]
fn a_program_that_does_not_exist_is_not_found() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing.exe");
        let cases = [
            (Command::new("throng-no-such-program"), "not found in PATH"),
            (Command::new(&missing), "missing.exe does not exist"),
            (Command::new(r"Q:\no\such\drive.exe"), "does not exist"),
            (Command::new(""), "its name is empty"),
        ];
        for (command, says) in cases {
            let outcome = run_one(mechanism, &command);
            assert_start_error(&outcome, ErrorKind::NotFound, &[says]);
        }
    });
}

#[test]
fn a_directory_is_not_executable() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let outcome = run_one(mechanism, &Command::new(dir.path()));
        assert_start_error(&outcome, ErrorKind::NotExecutable, &["is a directory"]);
    });
}

#[test]
fn a_text_file_has_no_known_format_whatever_its_name() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text.exe");
        for text in ["", "no program\r\n", "MZ and nothing more"] {
            fs::write(&path, text).unwrap();
            let outcome = run_one(mechanism, &Command::new(&path));
            assert_start_error(&outcome, ErrorKind::BadFormat, &["text.exe"]);
        }
    });
}

#[test]
fn a_missing_working_directory_is_reported() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain");
        fs::write(&plain, "").unwrap();
        for dir in [dir.path().join("missing"), plain] {
            let outcome = run_one(mechanism, child!("exit:0").current_dir(&dir));
            let says = format!("chdir to {}", dir.display());
            assert_start_error(&outcome, ErrorKind::BadDirectory, &[&says]);
        }
    });
}

#[test]
fn a_command_line_that_is_too_long_is_refused() {
    for_each_mechanism(|mechanism| {
        let mut one = child!("exit:0");
        one.arg("x".repeat(32_767));
        let mut many = child!("exit:0");
        many.args(std::iter::repeat_n("words", 10_000));
        for outcome in run_all(mechanism, vec![one, many]) {
            assert_start_error(&outcome, ErrorKind::ArgumentsTooLong, &["UTF-16 units"]);
        }
    });
}

#[test]
fn the_longest_allowed_command_line_runs() {
    for_each_mechanism(|mechanism| {
        let mut command = child!("out:7 args");
        // The name in quotation marks, a space before each argument, and a NUL at the end.
        let before = command.get_program().len() + 2 + " out:7 args ".len();
        command.arg("x".repeat(32_767 - before - 1));
        let outcome = run_one(mechanism, &command);
        assert!(outcome.success(), "{}", describe(&outcome));
        assert_eq!(outcome.stdout().len(), 7 + 8 + 32_767 - before - 1);
        let mut longer = command.clone();
        let outcome = run_one(mechanism, longer.arg(""));
        assert_start_error(&outcome, ErrorKind::ArgumentsTooLong, &[]);
    });
}

#[test]
fn a_nul_anywhere_is_refused() {
    for_each_mechanism(|mechanism| {
        let mut argument = child!("exit:0");
        argument.args(["fine", "a\0b"]);
        let mut value = child!("exit:0");
        value.env("KEY", "a\0b");
        let mut dir = child!("exit:0");
        dir.current_dir("a\0b");
        let commands = vec![argument, value, dir, Command::new("a\0b")];
        let named = ["argument 3", "\"KEY\"", "directory", "name"];
        for (outcome, named) in run_all(mechanism, commands).iter().zip(named) {
            let error = outcome.start_error().expect("refused");
            assert_eq!(error.kind(), ErrorKind::Nul, "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
    });
}

#[test]
fn a_missing_stdin_file_is_reported() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let outcome = run_one(mechanism, child!("cat").stdin(Stdin::File(missing.clone())));
        let says = format!("open its stdin {}", missing.display());
        assert_start_error(&outcome, ErrorKind::Stdin, &[&says]);
    });
}

#[test]
fn commands_that_cannot_start_do_not_stop_the_others() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("text.exe");
        fs::write(&text, "no program").unwrap();
        let commands = (0..80)
            .map(|n| match n % 8 {
                1 => Command::new("throng-no-such-program"),
                2 => Command::new(r"\no\such\program"),
                3 => Command::new(&text),
                4 => child!("").arg("a\0b").clone(),
                5 => child!("").current_dir(r"\no\such\dir").clone(),
                6 => child!("")
                    .stdin(Stdin::File(r"\no\such\file".into()))
                    .clone(),
                _ => child!("out:{} err:{n}", n * 100),
            })
            .collect();
        for outcome in run_all(mechanism, commands) {
            let n = outcome.seq() as usize;
            if matches!(n % 8, 0 | 7) {
                assert_output(&outcome, n * 100, n);
            } else {
                assert!(outcome.start_error().is_some(), "{}", describe(&outcome));
            }
        }
    });
}

#[test]
fn a_command_that_cannot_start_fails_without_delay() {
    for_each_mechanism(|mechanism| {
        let hour = Duration::from_secs(3600);
        let mut command = Command::new(r"\no\such\program.exe");
        let outcome = run_one(mechanism, command.timeout(hour).grace(hour));
        assert_eq!(outcome.start_error().unwrap().kind(), ErrorKind::NotFound);
        assert_eq!((outcome.start_retries(), outcome.timed_out()), (0, false));
    });
}
