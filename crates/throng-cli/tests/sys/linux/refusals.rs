//! Programs that cannot be started, streams that are closed or full, and limits, with the error
//! messages of Linux.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::program::{
    finish, output, output_with_stdin, run, sorted_lines, stderr, stdout, without_settings,
};

/// Runs this program for one value and `echo` for another, in one run; returns the error message.
fn complaint(program: &str, argument: &str) -> String {
    let lines = format!("'{program}' '{argument}'\necho fine\n");
    let output = output_with_stdin(&["-k"], lines.as_bytes());
    assert_eq!(
        stdout(&output),
        "fine\n",
        "the other command is not stopped"
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).lines().count(), 1, "{output:?}");
    stderr(&output).trim_end().to_owned()
}

#[test]
fn programs_that_cannot_be_started_are_reported_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str, mode: u32| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plain = path("plain", "", 0o644);
    let text = path("text", "no \0 format\n", 0o755);
    let orphan = path("orphan", "#!/no/such/interpreter\n", 0o755);
    let directory = dir.path().to_str().unwrap();
    for (program, reason) in [
        ("no-such-program", "not found in PATH".to_owned()),
        (
            "/no/such/program",
            "exec /no/such/program: No such file or directory (os error 2)".into(),
        ),
        (
            &plain,
            format!("exec {plain}: Permission denied (os error 13)"),
        ),
        (
            directory,
            format!("exec {directory}, which is a directory: Permission denied (os error 13)"),
        ),
        (
            &text,
            format!(
                "exec {text}, which is in no format that this system can run: \
                 Exec format error (os error 8)"
            ),
        ),
        (
            &orphan,
            format!(
                "exec {orphan}: its interpreter is missing: /no/such/interpreter: \
                 No such file or directory (os error 2)"
            ),
        ),
        ("", "its name is empty".into()),
    ] {
        let expected = format!("throng: cannot start \"{program}\": {reason}");
        assert_eq!(complaint(program, "x"), expected);
    }
}

#[test]
fn arguments_that_are_too_long_or_contain_a_nul_are_refused() {
    let long = "x".repeat(200_000);
    let too_long = complaint("echo", &long);
    let limit = "it has 200,000 characters, and the limit of this system is 131,071; ";
    assert!(too_long.contains(limit), "{too_long}");
    let nul = complaint("echo", "a\0b");
    assert!(
        nul.contains("\"a\\u{0}b\" contains a NUL, which no argument"),
        "{nul}"
    );
}

#[test]
fn a_full_stdout_is_an_error_and_not_a_silent_loss() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let child = run(&["echo", ":::", "1"]).stdout(full).spawn().unwrap();
    let output = finish(child);
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stderr(&output).contains("cannot write to stdout: No space left"),
        "{output:?}"
    );
}

/// Runs a shell script with `$0` as the program, as a user's script would.
fn script(text: &str) -> std::process::Output {
    let mut command = Command::new("sh");
    command
        .args(["-c", text, env!("CARGO_BIN_EXE_throng")])
        .stdin(Stdio::null());
    without_settings(&mut command);
    finish(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    )
}

#[test]
fn streams_closed_at_startup_behave_like_dev_null() {
    let both = "sh -c 'echo out; echo err >&2; cat' x ::: 1";
    let no_stdin = script(&format!("\"$0\" run {both} <&-"));
    assert_eq!((stdout(&no_stdin), stderr(&no_stdin)), ("out\n", "err\n"));
    let no_stdout = script(&format!("\"$0\" run {both} >&-"));
    assert_eq!((stdout(&no_stdout), stderr(&no_stdout)), ("", "err\n"));
    let no_stderr = script(&format!("\"$0\" run {both} 2>&-"));
    assert_eq!((stdout(&no_stderr), stderr(&no_stderr)), ("out\n", ""));
    let nothing = script(&format!("\"$0\" run {both} <&- >&- 2>&-; echo $?"));
    assert_eq!(stdout(&nothing), "0\n");
    let values = script("\"$0\" run echo <&-; echo $?");
    assert_eq!(stdout(&values), "0\n");
}

#[test]
fn an_ignored_sigchld_loses_no_exit_status() {
    let output = script("trap '' CHLD; exec \"$0\" run sh -c 'exit 3' ::: 1 2");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn few_descriptors_reduce_concurrency_and_lose_nothing() {
    let output = script("ulimit -n 64; seq 2000 | \"$0\" run -j 1000 echo");
    let mut expected: Vec<String> = (1..=2000).map(|n| n.to_string()).collect();
    expected.sort();
    assert_eq!(sorted_lines(&output.stdout), expected);
    assert!(output.status.success());
    assert!(
        stderr(&output).contains("at a time, because of the limit of 64 open files"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_directory_is_not_a_file_of_values() {
    let output = output(&["-a", "/", "echo"]);
    let expected = "throng: cannot read values from /: Is a directory (os error 21)\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn an_unavailable_mechanism_is_refused_with_the_reason() {
    let list = Command::new(env!("CARGO_BIN_EXE_throng"))
        .arg("mechanisms")
        .output()
        .unwrap();
    let text = stdout(&list);
    assert!(text.contains("epoll") && text.contains("io-uring") && text.contains("threads"));
    for line in text.lines() {
        let (name, state) = line.split_once(' ').unwrap();
        if !state.trim_start().starts_with("available") {
            let result = output(&["--mechanism", name, "echo", ":::", "hi"]);
            assert_eq!(result.status.code(), Some(255), "{name}");
            assert!(stderr(&result).contains("is not available"), "{name}");
        }
    }
}

#[test]
fn settings_are_read_only_from_regular_files_without_blocking() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for file in [pipe.to_str().unwrap(), "/dev/zero", "/"] {
        let named = output(&["--config", file, crate::program::child(), ":::", "outs:x"]);
        let mut command = crate::program::run(&[crate::program::child(), ":::", "outs:x"]);
        let found = command.env("THRONG_CONFIG", file).spawn().unwrap();
        for refused in [named, crate::program::finish(found)] {
            assert_eq!((refused.status.code(), stdout(&refused)), (Some(255), ""));
            assert!(
                stderr(&refused).contains("it is not a regular file"),
                "{refused:?}"
            );
        }
    }
}
