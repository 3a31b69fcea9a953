//! throng under an emulator, under a memory debugger, and with an unusual C library: programs that
//! start there with std start with throng.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use throng::Mechanism;
use throng_tests::os::not_tested;
use throng_tests::{Probe, for_each_mechanism, probe};

/// Emulated programs are slow.
const LIMIT: Duration = Duration::from_secs(120);

/// What the probe reports if everything works.
const EXPECTED: [(&str, &str); 10] = [
    ("build", "built"),
    (
        "true",
        "exit 0 by itself, complete 0 bytes, complete 0 bytes, 0 survive",
    ),
    (
        "output",
        "exit 7 by itself, complete 70000 bytes, complete 5000 bytes, 0 survive",
    ),
    (
        "no-program",
        "NotFound: cannot start \"/no/such/program\": exec /no/such/program: \
         No such file or directory (os error 2)",
    ),
    (
        "not-in-path",
        "NotFound: cannot start \"throng-no-such-program\": not found in PATH",
    ),
    (
        "not-executable",
        "NotExecutable: cannot start \"/etc/passwd\": exec /etc/passwd: \
         Permission denied (os error 13)",
    ),
    ("no-directory", "Some(BadDirectory)"),
    ("descriptors", "0 1 2"),
    (
        "timeout",
        "signal 15 by timeout, cut 0 bytes, cut 0 bytes, 0 survive",
    ),
    ("held", "true, 0 survive"),
];

#[track_caller]
fn assert_as_expected(mut probe: Probe, what: &str, ignored: &[&str]) {
    let complaints = tempfile::NamedTempFile::new().unwrap();
    probe.command.stderr(complaints.reopen().unwrap());
    let (report, ended) = probe.report_within(LIMIT);
    let mut wrong = String::new();
    for (name, expected) in EXPECTED {
        let found = report.find(name).unwrap_or("(nothing was reported)");
        if found != expected && !ignored.contains(&name) {
            wrong += &format!("{name}: {found}\n");
        }
    }
    let is_good = wrong.is_empty() && ended.is_ok();
    let complaints = std::fs::read(complaints.path()).unwrap();
    let complaints = String::from_utf8_lossy(&complaints);
    // Valgrind says of each system call that it does not know that it does not.
    let is_fault = |line: &&str| !line.starts_with("--");
    let complaints: Vec<&str> = complaints.lines().filter(is_fault).take(40).collect();
    let complaints = complaints.join("\n");
    assert!(is_good, "{what}: {ended:?}\n{wrong}{complaints}");
}

/// Whether this program is installed; if not, what is not tested is printed.
fn has(program: &str) -> bool {
    let tried = Command::new(program).arg("--version").output();
    if tried.is_err() {
        not_tested(&format!("throng under {program}, which is not installed"));
    }
    tried.is_ok()
}

/// The mechanisms that an emulator may be expected to have.
fn for_each_emulated_mechanism(test: impl Fn(Mechanism) + Send + Sync + 'static) {
    for_each_mechanism(move |mechanism| {
        if mechanism != Mechanism::IoUring {
            test(mechanism);
        }
    });
}

fn emulator() -> String {
    format!("qemu-{}", std::env::consts::ARCH)
}

#[test]
fn processes_start_and_fail_under_qemu_as_they_do_natively() {
    if has(&emulator()) {
        for_each_emulated_mechanism(|mechanism| {
            let probe = probe!(mechanism, "basics").by(&emulator());
            assert_as_expected(probe, "under qemu", &[]);
        });
    }
}

/// Valgrind keeps descriptors of its own, which are not marked close-on-exec in all versions.
#[test]
fn processes_start_and_fail_under_valgrind_and_it_finds_no_fault() {
    if has("valgrind") {
        for_each_emulated_mechanism(|mechanism| {
            let probe = probe!(mechanism, "basics").by("valgrind -q --error-exitcode=9");
            assert_as_expected(probe, "under valgrind", &["descriptors"]);
        });
    }
}

/// The program itself, which is built beside the probe when the whole suite is built.
fn program() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_probe")).with_file_name("throng");
    if program.exists() {
        return Some(program);
    }
    not_tested("the program `throng` under emulators, for it is not built");
    None
}

/// What a program writes to both streams, and its exit code, if it ends at all.
fn said(words: &[&OsStr]) -> (String, String, Option<i32>) {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", "100"]).args(words);
    let output = command.stdin(Stdio::null()).output();
    let output = output.expect("timeout(1) is there");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code();
    (text(&output.stdout), text(&output.stderr), code)
}

#[test]
fn the_program_runs_commands_under_emulators() {
    let Some(program) = program() else {
        return;
    };
    for starter in [emulator(), "valgrind -q --error-exitcode=9".into()] {
        let mut words: Vec<&OsStr> = starter.split(' ').map(OsStr::new).collect();
        if !has(starter.split(' ').next().unwrap_or_default()) {
            continue;
        }
        words.push(program.as_os_str());
        let run = |rest: &[&str]| {
            let rest = rest.iter().map(OsStr::new);
            said(&words.iter().copied().chain(rest).collect::<Vec<_>>())
        };
        let (out, err, code) = run(&["run", "echo", "hi", ":::", "x"]);
        assert_eq!(
            (out.as_str(), code),
            ("hi x\n", Some(0)),
            "{starter}: {err}"
        );
        for (missing, why) in [
            ("/no/such/program", "No such file or directory (os error 2)"),
            ("/etc/passwd", "Permission denied (os error 13)"),
        ] {
            let (_, err, code) = run(&["run", missing, ":::", "x"]);
            assert!(err.contains(why), "{starter}: {code:?}: {err}");
            assert_ne!(code, Some(0), "{starter}: {err}");
        }
    }
}

/// Wrappers of `execve`, as build tools and profilers have, may need much of the stack.
const HUNGRY: &str = r#"
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int execve(const char *program, char *const argv[], char *const envp[]) {
    volatile char frame[65000];
    memset((void *)frame, 7, sizeof frame);
    if (frame[64999] != 7)
        return -1;
    return syscall(SYS_execve, program, argv, envp);
}
"#;

#[test]
fn a_library_whose_execve_uses_much_stack_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("hungry.c"), dir.path().join("hungry.so"));
    std::fs::write(&source, HUNGRY).unwrap();
    let mut compiler = Command::new("cc");
    let compiler = compiler
        .args(["-shared", "-fPIC", "-O0", "-o"])
        .arg(&library);
    match compiler.arg(&source).output() {
        Err(error) => {
            return not_tested(&format!("a hungry library, for cc does not run: {error}"));
        }
        Ok(output) => assert!(output.status.success(), "{output:?}"),
    }
    let library = library.to_str().unwrap().to_owned();
    for_each_mechanism(move |mechanism| {
        let mut probe = probe!(mechanism, "basics");
        probe.command.env("LD_PRELOAD", &library);
        assert_as_expected(probe, "with a hungry execve", &[]);
    });
}
