//! A command that cannot be started has that as its outcome, with the reason, and stops no other
//! command.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use throng::{Command, ErrorKind, Outcome, Stdin};
use throng_tests::{assert_output, child, describe, for_each_mechanism, run_all, run_one};

/// Writes a file with these permissions.
fn file(dir: &Path, name: &str, content: &str, mode: u32) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).expect("a temporary file can be written");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
    path
}

#[track_caller]
fn assert_start_error(outcome: &Outcome, kind: ErrorKind, message: &str) {
    let Some(error) = outcome.start_error() else {
        panic!("started: {}", describe(outcome))
    };
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
    assert!(outcome.status().is_none() && outcome.pid().is_none());
    assert!(!outcome.success() && outcome.ended_by().is_none());
    assert!(outcome.stdout().is_empty() && outcome.stderr().is_empty());
    assert!(
        outcome.is_complete(),
        "nothing was written, and nothing is missing"
    );
}

#[test]
fn a_program_that_is_nowhere_in_the_path_is_not_found() {
    for_each_mechanism(|mechanism| {
        let outcome = run_one(mechanism, Command::new("throng-no-such-program").arg("x"));
        let message = "cannot start \"throng-no-such-program\": not found in PATH";
        assert_start_error(&outcome, ErrorKind::NotFound, message);
    });
}

#[test]
fn a_program_without_a_name_is_not_found() {
    for_each_mechanism(|mechanism| {
        let empty: [&str; 0] = [];
        let outcome = run_one(mechanism, &Command::from_argv(empty));
        assert_start_error(
            &outcome,
            ErrorKind::NotFound,
            "cannot start \"\": its name is empty",
        );
    });
}

#[test]
fn a_path_that_does_not_exist_is_not_found() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let in_file = file(dir.path(), "file", "", 0o755).join("x");
        for (path, why) in [
            (
                dir.path().join("missing"),
                "No such file or directory (os error 2)",
            ),
            (in_file, "Not a directory (os error 20)"),
        ] {
            let outcome = run_one(mechanism, &Command::new(&path));
            let path = path.display();
            let message = format!("cannot start \"{path}\": exec {path}: {why}");
            assert_start_error(&outcome, ErrorKind::NotFound, &message);
            assert!(outcome.start_error().unwrap().raw_os_error().is_some());
        }
    });
}

#[test]
fn a_file_without_permission_is_not_executable() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "plain", "#!/bin/cat\n", 0o644);
        let shown = path.display();
        let why = "Permission denied (os error 13)";
        let message = format!("cannot start \"{shown}\": exec {shown}: {why}");
        let outcome = run_one(mechanism, &Command::new(&path));
        assert_start_error(&outcome, ErrorKind::NotExecutable, &message);

        let mut by_name = Command::new("plain");
        let outcome = run_one(mechanism, by_name.env("PATH", dir.path()));
        let message = format!("cannot start \"plain\": exec {shown}: {why}");
        assert_start_error(&outcome, ErrorKind::NotExecutable, &message);
    });
}

#[test]
fn a_directory_is_not_executable() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let shown = dir.path().display();
        let outcome = run_one(mechanism, &Command::new(dir.path()));
        let why = "which is a directory: Permission denied (os error 13)";
        let message = format!("cannot start \"{shown}\": exec {shown}, {why}");
        assert_start_error(&outcome, ErrorKind::NotExecutable, &message);
    });
}

#[test]
fn a_text_file_without_an_interpreter_has_no_known_format() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "text", "echo hello\n", 0o755);
        let shown = path.display();
        let outcome = run_one(mechanism, &Command::new(&path));
        let why = "perhaps a script without #!: Exec format error (os error 8)";
        let message = format!("cannot start \"{shown}\": exec {shown}, {why}");
        assert_start_error(&outcome, ErrorKind::BadFormat, &message);
    });
}

#[test]
fn a_missing_interpreter_is_reported_as_that() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "script", "#!/no/such/interpreter\n", 0o755);
        let shown = path.display();
        let outcome = run_one(mechanism, &Command::new(&path));
        let why = "its interpreter is missing: /no/such/interpreter: \
                   No such file or directory (os error 2)";
        let message = format!("cannot start \"{shown}\": exec {shown}: {why}");
        assert_start_error(&outcome, ErrorKind::BadFormat, &message);
    });
}

#[test]
fn a_missing_interpreter_is_named_for_a_program_in_another_directory_too() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        file(dir.path(), "script", "#!/no/such/interpreter\n", 0o755);
        let outcome = run_one(mechanism, Command::new("./script").current_dir(dir.path()));
        let error = outcome.start_error().unwrap();
        assert_eq!(error.kind(), ErrorKind::BadFormat, "{error}");
        fs::create_dir(dir.path().join("sub")).unwrap();
        let outcome = run_one(mechanism, Command::new("./sub").current_dir(dir.path()));
        let error = outcome.start_error().unwrap();
        assert!(
            error.to_string().contains("which is a directory"),
            "{error}"
        );
    });
}

