//! The environment of a process when it starts: variables, a directory, arguments; and how its
//! program is found.

use std::fs;
use std::path::Path;

use throng::{Command, Mechanism};
use throng_tests::{assert_complete, child, for_each_mechanism, install, run_one, script_by_name};

/// The output of the child.
#[track_caller]
fn said(mechanism: Mechanism, command: &Command) -> String {
    let outcome = run_one(mechanism, command);
    assert_complete(&outcome);
    String::from_utf8_lossy(outcome.stdout()).into_owned()
}

/// Puts a copy of the child, or a link to it, there.
fn install_child(dir: &Path, name: &str) {
    install(child!("").get_program(), dir, name);
}

#[test]
fn variables_are_inherited_changed_removed_and_cleared() {
    for_each_mechanism(|mechanism| {
        let own = std::env::var("PATH").unwrap();
        assert_eq!(said(mechanism, &child!("env:PATH")), own);
        let mut set = child!("env:THRONG_X");
        assert_eq!(said(mechanism, set.env("THRONG_X", "a=b")), "a=b");
        assert_eq!(said(mechanism, set.env("THRONG_X", "")), "");
        let mut changed = child!("env:PATH");
        assert_eq!(said(mechanism, changed.env("PATH", "/other")), "/other");
        let mut removed = child!("env:PATH");
        assert_eq!(said(mechanism, removed.env_remove("PATH")), "(not set)");
        let mut cleared = child!("env:A outs:- env:B outs:- env:PATH");
        cleared.env("A", "1").env_clear().env("B", "2");
        assert_eq!(said(mechanism, &cleared), "(not set)-2-(not set)");
        let mut again = child!("env:A");
        assert_eq!(said(mechanism, again.env_remove("A").env("A", "3")), "3");
    });
}

#[test]
fn a_variable_with_an_invalid_name_is_refused() {
    for_each_mechanism(|mechanism| {
        for key in ["", "A=B"] {
            let outcome = run_one(mechanism, child!("out:5").env(key, "value"));
            assert!(outcome.start_error().is_some(), "\"{key}\"");
        }
    });
}

#[test]
fn a_program_with_a_path_is_found_whatever_the_search_path() {
    for_each_mechanism(|mechanism| {
        let mut other = child!("env:PATH");
        assert_eq!(said(mechanism, other.env("PATH", "/other")), "/other");
        let mut none = child!("env:PATH");
        assert_eq!(said(mechanism, none.env_remove("PATH")), "(not set)");
        assert_eq!(said(mechanism, child!("env:PATH").env_clear()), "(not set)");
    });
}

#[test]
fn a_program_is_looked_up_in_the_path_of_its_command() {
    for_each_mechanism(|mechanism| {
        let (other, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        install_child(dir.path(), "found-here");
        let mut command = script_by_name("found-here", "outs:hello");
        let in_our_path = run_one(mechanism, &command);
        assert!(in_our_path.start_error().is_some(), "not in our own PATH");
        let path = std::env::join_paths([other.path(), dir.path()]).unwrap();
        assert_eq!(said(mechanism, command.env("PATH", path)), "hello");
        let mut cleared = script_by_name("found-here", "");
        let outcome = run_one(mechanism, cleared.env_clear());
        assert!(outcome.start_error().is_some());
    });
}

#[test]
fn a_program_in_the_current_directory_is_not_found_by_its_name_alone() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        install_child(dir.path(), "found-here");
        let mut command = script_by_name("found-here", "");
        let outcome = run_one(mechanism, command.current_dir(dir.path()));
        assert!(outcome.start_error().is_some());
    });
}

#[test]
fn a_process_works_in_the_directory_of_its_command() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let real = |path: &str| fs::canonicalize(path).unwrap();
        let own = std::env::current_dir().unwrap();
        let inherited = said(mechanism, &child!("cwd"));
        assert_eq!(real(&inherited), fs::canonicalize(&own).unwrap());
        let given = said(mechanism, child!("cwd").current_dir(dir.path()));
        assert_eq!(real(&given), fs::canonicalize(dir.path()).unwrap());
        let still = std::env::current_dir().unwrap();
        assert_eq!(still, own, "ours is where it was");
    });
}

#[test]
fn a_relative_program_path_is_relative_to_the_directory_of_its_command() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        install_child(&bin, "here");
        for program in ["./bin/here", "bin/here"] {
            let mut command = script_by_name(program, "outs:yes");
            command.current_dir(dir.path());
            assert_eq!(said(mechanism, &command), "yes");
        }
    });
}

#[test]
fn arguments_arrive_unchanged() {
    for_each_mechanism(|mechanism| {
        let long = "x".repeat(30 << 10);
        let args = [
            "",
            " ",
            "a b",
            "line\nline\n",
            "\"'\\$*",
            "--",
            "a\\\\\"b",
            "größe 🦀",
        ];
        for args in [&args[..], &[long.as_str()][..]] {
            let mut command = child!("args");
            let outcome = run_one(mechanism, command.args(args));
            assert_complete(&outcome);
            let with_length =
                |arg: &&str| [&(arg.len() as u64).to_le_bytes(), arg.as_bytes()].concat();
            let expected: Vec<u8> = args.iter().flat_map(with_length).collect();
            assert!(outcome.stdout() == expected, "{args:?}");
        }
    });
}

#[test]
fn many_arguments_arrive() {
    for_each_mechanism(|mechanism| {
        let mut command = child!("args");
        command.args((0..5000).map(|n| n.to_string()));
        let outcome = run_one(mechanism, &command);
        assert_complete(&outcome);
        let with_length = |n: u64| {
            let arg = n.to_string().into_bytes();
            [(arg.len() as u64).to_le_bytes().to_vec(), arg].concat()
        };
        let expected: Vec<u8> = (0..5000).flat_map(with_length).collect();
        assert!(outcome.stdout() == expected);
    });
}
