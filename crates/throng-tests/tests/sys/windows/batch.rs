//! Batch files run only where they are allowed, and even then do not execute an argument.
//!
//! Each payload would create a file if `cmd.exe` ran it. The batch file creates another one to show
//! that it has run.

use std::fs;
use std::path::{Path, PathBuf};

use throng::os::windows::CommandExt;
use throng::{Command, ErrorKind, Status};
use throng_tests::{describe, for_each_mechanism, run_one};

/// A batch file that creates a file named `ran` next to itself, and ends with this code.
fn batch_file(dir: &Path, name: &str, code: u32) -> PathBuf {
    let path = dir.join(name);
    let text = format!("@echo off\r\necho x> \"%~dp0ran\"\r\nexit /b {code}\r\n");
    fs::write(&path, text).expect("a temporary file can be written");
    path
}

#[test]
fn a_batch_file_is_refused_unless_allowed() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        batch_file(dir.path(), "x.bat", 0);
        batch_file(dir.path(), "y.cmd", 0);
        let names = [
            "x.bat",
            "X.BAT",
            "y.cmd",
            "y.CmD",
            "x.bat.",
            "x.bat. .",
            "x",
            r"z\..\x.bat",
        ];
        for name in names {
            let path = format!(r"{}\{name}", dir.path().display());
            let outcome = run_one(mechanism, &Command::new(&path));
            let error = outcome.start_error().expect(name);
            assert_eq!(error.kind(), ErrorKind::BatchFile, "{name}: {error}");
            assert!(error.to_string().contains("is a batch file"), "{error}");
            assert!(!dir.path().join("ran").exists(), "{name}");
        }
    });
}

#[test]
fn an_allowed_batch_file_runs_and_its_exit_code_is_reported() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = batch_file(dir.path(), "x.bat", 7);
        let outcome = run_one(mechanism, Command::new(path).allow_batch(true));
        let status = outcome.status();
        assert_eq!(status, Some(Status::Exited(7)), "{}", describe(&outcome));
        assert!(dir.path().join("ran").exists());
    });
}

#[test]
fn no_argument_of_a_batch_file_is_executed() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = batch_file(dir.path(), "x.bat", 0);
        let (ran, pwned) = (dir.path().join("ran"), dir.path().join("pwned"));
        let code = format!("echo x> {}", pwned.display());
        let payloads = [
            format!("\"&{code}"),
            format!("\"&{code}&\""),
            format!("%CMDCMDLINE:~-1%&{code}"),
            format!("%CMDCMDLINE:~-1%&{code}&%CMDCMDLINE:~-1%"),
            format!("a&{code}"),
            format!("a|{code}"),
            format!("^\"&{code}"),
            format!("\\\"&{code}"),
            format!("\"\"&{code}"),
            format!("&{code}"),
            format!("!x!&{code}"),
            format!("a\n{code}"),
            format!("a\r\n{code}"),
            format!("\u{1a}{code}"),
        ];
        for payload in payloads {
            for args in [vec![&*payload], vec!["first", &payload, "\""]] {
                let mut command = Command::new(&path);
                let outcome = run_one(mechanism, command.args(&args).allow_batch(true));
                assert!(!pwned.exists(), "{args:?}: {}", describe(&outcome));
                match outcome.start_error() {
                    Some(error) => assert_eq!(error.kind(), ErrorKind::BatchFile, "{error}"),
                    None => assert!(ran.exists(), "{args:?}: {}", describe(&outcome)),
                }
                // The next one has to show that it ran.
                let _ = fs::remove_file(&ran);
            }
        }
    });
}
