//! Results in files: trees and tables.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{child, output, stderr, stdout};
use tempfile::TempDir;

/// Each file below this directory, with `/` between names, and its contents; sorted.
fn files(root: &Path) -> Vec<(String, String)> {
    fn visit(directory: &Path, prefix: &str, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                visit(&entry.path(), &format!("{name}/"), found);
            } else {
                found.push((name, fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    visit(root, "", &mut found);
    found.sort();
    found
}

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results");
    (directory, path)
}

fn expected(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, text): &(&str, &str)| (String::from(*name), String::from(*text));
    files.iter().map(owned).collect()
}

#[test]
fn each_command_has_a_directory_with_its_streams_and_its_number() {
    let (_directory, path) = directory();
    let words = ["--results", path.to_str().unwrap(), child()];
    let steps = [
        "outs:{1}",
        "errs:{2}",
        "tag:{1}{2}",
        ":::",
        "a",
        "b",
        ":::",
        "x y",
    ];
    let output = output(&[&words[..], &steps].concat());
    assert_eq!((stdout(&output), stderr(&output)), ("", ""));
    let all = [
        ("1/a/2/x y/seq", "1"),
        ("1/a/2/x y/stderr", "x y"),
        ("1/a/2/x y/stdout", "a"),
        ("1/b/2/x y/seq", "2"),
        ("1/b/2/x y/stderr", "x y"),
        ("1/b/2/x y/stdout", "b"),
    ];
    assert_eq!(files(&path), expected(&all));
}

#[test]
fn output_is_also_printed_on_request() {
    let (_directory, path) = directory();
    let words = ["--group", "--results", path.to_str().unwrap(), child()];
    let output = output(&[&words[..], &["outs:{}", ":::", "a"]].concat());
    assert_eq!(stdout(&output), "a");
    assert_eq!(files(&path).len(), 3);
}

#[test]
fn values_become_valid_file_names_and_none_leads_out_of_the_directory() {
    let (_directory, path) = directory();
    let words = [
        "--results",
        path.to_str().unwrap(),
        child(),
        "outs:{}",
        ":::",
    ];
    let values = [
        "..", ".", "", "a/b", "a\\b", "../../x", "nul", "x:y", "x?", "end.",
    ];
    let output = output(&[&words[..], &values].concat());
    assert!(output.status.success(), "{output:?}");
    let mut said: Vec<String> = files(&path)
        .into_iter()
        .filter(|(name, _)| {
            assert_eq!(name.split('/').count(), 3, "{name}");
            name.ends_with("/stdout")
        })
        .map(|(_, text)| text)
        .collect();
    said.sort();
    let mut values = values.to_vec();
    values.sort_unstable();
    assert_eq!(said, values);
}

#[test]
fn commands_with_the_same_values_do_not_lose_their_results() {
    let (_directory, path) = directory();
    let words = [
        "-j1",
        "--results",
        path.to_str().unwrap(),
        child(),
        "outs:{#}",
        "tag:{}",
    ];
    output(&[&words[..], &[":::", "a", "a"]].concat());
    let files = files(&path);
    let mut said: Vec<&str> = files
        .iter()
        .filter(|(name, _)| name.ends_with("/stdout"))
        .map(|(_, text)| &text[..])
        .collect();
    said.sort_unstable();
    assert_eq!(said, ["1", "2"], "{files:?}");
}

#[test]
fn results_go_to_a_name_with_placeholders() {
    let (_directory, path) = directory();
    let pattern = format!("{}/out_{{}}", path.display());
    output(&[
        "--results",
        &pattern,
        child(),
        "outs:{}",
        "errs:e",
        ":::",
        "a",
    ]);
    let all = [("out_a", "a"), ("out_a.err", "e"), ("out_a.seq", "1")];
    assert_eq!(files(&path), expected(&all));
    fs::remove_dir_all(&path).unwrap();
    output(&[
        "--results",
        &(pattern + "/"),
        child(),
        "outs:{}",
        ":::",
        "a",
    ]);
    let all = [
        ("out_a/seq", "1"),
        ("out_a/stderr", ""),
        ("out_a/stdout", "a"),
    ];
    assert_eq!(files(&path), expected(&all));
}

#[test]
fn no_value_leads_out_of_the_directory_at_the_start_of_a_name() {
    let (directory, path) = directory();
    let absolute = directory.path().join("absolute");
    let absolute = absolute.to_str().unwrap();
    let name = format!("{}/{{}}.txt", path.display());
    let deep = "d/".repeat(3) + "e";
    let values = [
        "../../x",
        "a",
        "../x",
        "b/../../x",
        "..",
        "",
        &deep,
        "b/../c",
    ];
    let words = [
        "-k",
        "--group",
        "--results",
        &name,
        child(),
        "outs:{} ",
        ":::",
    ];
    let output = output(&[&words[..], &values].concat());
    assert_eq!(stdout(&output), format!("a ..  {deep} "));
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let lines: Vec<&str> = stderr(&output).lines().collect();
    assert_eq!(lines.len(), 4, "{output:?}");
    assert!(
        lines[3].contains("has a \"..\" that comes from a value"),
        "{output:?}"
    );
    for line in &lines[..3] {
        assert!(line.starts_with("throng: the list value "), "{line}");
        assert!(line.contains(": --results: \""), "{line}");
        assert!(line.contains("\" is not below \""), "{line}");
        assert!(line.contains("{/} is the last part of a value"), "{line}");
    }
    let outside: Vec<_> = files(directory.path())
        .into_iter()
        .filter(|(name, _)| !name.starts_with("results/"))
        .collect();
    assert_eq!(outside, [], "nothing is made elsewhere");

    // Where the value is the whole name, an absolute path leads out of the current directory.
    let refused = crate::program::output(&["--results", "{}", child(), "outs:x", ":::", absolute]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(
        stderr(&refused).contains("is not below the current directory"),
        "{refused:?}"
    );
    assert!(!Path::new(absolute).exists());
}

#[test]
fn a_value_that_yields_no_file_name_fails_only_its_command() {
    let (_directory, path) = directory();
    for name in [
        format!("{}/{{}}", path.display()),
        format!("{}/{{}}/", path.display()),
    ] {
        let words = [
            "-k",
            "--group",
            "--results",
            &name,
            child(),
            "outs:{} ",
            ":::",
        ];
        let output = output(&[&words[..], &["..", "", ".", "a"]].concat());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert_eq!(stdout(&output), "a ");
        assert_eq!(stderr(&output).lines().count(), 3, "{output:?}");
        fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn results_that_cannot_be_written_under_their_name_do_not_end_the_run() {
    let (directory, path) = directory();
    let log = directory.path().join("log");
    let name = format!("{}/{{}}", path.display());
    let words = [
        "-j1",
        "--group",
        "--joblog",
        log.to_str().unwrap(),
        "--results",
        &name,
        child(),
        "outs:{} ",
        ":::",
    ];
    // The second needs a directory where the first has a file; no system takes the third.
    let long = "x".repeat(300);
    let output = output(&[&words[..], &["a", "a/b", &long, "c"]].concat());
    assert_eq!(stdout(&output), "a c ", "they are not run: {output:?}");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let lines: Vec<&str> = stderr(&output).lines().collect();
    assert_eq!(lines.len(), 2, "{output:?}");
    assert!(
        lines[0].starts_with("throng: the list value 2: --results \""),
        "{lines:?}"
    );
    assert!(
        lines[0].contains("results of an earlier value"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("throng: the list value 3: --results \""),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("a name of 300 characters is too long"),
        "{lines:?}"
    );
    assert!(lines[1].len() < 250, "{lines:?}");
    let logged = fs::read_to_string(&log).unwrap();
    assert_eq!(logged.lines().count(), 3, "what is not run is not logged");
}

#[test]
fn no_result_file_is_written_twice_and_each_value_has_all_of_its_files() {
    for values in [
        ["a", "a.err", "a.seq"],
        ["a.seq", "a.err", "a"],
        ["a", "a#3", "a"],
        ["a", "x/../a", "./a"],
        ["a", "a//", "a/stdout"],
        ["a/", "a/stdout", "a/stdout.err"],
    ] {
        for all in [true, false] {
            let (_directory, path) = directory();
            let name = format!("{}/{{}}", path.display());
            let mut words = vec!["-j1", "--results", &name, "--results-files"];
            words.extend([if all { "all" } else { "output" }, child()]);
            words.extend(["outs:out{#}", "errs:err{#}", "tag:{}", ":::"]);
            let output = output(&[&words[..], &values].concat());
            let refused = stderr(&output).lines().count();
            assert_eq!(output.status.code(), Some(i32::try_from(refused).unwrap()));
            let files = files(&path);
            for number in 1..=3 - refused {
                for said in [format!("out{number}"), format!("err{number}")] {
                    let held = files.iter().filter(|(_, text)| *text == said).count();
                    assert_eq!(held, 1, "{values:?} {said} {files:?}");
                }
            }
            let each = if all { 3 } else { 2 };
            assert_eq!(files.len(), each * (3 - refused), "{values:?} {files:?}");
        }
    }
}

#[test]
fn an_existing_result_name_is_not_overwritten() {
    let (_directory, path) = directory();
    let name = format!("{}/{{}}", path.display());
    let run = |options: &[&str], name: &str, values: &[&str]| {
        let words = [
            "-k",
            "--group",
            "--results",
            name,
            child(),
            "outs:{#} ",
            "tag:{}",
            ":::",
        ];
        output(&[options, &words[..], values].concat())
    };
    assert!(run(&[], &name, &["a", "b", "a"]).status.success());
    let before = files(&path);
    assert_eq!(
        before.len(),
        9,
        "the same value twice is no earlier run: {before:?}"
    );
    let refused = run(&[], &name, &["b", "c"]);
    assert_eq!((refused.status.code(), stdout(&refused)), (Some(255), ""));
    assert!(
        stderr(&refused).contains("it is there already: --resume runs what is missing"),
        "{refused:?}"
    );
    assert_eq!(stderr(&refused).lines().count(), 1);
    assert_eq!(files(&path), before);
    assert_eq!(stdout(&run(&["--resume"], &name, &["a", "c"])), "2 ");
    assert_eq!(stdout(&run(&[], &format!("+{name}"), &["b", "a"])), "1 2 ");
    assert_eq!(fs::read_to_string(path.join("a")).unwrap(), "2 ");
}

#[test]
fn unselected_result_files_are_not_written() {
    let (_directory, path) = directory();
    let run = |name: &str, option: &str| {
        let words = [
            "--results",
            name,
            option,
            child(),
            "outs:x",
            "errs:{}",
            ":::",
        ];
        let output = output(&[&words[..], &["", "e"]].concat());
        assert!(output.status.success(), "{output:?}");
        let all = files(&path);
        all.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let name = format!("{}/{{#}}", path.display());
    assert_eq!(run(&name, "--results-files=output"), ["1", "2", "2.err"]);
    fs::write(path.join("1.err"), "of an earlier run").unwrap();
    let plus = format!("+{name}");
    assert_eq!(run(&plus, "--results-files=output"), ["1", "2", "2.err"]);
    let all = ["1", "1.err", "1.seq", "2", "2.err", "2.seq"];
    assert_eq!(run(&plus, "--results-files=all"), all);
    fs::remove_dir_all(&path).unwrap();
    let directory = path.to_str().unwrap();
    let in_directories = run(directory, "--results-files=output");
    let escaped = &in_directories[0];
    assert!(
        escaped.ends_with("/stdout") && in_directories.len() == 3,
        "{in_directories:?}"
    );
    for words in [&["--results", "x.csv"][..], &[]] {
        let words = [words, &["--results-files", "all", child(), ":::", "outs:x"]].concat();
        let refused = output(&words);
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(255), ""));
        assert!(stderr(&refused).contains("--results-files"), "{refused:?}");
    }
}

#[test]
fn a_replaced_table_is_kept_as_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["x.csv", "x.jsonl"] {
        let path = directory.path().join(name);
        let run = |value: &str| {
            let words = ["--results", path.to_str().unwrap(), child(), ":::"];
            let output = output(&[&words[..], &[value]].concat());
            assert!(output.status.success(), "{output:?}");
            stderr(&output).to_owned()
        };
        assert_eq!(run("outs:first"), "");
        let first = fs::read_to_string(&path).unwrap();
        assert!(run("outs:second").contains("of an earlier run is kept as"));
        let aside = directory.path().join(format!("{name}~"));
        assert_eq!(fs::read_to_string(aside).unwrap(), first);
        assert!(!fs::read_to_string(&path).unwrap().contains("first"));
    }
}

#[test]
fn commands_with_results_in_the_directory_are_not_rerun() {
    let (_directory, path) = directory();
    let run = |option: &[&str], values: &[&str]| {
        let words = [
            "-k",
            "--group",
            "--results",
            path.to_str().unwrap(),
            child(),
            "outs:{}",
        ];
        output(&[option, &words[..], &[":::"], values].concat())
    };
    assert_eq!(stdout(&run(&[], &["a", "b"])), "ab");
    let resumed = run(&["--resume"], &["c", "a", "b", "d"]);
    assert_eq!(stdout(&resumed), "cd");
    let said = "throng: --resume: 2 commands already done\n";
    assert_eq!(stderr(&resumed), said);
    let refused = run(&[], &["e"]);
    assert_eq!(refused.status.code(), Some(255));
    let named = format!("--results {} holds results already", path.display());
    assert!(stderr(&refused).contains(&named), "{refused:?}");
    assert_eq!(
        (stdout(&refused), stderr(&refused).lines().count()),
        ("", 1)
    );
    let plus = format!("+{}", path.display());
    let added = output(&["--results", &plus, child(), "outs:new{}", ":::", "a"]);
    assert!(added.status.success(), "{added:?}");
    let stdouts: Vec<_> = files(&path)
        .into_iter()
        .filter_map(|(name, text)| name.ends_with("stdout").then_some(text))
        .collect();
    assert_eq!(stdouts, ["newa", "b", "c", "d"]);
}

#[test]
fn tables_contain_all_facts_and_the_output() {
    let directory = tempfile::tempdir().unwrap();
    for (name, separator) in [("x.csv", b','), ("x.TSV", b'\t')] {
        let path = directory.path().join(name);
        let words = ["-k", "--results", path.to_str().unwrap(), child()];
        let steps = [
            "outs:a\tb,\"{1}\"\n",
            "errs:{2}\n",
            "exit:{1}",
            ":::",
            "0",
            "3",
            ":::",
            "x",
        ];
        let output = output(&[&words[..], &steps].concat());
        assert_eq!(stdout(&output), "");
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .from_path(&path)
            .unwrap();
        let head = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        let column = |row: usize, name: &str| {
            let at = head.iter().position(|column| column == name).unwrap();
            rows[row][at].to_owned()
        };
        assert_eq!(column(1, "Seq"), "2");
        assert_eq!(column(1, "Exitval"), "3");
        assert_eq!((column(1, "V1"), column(1, "V2")), ("3".into(), "x".into()));
        assert_eq!(column(1, "Stdout"), "a\tb,\"3\"\n");
        assert_eq!(column(0, "Stderr"), "x\n");
        assert_eq!(column(0, "StdoutVerdict"), "complete");
        assert_eq!(head.iter().next_back(), Some("Shell"));
    }
}

#[test]
fn tables_can_go_to_stdout() {
    let words = [
        "-k",
        "--results",
        "-.csv",
        child(),
        "outs:{}",
        ":::",
        "a",
        "b",
    ];
    let output = output(&words);
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("Seq,Host,Starttime,"), "{lines:?}");
    assert!(lines[1].contains(",a,a,,"), "{lines:?}");
}

#[test]
fn json_lines_can_go_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.jsonl");
    let words = ["-k", "--results", path.to_str().unwrap(), child()];
    output(&[&words[..], &["outs:{}", ":::", "a", "b"]].concat());
    let text = fs::read_to_string(&path).unwrap();
    let objects: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(
        (&objects[1]["seq"], &objects[1]["stdout"]),
        (&2.into(), &"b".into())
    );
}

#[test]
fn a_table_is_continued_if_the_job_log_records_what_was_run() {
    let directory = tempfile::tempdir().unwrap();
    let [table, log] = ["x.csv", "log"].map(|name| directory.path().join(name));
    let [table, log] = [&table, &log].map(|path| path.to_str().unwrap());
    let run = |option: &[&str], values: &[&str]| {
        let words = [
            "--results",
            table,
            "--joblog",
            log,
            child(),
            "outs:{}",
            ":::",
        ];
        output(&[option, &words[..], values].concat())
    };
    run(&[], &["a"]);
    run(&["--resume"], &["a", "b"]);
    let lines = fs::read_to_string(table).unwrap().lines().count();
    assert_eq!(lines, 3);
}

#[test]
fn results_that_cannot_be_written_or_resumed_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    let file = file.to_str().unwrap();
    let below = format!("{file}/x.csv");
    let log = directory.path().join("log");
    let log = log.to_str().unwrap();
    for (words, named) in [
        (&["--results", file][..], file),
        (&["--results", &below], &below),
        (&["--results", ""], "--results \"\""),
        (&["--results", "x{9}"], "{9}"),
        (
            &["--resume", "--results", "x.csv"],
            "--resume needs --joblog",
        ),
        (
            &["--resume-failed", "--results", "x"],
            "--resume-failed needs --joblog",
        ),
        (
            &["--retry-failed", "--joblog", log, "--results", "x"],
            "--resume-failed",
        ),
        (&["--group", "--results", "-.csv"], "-.csv goes to stdout"),
    ] {
        let output = output(&[words, &[child(), "outs:x", ":::", "outs:y"]].concat());
        assert_eq!(output.status.code(), Some(255), "{words:?} {output:?}");
        assert_eq!(stdout(&output), "", "{words:?}");
        assert!(stderr(&output).contains(named), "{words:?} {output:?}");
        assert_eq!(stderr(&output).lines().count(), 1, "{words:?} {output:?}");
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "precious");
}