#[test]
fn too_long_arguments_are_refused() {
    for_each_mechanism(|mechanism| {
        let mut one_long = child!("exit:0");
        one_long.arg("x".repeat(200 << 10));
        let mut many = child!("exit:0");
        many.args(std::iter::repeat_n("x".repeat(100 << 10), 80));
        let mut environment = child!("exit:0");
        environment.env("LONG", "x".repeat(200 << 10));
        let path = env!("CARGO_BIN_EXE_child");
        let whys = [
            "argument 2 has 204801 bytes, and one may have 131072",
            "its 81 arguments have 8192087 bytes, too many together with the environment",
            "the variable \"LONG\" has 204806 bytes, and one may have 131072",
        ];
        let outcomes = run_all(mechanism, vec![one_long, many, environment]);
        for (outcome, why) in outcomes.iter().zip(whys) {
            let why = format!("{why}: Argument list too long (os error 7)");
            let message = format!("cannot start \"{path}\": exec {path}: {why}");
            assert_start_error(outcome, ErrorKind::ArgumentsTooLong, &message);
        }
    });
}

#[test]
fn a_nul_byte_anywhere_is_refused() {
    for_each_mechanism(|mechanism| {
        let mut argument = child!("exit:0");
        argument.args(["fine", "a\0b"]);
        let mut value = child!("exit:0");
        value.env("KEY", "a\0b");
        let mut key = child!("exit:0");
        key.env("K\0Y", "value");
        let mut dir = child!("exit:0");
        dir.current_dir("/a\0b");
        let program = Command::new("/a\0b");
        let named = [
            "argument 3",
            "\"KEY\"",
            "\"K\\u{0}Y\"",
            "directory",
            "program",
        ];
        let outcomes = run_all(mechanism, vec![argument, value, key, dir, program]);
        for (outcome, named) in outcomes.iter().zip(named) {
            let error = outcome.start_error().expect("refused");
            assert_eq!(error.kind(), ErrorKind::Nul, "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
    });
}

#[test]
fn a_missing_working_directory_is_reported() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let plain = file(dir.path(), "plain", "", 0o644);
        let path = env!("CARGO_BIN_EXE_child");
        for (dir, why) in [
            (missing, "No such file or directory (os error 2)"),
            (plain, "Not a directory (os error 20)"),
        ] {
            let outcome = run_one(mechanism, child!("exit:0").current_dir(&dir));
            let message = format!("cannot start \"{path}\": chdir to {}: {why}", dir.display());
            assert_start_error(&outcome, ErrorKind::BadDirectory, &message);
        }
    });
}

#[test]
fn a_missing_stdin_file_is_reported() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let outcome = run_one(mechanism, child!("cat").stdin(Stdin::File(missing.clone())));
        let path = env!("CARGO_BIN_EXE_child");
        let why = "No such file or directory (os error 2)";
        let message = format!("cannot start \"{path}\": open {}: {why}", missing.display());
        assert_start_error(&outcome, ErrorKind::Stdin, &message);
    });
}

#[test]
fn a_program_that_is_open_for_writing_is_retried_for_a_while() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("copy");
        fs::copy(env!("CARGO_BIN_EXE_child"), &path).unwrap();
        let writer = File::options().append(true).open(&path).unwrap();
        let outcomes = run_all(mechanism, vec![Command::new(&path), child!("out:10")]);
        let error = outcomes[0].start_error().unwrap();
        assert_eq!(error.raw_os_error(), Some(26), "{error}");
        assert!(outcomes[0].start_retries() > 0);
        assert_output(&outcomes[1], 10, 0);
        drop(writer);
        let mut again = Command::new(&path);
        assert_output(&run_one(mechanism, again.arg("out:10")), 10, 0);
    });
}

#[test]
fn commands_that_cannot_start_do_not_stop_the_others() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let text = file(dir.path(), "text", "hello\n", 0o755);
        let commands = (0..200)
            .map(|n| match n % 8 {
                1 => Command::new("throng-no-such-program"),
                2 => Command::new("/no/such/program"),
                3 => Command::new(&text),
                4 => Command::from_argv(["cat", "a\0b"]),
                5 => child!("").current_dir("/no/such/dir").clone(),
                6 => child!("cat")
                    .stdin(Stdin::File("/no/such/file".into()))
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
        let mut command = Command::new("/no/such/program");
        command
            .timeout(Duration::from_secs(3600))
            .grace(Duration::from_secs(3600));
        let outcome = run_one(mechanism, &command);
        assert_eq!(outcome.start_error().unwrap().kind(), ErrorKind::NotFound);
        assert_eq!((outcome.start_retries(), outcome.timed_out()), (0, false));
    });
}
