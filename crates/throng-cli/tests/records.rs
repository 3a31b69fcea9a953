//! Records of a run beside files that are not its own, however they got there.

use std::fs;
use std::path::Path;

use crate::program::{child, output, stderr, stdout};

#[test]
fn a_record_file_that_is_our_stdout_or_stderr_is_written_through_it() {
    for (option, name) in [("--joblog", "log"), ("--results", "x.csv")] {
        for stream in ["stdout", "stderr"] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join(name);
            fs::write(&path, "one\n").unwrap();
            let file = fs::File::options().append(true).open(&path).unwrap();
            let mut command = crate::program::run(&[option, path.to_str().unwrap()]);
            command.args([child(), ":::", "tag:a"]);
            match stream {
                "stdout" => command.stdout(file),
                _ => command.stderr(file),
            };
            let output = crate::program::finish(command.spawn().unwrap());
            assert!(output.status.success(), "{output:?}");
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "{name}");
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!((lines.len(), lines[0]), (3, "one"), "{option} {stream}");
            assert!(lines[1].starts_with("Seq"), "{text}");
            // The existing file cannot be continued: it is not ours alone.
            let mut command =
                crate::program::run(&["--resume", "--joblog", path.to_str().unwrap()]);
            let file = fs::File::options().append(true).open(&path).unwrap();
            command.args([child(), ":::", "outs:x"]).stdout(file);
            let refused = crate::program::finish(command.spawn().unwrap());
            assert!(
                stderr(&refused).contains("is our stdout or stderr"),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn only_a_record_file_is_moved_or_replaced() {
    for (option, name) in [
        ("--joblog", "log"),
        ("--results", "x.csv"),
        ("--results", "x.tsv"),
        ("--results", "x.jsonl"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let read = |name: &str| fs::read_to_string(at(name)).unwrap();
        let path = at(name);
        let run = || output(&[option, path.to_str().unwrap(), child(), ":::", "tag:a"]);
        fs::write(&path, "precious\nand more\n").unwrap();
        for _ in 0..2 {
            let refused = run();
            assert_eq!(refused.status.code(), Some(255), "{refused:?}");
            assert!(stderr(&refused).contains("begins with \"precious\""));
            assert_eq!(stderr(&refused).lines().count(), 1);
            assert_eq!(read(name), "precious\nand more\n");
        }
        fs::remove_file(&path).unwrap();
        fs::write(at(&format!("{name}~")), "precious too").unwrap();
        let mut texts = Vec::new();
        for _ in 0..3 {
            assert!(run().status.success(), "{name}");
            texts.push(read(name));
        }
        assert_eq!(read(&format!("{name}~")), "precious too");
        assert_eq!(read(&format!("{name}~2")), texts[1]);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
    }
}

#[test]
fn a_log_and_a_table_in_one_file_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.csv");
    let path = path.to_str().unwrap();
    let refused = output(&["--joblog", path, "--results", path, child(), ":::", "tag:a"]);
    assert_eq!(refused.status.code(), Some(255), "{refused:?}");
    assert!(
        stderr(&refused).contains("are the same file"),
        "{refused:?}"
    );
    assert!(!Path::new(path).exists());
}

#[test]
fn a_file_of_another_value_is_not_a_result_and_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results");
    let name = format!("{}/{{}}", path.display());
    let run = |option: &[&str], name: &str, values: &[&str]| {
        let words = ["-j1", "--group", "--results", name, child()];
        let steps = ["outs:{} ", "errs:e", "tag:{}", ":::"];
        output(&[option, &words[..], &steps, values].concat())
    };
    assert_eq!(stdout(&run(&[], &name, &["a"])), "a ");
    let again = run(&["--resume"], &name, &["a.err", "a.seq", "a"]);
    assert_eq!(stdout(&again), "a.err a.seq ", "{again:?}");
    assert_eq!(fs::read_to_string(path.join("a.err")).unwrap(), "e");
    assert_eq!(fs::read_to_string(path.join("a.seq")).unwrap(), "1");
    let none = run(&["--resume"], &name, &["a.err", "a.seq", "a"]);
    assert_eq!(stdout(&none), "", "each is done: {none:?}");
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(stdout(&run(&[], &name, &["a.err"])), "a.err ");
    let added = run(&[], &format!("+{name}"), &["a"]);
    assert_eq!(stdout(&added), "a ");
    assert_eq!(fs::read_to_string(path.join("a.err")).unwrap(), "a.err ");

    // Without a number nothing identifies the command that a file belongs to.
    let words = ["--results-files=output", "--resume"];
    let refused = run(&words, &name, &["a"]);
    assert_eq!((refused.status.code(), stdout(&refused)), (Some(255), ""));
    assert!(
        stderr(&refused).contains("--resume needs --joblog"),
        "{refused:?}"
    );
    let slashed = run(&words, &format!("{name}/"), &["b"]);
    assert_eq!(stdout(&slashed), "b ", "{slashed:?}");
}
