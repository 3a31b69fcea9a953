//! The environment of a process when it starts: only what was listed for it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::io::FdFlags;
use throng::{Command, ErrorKind, Mechanism, Stdin, Throng};
use throng_tests::{assert_complete, child, for_each_mechanism, probe, run_one};

/// The output of the child.
#[track_caller]
fn said(mechanism: Mechanism, command: &Command) -> String {
    let outcome = run_one(mechanism, command);
    assert_complete(&outcome);
    String::from_utf8_lossy(outcome.stdout()).into_owned()
}

/// Files as careless code in the same program leaves them: not marked close-on-exec.
fn careless_files() -> Vec<fs::File> {
    let files = (0..20).map(|_| fs::File::open("/dev/null").expect("it is there"));
    let files: Vec<fs::File> = files.collect();
    for file in &files {
        rustix::io::fcntl_setfd(file.as_fd(), FdFlags::empty()).expect("it is open");
    }
    files
}

#[test]
fn a_process_has_three_descriptors_and_none_of_ours() {
    for_each_mechanism(|mechanism| {
        // Below and above those of throng.
        let before = careless_files();
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(8)
            .build()
            .unwrap();
        let after = careless_files();
        let mut commands = vec![child!("fds"); 30];
        commands[5].stdin(b"bytes".to_vec());
        commands[6].stdin(Stdin::File("/dev/null".into()));
        for outcome in throng.run(commands) {
            assert_complete(&outcome);
            assert_eq!(String::from_utf8_lossy(outcome.stdout()), "0 1 2");
        }
        drop((before, after));
    });
}

#[test]
fn variables_may_be_invalid_text() {
    for_each_mechanism(|mechanism| {
        let value = OsStr::from_bytes(b"\xff\xfe line\nline");
        let outcome = run_one(mechanism, child!("env:THRONG_X").env("THRONG_X", value));
        assert_eq!(outcome.stdout(), value.as_bytes());
    });
}

#[test]
fn a_file_that_may_not_be_executed_does_not_hide_a_program_further_along_the_path() {
    for_each_mechanism(|mechanism| {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(first.path().join("tool"), "no program").unwrap();
        let child = env!("CARGO_BIN_EXE_child");
        std::os::unix::fs::symlink(child, second.path().join("tool")).unwrap();
        let path = std::env::join_paths([first.path(), second.path()]).unwrap();
        let mut command = Command::new("tool");
        assert_eq!(
            said(mechanism, command.arg("outs:yes").env("PATH", path)),
            "yes"
        );
    });
}

#[test]
fn arguments_arrive_byte_for_byte() {
    for_each_mechanism(|mechanism| {
        let all_bytes: Vec<u8> = (1..=255).collect();
        let long = vec![b'x'; 100 << 10];
        let args: [&[u8]; 9] = [
            b"",
            b" ",
            b"a b",
            b"line\nline\n",
            b"\xff\xfe",
            b"\"'\\$*",
            b"--",
            &all_bytes,
            &long,
        ];
        let mut command = child!("args");
        command.args(args.map(|arg| OsString::from_vec(arg.to_vec())));
        let outcome = run_one(mechanism, &command);
        assert_complete(&outcome);
        let mut rest = outcome.stdout();
        let mut heard: Vec<&[u8]> = Vec::new();
        while let Some((len, after)) = rest.split_first_chunk() {
            let (arg, after) = after.split_at(u64::from_le_bytes(*len) as usize);
            heard.push(arg);
            rest = after;
        }
        assert!(heard == args, "{heard:?}");
    });
}

#[test]
fn many_arguments_arrive() {
    for_each_mechanism(|mechanism| {
        let mut command = child!("args");
        command.args((0..10_000).map(|n| n.to_string()));
        let outcome = run_one(mechanism, &command);
        assert_complete(&outcome);
        let expected: Vec<u8> = (0..10_000u64)
            .flat_map(|n| {
                let arg = n.to_string().into_bytes();
                [(arg.len() as u64).to_le_bytes().to_vec(), arg].concat()
            })
            .collect();
        assert!(outcome.stdout() == expected);
    });
}

#[test]
fn a_process_has_the_limit_on_open_files_that_we_were_started_with() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "soft-limit 256").report();
        assert_eq!(report.text("first"), "256");
        assert_ne!(report.text("own"), "256", "we have raised our own");
    });
}

#[test]
fn a_process_of_a_second_throng_has_that_limit_too() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "soft-limit 256").report();
        assert_eq!(report.text("second"), "256");
    });
}

#[test]
fn the_peak_memory_of_our_parent_is_not_attributed_to_a_process() {
    for_each_mechanism(|mechanism| {
        let probe = probe!(mechanism, "peak 50");
        // The starting program has used more memory than the process, and starts this program as
        // posix_spawn does.
        let starter = [env!("CARGO_BIN_EXE_child"), "alloc:300", "run"];
        let peak: u64 = probe.by_words(&starter).report().get("peak_mib");
        assert!((50..100).contains(&peak), "{peak}");
    });
}

#[test]
fn a_relative_search_path_entry_is_relative_to_the_directory_of_the_command() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_child"), dir.path().join("tool")).unwrap();
    for_each_mechanism(move |mechanism| {
        let throng = Throng::builder().mechanism(mechanism).build().unwrap();
        let mut command = Command::new("tool");
        command.arg("out:10").env("PATH", "/nowhere:.:/bin");
        let missing = throng.spawn(&command).wait().unwrap();
        assert_eq!(missing.start_error().unwrap().kind(), ErrorKind::NotFound);
        command.current_dir(dir.path());
        // Twice: the directory where it was found is not remembered for other programs.
        for _ in 0..2 {
            let outcome = throng.spawn(&command).wait().unwrap();
            assert!(outcome.success(), "{:?}", outcome.start_error());
        }
        command.current_dir("/");
        let missing = throng.spawn(&command).wait().unwrap();
        assert_eq!(missing.start_error().unwrap().kind(), ErrorKind::NotFound);
    });
}
