//! What a process finds when it starts: only what was listed for it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::io::FdFlags;
use throng::{Command, Mechanism, Stdin, Throng};
use throng_tests::{assert_complete, child, for_each_mechanism, probe, run_one};

/// What the child says.
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
fn variables_are_inherited_changed_removed_and_cleared() {
    for_each_mechanism(|mechanism| {
        let own = std::env::var("PATH").unwrap();
        assert_eq!(said(mechanism, &child!("env:PATH")), own);
        assert_eq!(
            said(mechanism, child!("env:THRONG_X").env("THRONG_X", "a=b")),
            "a=b"
        );
        assert_eq!(
            said(mechanism, child!("env:THRONG_X").env("THRONG_X", "")),
            ""
        );
        assert_eq!(
            said(mechanism, child!("env:HOME").env("HOME", "/other")),
            "/other"
        );
        assert_eq!(
            said(mechanism, child!("env:HOME").env_remove("HOME")),
            "(not set)"
        );
        let mut cleared = child!("env:A outs:- env:B outs:- env:HOME");
        cleared
            .env("A", "1")
            .env_clear()
            .env("B", "2")
            .env("PATH", &own);
        assert_eq!(said(mechanism, &cleared), "(not set)-2-(not set)");
        let mut again = child!("env:A");
        again.env_remove("A").env("A", "3");
        assert_eq!(said(mechanism, &again), "3");
    });
}

#[test]
fn a_program_with_a_path_is_found_whatever_the_search_path() {
    for_each_mechanism(|mechanism| {
        assert_eq!(
            said(mechanism, child!("env:PATH").env("PATH", "/other")),
            "/other"
        );
        assert_eq!(
            said(mechanism, child!("env:PATH").env_remove("PATH")),
            "(not set)"
        );
        assert_eq!(said(mechanism, child!("env:PATH").env_clear()), "(not set)");
    });
}

#[test]
fn variables_need_not_be_text() {
    for_each_mechanism(|mechanism| {
        let value = OsStr::from_bytes(b"\xff\xfe line\nline");
        let outcome = run_one(mechanism, child!("env:THRONG_X").env("THRONG_X", value));
        assert_eq!(outcome.stdout(), value.as_bytes());
    });
}

#[test]
fn a_variable_whose_name_is_none_is_refused() {
    for_each_mechanism(|mechanism| {
        for key in ["", "A=B"] {
            let outcome = run_one(mechanism, child!("out:5").env(key, "value"));
            assert!(outcome.start_error().is_some(), "\"{key}\"");
        }
    });
}

#[test]
fn a_program_is_looked_up_in_the_path_of_its_command() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let child = env!("CARGO_BIN_EXE_child");
        std::os::unix::fs::symlink(child, dir.path().join("found-here")).unwrap();
        let mut command = Command::new("found-here");
        command.arg("outs:hello");
        assert!(
            run_one(mechanism, &command).start_error().is_some(),
            "not in our own PATH"
        );
        let path = std::env::join_paths([other.path(), dir.path()]).unwrap();
        assert_eq!(said(mechanism, command.env("PATH", path)), "hello");
        let mut cleared = Command::new("found-here");
        cleared.env_clear();
        assert!(run_one(mechanism, &cleared).start_error().is_some());
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
fn a_process_works_in_the_directory_of_its_command() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(dir.path()).unwrap();
        let own = std::env::current_dir().unwrap();
        assert_eq!(said(mechanism, &child!("cwd")), own.to_str().unwrap());
        let said_dir = said(mechanism, child!("cwd").current_dir(&path));
        assert_eq!(said_dir, path.to_str().unwrap());
        assert_eq!(
            std::env::current_dir().unwrap(),
            own,
            "ours is where it was"
        );
    });
}

#[test]
fn a_relative_program_counts_from_the_directory_of_its_command() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        let child = env!("CARGO_BIN_EXE_child");
        std::os::unix::fs::symlink(child, dir.path().join("bin/here")).unwrap();
        for program in ["./bin/here", "bin/here"] {
            let mut command = Command::new(program);
            assert_eq!(
                said(mechanism, command.arg("outs:yes").current_dir(dir.path())),
                "yes"
            );
        }
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
