//! Runs the program under test as a user would, mostly with the scripted child of throng-tests.

use std::env::consts::EXE_SUFFIX;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; anything that takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// The scripted child. It belongs to another package, whose programs cargo builds with the whole
/// workspace (`cargo test`, `cargo xtask test`) but not with this package alone (`cargo test -p
/// throng-cli`); in that case it is built here.
pub(crate) fn child() -> &'static str {
    static CHILD: LazyLock<String> = LazyLock::new(|| {
        let own = Path::new(env!("CARGO_BIN_EXE_throng"));
        let path = own.with_file_name(format!("child{EXE_SUFFIX}"));
        if !path.is_file() {
            build_child(&path);
        }
        // With its drive, so that it is the same directory seen from another drive.
        let path = std::path::absolute(path).expect("there is a current directory");
        path.to_str().expect("the path is text").to_owned()
    });
    &CHILD
}

fn build_child(path: &Path) {
    let dir = path.parent().expect("it is in a directory");
    let profile = match dir.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let mut build = Command::new(env!("CARGO"));
    build.args([
        "build",
        "--quiet",
        "--package",
        "throng-tests",
        "--bin",
        "child",
    ]);
    build
        .args(["--profile", profile, "--target-dir"])
        .arg(dir.with_file_name(""));
    let status = build.status();
    assert!(
        status.is_ok_and(|status| status.success()) && path.is_file(),
        "{} is missing, and could not be built: {build:?}",
        path.display()
    );
}

/// The output of the child's step `args`: its arguments, any number of times.
pub(crate) fn said(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut args = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (arg, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
        args.push(arg.to_vec());
        bytes = rest;
    }
    assert_eq!(bytes, b"", "whole arguments");
    args
}

/// The program with `run` and these arguments, and nothing on stdin.
///
/// Under Wine the `conhost.exe` of a hidden console holds the streams of its process for a while
/// after the process has ended, so the grace period is long unless the test says something else.
pub(crate) fn run(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command.arg("run").stdin(Stdio::null());
    without_settings(&mut command);
    if !args.iter().any(|arg| arg.starts_with("--grace")) {
        command.args(["--grace", "20s"]);
    }
    let about_console = |arg: &&str| arg.starts_with("--console") || arg.starts_with("--shell");
    if !args.iter().any(about_console) {
        let options = throng_tests::without_console(&mut command);
        command.args(options);
    }
    command.args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The person who runs the tests may have settings and a language of their own.
pub(crate) fn without_settings(command: &mut Command) {
    let none = env!("CARGO_TARGET_TMPDIR");
    command
        .env("XDG_CONFIG_HOME", none)
        .env("APPDATA", none)
        .env("LC_ALL", "C");
    let is_setting = |name: &OsString| name.as_encoded_bytes().starts_with(b"THRONG_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    command.env_remove("NO_COLOR");
}

/// Runs it to its end.
pub(crate) fn output(args: &[&str]) -> Output {
    finish(run(args).spawn().unwrap())
}

/// Runs it to its end with this on stdin.
pub(crate) fn output_with_stdin(args: &[&str], stdin: &[u8]) -> Output {
    finish(start_with_stdin(args, stdin))
}

/// Starts it with this on stdin.
pub(crate) fn start_with_stdin(args: &[&str], stdin: &[u8]) -> Child {
    let mut child = run(args).stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // The program may end without reading everything; then this ends as well.
    thread::spawn(move || drop(pipe.write_all(&stdin)));
    child
}

/// Waits for the program to end, and fails if it does not.
pub(crate) fn finish(mut child: Child) -> Output {
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let start = Instant::now();
    let (status, hangs) = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break (status, false);
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            break (child.wait().unwrap(), true);
        }
        thread::sleep(Duration::from_millis(2));
    };
    let read = |reader: Option<JoinHandle<Vec<u8>>>| {
        reader.map_or_else(Vec::new, |reader| reader.join().unwrap())
    };
    let output = Output {
        status,
        stdout: read(stdout),
        stderr: read(stderr),
    };
    assert!(!hangs, "the program hangs; it said {output:?}");
    output
}

fn read_all(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Runs it with `-k --output jsonl` and these arguments; returns the objects.
pub(crate) fn json(args: &[&str]) -> Vec<serde_json::Value> {
    let output = output(&[&["-k", "--output", "jsonl"], args].concat());
    assert_eq!(stderr(&output), "");
    let lines = stdout(&output).lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The bytes of this stream in a JSON line.
pub(crate) fn json_bytes(object: &serde_json::Value, stream: &str) -> Vec<u8> {
    use base64::Engine as _;
    let standard = base64::engine::general_purpose::STANDARD;
    match &object[stream] {
        serde_json::Value::String(text) => text.clone().into_bytes(),
        _ => {
            let encoded = object[format!("{stream}_base64")].as_str();
            standard.decode(encoded.expect("text or base64")).unwrap()
        }
    }
}

/// The mechanisms that this machine offers, as the program lists them.
pub(crate) fn mechanisms() -> Vec<String> {
    let list = Command::new(env!("CARGO_BIN_EXE_throng"))
        .arg("mechanisms")
        .output()
        .unwrap();
    let lines = stdout(&list).lines().filter_map(|line| {
        let (name, state) = line.split_once(' ')?;
        let is_there = state.trim_start().starts_with("available");
        is_there.then(|| name.to_owned())
    });
    lines.collect()
}

pub(crate) fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

pub(crate) fn sorted_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    lines.sort();
    lines
}
