//! The job log: what is written, and how a run is resumed from it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use crate::program::{child, output, output_with_stdin, stderr, stdout};
use tempfile::TempDir;

/// GNU parallel's columns.
const BEFORE: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand";

struct Log {
    _dir: TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Log {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        Log { _dir: dir, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// The columns of each line after the first.
    fn lines(&self) -> Vec<Vec<String>> {
        let text = self.text();
        let columns = |line: &str| line.split('\t').map(String::from).collect();
        text.lines().skip(1).map(columns).collect()
    }

    /// Sequence number and exit value of each line, in order.
    fn endings(&self) -> Vec<(u64, i64)> {
        let lines = self.lines();
        let ending = |line: &Vec<String>| (line[0].parse().unwrap(), line[6].parse().unwrap());
        lines.iter().map(ending).collect()
    }
}

fn numbers(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let number = |line: &str| line.split('\t').next().unwrap().to_owned();
    text.lines().skip(1).map(number).collect()
}

#[test]
fn each_command_has_a_line_with_the_columns_of_gnu_parallel_and_then_ours() {
    let log = Log::new();
    let words = [
        "-k",
        "--joblog",
        log.path(),
        child(),
        "outs:four",
        "exit:{}",
    ];
    output(&[&words[..], &[":::", "0", "3"]].concat());
    let header = log.text().lines().next().unwrap().to_owned();
    assert!(header.starts_with(BEFORE), "{header}");
    assert!(header.ends_with("\tTimedOut\tAttempt\tShell"), "{header}");
    let lines = log.lines();
    assert_eq!(lines.len(), 2);
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(line.len(), header.split('\t').count(), "{line:?}");
        assert_eq!(line[0], (n + 1).to_string());
        assert_eq!((&line[1][..], &line[4][..], &line[5][..]), (":", "0", "4"));
        assert_eq!(line[7], "0");
        assert!(line[2].parse::<f64>().unwrap() > 1e9, "{line:?}");
        assert_eq!((&line[13][..], &line[14][..]), ("complete", "complete"));
    }
    assert_eq!((&lines[0][6][..], &lines[1][6][..]), ("0", "3"));
    assert!(lines[1][8].ends_with("exit:3"), "{lines:?}");
}

#[test]
fn the_log_records_timeouts_and_start_errors() {
    let log = Log::new();
    let words = ["--joblog", log.path(), "--timeout", "0.1", child(), ":::"];
    output(&[&words[..], &["sleep:30000"]].concat());
    assert_eq!(log.endings(), [(1, -1)]);
    assert_eq!(log.lines()[0][15], "1");
    output(&["--joblog", log.path(), "no-such-program", ":::", "x"]);
    assert_eq!(log.endings(), [(1, 127)]);
}

#[test]
fn a_log_is_started_over_or_appended_to() {
    let log = Log::new();
    let appended = format!("+{}", log.path());
    let run = |target: &str| output(&["--joblog", target, child(), ":::", "exit:0"]);
    run(log.path());
    run(&appended);
    assert_eq!(log.endings(), [(1, 0), (1, 0)]);
    assert_eq!(log.text().matches("Seq\t").count(), 1);
    run(log.path());
    assert_eq!(log.endings(), [(1, 0)]);
}

#[test]
fn a_replaced_log_is_kept_as_a_backup() {
    let log = Log::new();
    let aside = log.path.with_file_name("log~");
    let run = || output(&["--joblog", log.path(), child(), "exit:{}", ":::", "0", "7"]);
    let first = run();
    assert_eq!(stderr(&first), "");
    let earlier = log.text();
    let again = run();
    assert!(
        stderr(&again).contains("of an earlier run is kept as"),
        "{again:?}"
    );
    assert_eq!(stderr(&again).lines().count(), 1, "{again:?}");
    assert_eq!(fs::read_to_string(&aside).unwrap(), earlier);
    assert_eq!(log.endings().len(), 2);
    // A log without lines is not worth keeping.
    let earlier = fs::read_to_string(&aside).unwrap();
    fs::write(
        &log.path,
        log.text().lines().next().unwrap().to_owned() + "\n",
    )
    .unwrap();
    assert_eq!(stderr(&run()), "");
    assert_eq!(fs::read_to_string(&aside).unwrap(), earlier);
}

#[test]
fn bytes_of_stdin_and_stdout_are_counted_even_if_discarded() {
    let log = Log::new();
    for mode in [
        &["--lb"][..],
        &["-u"],
        &["--group"],
        &["--output", "none"],
        &["--max-output", "1"],
    ] {
        let words = [
            "--joblog",
            log.path(),
            child(),
            "out:5000",
            "err:7",
            ":::",
            "exit:0",
        ];
        output(&[mode, &words].concat());
        let line = &log.lines()[0];
        assert_eq!((&line[4][..], &line[5][..]), ("0", "5000"), "{mode:?}");
    }
    let words = [
        "--pipe",
        "-N2",
        "-k",
        "--joblog",
        log.path(),
        child(),
        "cat",
    ];
    output_with_stdin(&words, b"a\nbb\nccc\n");
    let bytes = || -> Vec<_> {
        let lines = log.lines();
        lines.iter().map(|line| line[4..6].join(" ")).collect()
    };
    assert_eq!(bytes(), ["5 5", "4 4"]);
    let words = [
        "--round-robin",
        "-j1",
        "--block",
        "3",
        "--joblog",
        log.path(),
        child(),
        "cat",
    ];
    output_with_stdin(&words, b"a\nbb\nccc\n");
    assert_eq!(bytes(), ["9 9"]);
}

#[test]
fn a_number_in_a_log_takes_no_memory() {
    let log = Log::new();
    let words = [
        "--joblog",
        log.path(),
        child(),
        "outs:{#} ",
        "{}",
        ":::",
        "exit:1",
    ];
    output(&words);
    let text = log.text();
    let (header, line) = text.split_once('\n').unwrap();
    let rest = line.strip_prefix("1\t").unwrap();
    let lines: Vec<String> = [3, 900_000_000, 4_000_000_000_000_000_000, u64::MAX]
        .map(|number| format!("{number}\t{rest}"))
        .into();
    fs::write(&log.path, format!("{header}\n{}", lines.concat())).unwrap();
    let again = output(&["-k", "--retry-failed", "--joblog", log.path()]);
    assert_eq!(again.status.code(), Some(4), "{again:?}");
    assert_eq!(
        stdout(&again),
        "1 1 1 1 ",
        "the commands of the log, in order"
    );
    let dry = output(&["--retry-failed", "--dry-run", "--joblog", log.path()]);
    assert_eq!(stdout(&dry).lines().count(), 4, "{dry:?}");
    let refused = output(&[&["--resume"], &words[..]].concat());
    assert_eq!(refused.status.code(), Some(255), "{refused:?}");
    let trusted = output(&[&["--resume", "--trust-joblog"], &words[..]].concat());
    assert_eq!(stdout(&trusted), "1 ");
}

#[test]
fn a_number_in_a_log_does_not_cause_all_values_to_be_read_before_the_first_start() {
    let log = Log::new();
    let command = [child(), "outs:x", "tag:{}"];
    output(&[&["--joblog", log.path()], &command[..], &[":::", "y"]].concat());
    let text = log.text();
    let (header, line) = text.split_once('\n').unwrap();
    let far = line.replacen("1\t", "4000000000000000000\t", 1);
    fs::write(&log.path, format!("{header}\n{line}{far}")).unwrap();
    let options = [
        "--resume",
        "-j1",
        "--halt",
        "now,done=1",
        "--joblog",
        log.path(),
    ];
    let mut run = crate::program::run(&[&options[..], &command].concat());
    let mut run = run.stdin(Stdio::piped()).spawn().unwrap();
    let mut values = run.stdin.take().unwrap();
    // Endless values, until they are no longer read.
    let feeder = thread::spawn(move || while values.write_all(b"y\ny\ny\ny\n").is_ok() {});
    let output = crate::program::finish(run);
    feeder.join().unwrap();
    assert_eq!(stdout(&output), "x", "{output:?}");
}

#[test]
fn a_resumed_run_reports_once_how_far_it_was() {
    let log = Log::new();
    let run = |options: &[&str], values: &[&str]| {
        let words = ["--joblog", log.path(), child(), "outs:", ":::"];
        let values: Vec<String> = values.iter().map(|value| format!("exit:{value}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let output = output(&[options, &words, &values].concat());
        stderr(&output).to_owned()
    };
    assert_eq!(run(&["--resume"], &["0", "1"]), "", "nothing was there");
    assert_eq!(
        run(&["--resume"], &["0", "1", "0"]),
        "throng: --resume: 2 commands already done, 1 to run\n"
    );
    assert_eq!(
        run(&["--resume-failed"], &["0", "1", "0", "0"]),
        "throng: --resume-failed: 2 commands already done, 2 to run\n"
    );
    assert_eq!(
        run(&["--retry-failed"], &[]),
        "throng: --retry-failed: 1 command failed, to run again\n"
    );
    let words = [
        "--resume",
        "--joblog",
        log.path(),
        child(),
        "outs:",
        "exit:{}",
    ];
    let from_stdin = output_with_stdin(&words, b"");
    assert_eq!(from_stdin.status.code(), Some(255), "{from_stdin:?}");
}

#[test]
fn a_command_with_other_quoting_is_refused_with_both_lines() {
    let log = Log::new();
    let line = "1\t:\t1795647438.538\t     0.000\t0\t2\t0\t0\techo a\\ b\n";
    fs::write(&log.path, format!("{BEFORE}\n{line}")).unwrap();
    let words = [
        "--resume",
        "--joblog",
        log.path(),
        "echo",
        ":::",
        "a b",
        "c",
    ];
    let refused = output(&words);
    assert_eq!(refused.status.code(), Some(255), "{refused:?}");
    let dry = output(&["--dry-run", "echo", ":::", "a b"]);
    let ours = stdout(&dry).trim_end();
    let shown = format!("command 1 is \"{ours}\" here and \"echo a\\ b\" there, for the shell");
    assert!(stderr(&refused).contains(&shown), "{refused:?}");
    assert_eq!(stderr(&refused).lines().count(), 1);
}

#[test]
fn a_log_begun_by_gnu_parallel_is_continued_in_its_columns() {
    let log = Log::new();
    let first = "1\t:\t1795647438.538\t     0.000\t0\t2\t0\t0\techo 0; exit 0\n";
    fs::write(&log.path, format!("{BEFORE}\n{first}")).unwrap();
    let words = ["--resume", "--trust-joblog", "--joblog", log.path()];
    let values = [child(), ":::", "exit:7", "exit:0"];
    let output = output(&[&words[..], &values].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(log.endings(), [(1, 0), (2, 0)]);
    assert_eq!(log.lines()[1].len(), 9);
}

#[test]
fn a_run_resumes_where_the_log_ends() {
    let log = Log::new();
    let run = |option: &[&str], values: &[&str]| {
        let words = [
            "-k",
            "--joblog",
            log.path(),
            child(),
            "outs:{#} ",
            "{}",
            ":::",
        ];
        output(&[option, &words[..], values].concat())
    };
    run(&[], &["exit:0", "exit:1", "exit:2"]);
    let all = ["exit:0", "exit:1", "exit:2", "exit:0", "exit:5"];

    let dry = stdout(&run(&["--resume", "--dry-run"], &all))
        .lines()
        .count();
    assert_eq!(dry, 2);
    let resumed = run(&["--resume"], &all);
    assert_eq!(stdout(&resumed), "4 5 ");
    assert_eq!(log.endings(), [(1, 0), (2, 1), (3, 2), (4, 0), (5, 5)]);

    let failed = run(&["--resume-failed"], &all);
    assert_eq!(stdout(&failed), "2 3 5 ");
    assert_eq!(failed.status.code(), Some(3));
    assert_eq!(numbers(&log.path).len(), 8);
}

#[test]
fn failed_commands_are_rerun_from_the_log_alone() {
    let log = Log::new();
    let marker = log.path.with_file_name("marker");
    // The step fails as long as the file exists.
    let step = format!("claim:{}", marker.display());
    fs::write(&marker, "").unwrap();
    let values = ["outs:a b", &step, "outs:c"];
    output(
        &[
            &["--joblog", log.path(), child(), "outs:{#}", "{}", ":::"],
            &values[..],
        ]
        .concat(),
    );
    assert_eq!(
        stdout(&output(&[
            "--retry-failed",
            "--joblog",
            log.path(),
            "never"
        ])),
        "2"
    );
    fs::remove_file(&marker).unwrap();
    let again = output(&["--retry-failed", "--joblog", log.path()]);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(stdout(&again), "2");
    let none_left = output(&["--retry-failed", "--joblog", log.path()]);
    assert_eq!((stdout(&none_left), none_left.status.code()), ("", Some(0)));
}

#[test]
fn shell_scripts_are_logged_and_rerun_as_shell_scripts() {
    let log = Log::new();
    output(&["--shell", "--joblog", log.path(), "exit", ":::", "3"]);
    assert_eq!(log.lines()[0][8], "exit 3");
    let again = output(&["--shell", "--retry-failed", "--joblog", log.path()]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert_eq!(log.endings(), [(1, 3), (1, 3)]);
    let otherwise = output(&["--retry-failed", "--joblog", log.path()]);
    assert_eq!(otherwise.status.code(), Some(255));
    assert!(stderr(&otherwise).contains("with --shell"), "{otherwise:?}");
    assert_eq!(log.lines()[0].last().map(String::as_str), Some("1"));
}

#[test]
fn a_truncated_last_line_is_repaired_and_reported_and_its_command_rerun() {
    let log = Log::new();
    let run = |option: &[&str]| {
        let words = [
            "-k",
            "--joblog",
            log.path(),
            child(),
            "outs:{}",
            ":::",
            "a",
            "b",
        ];
        output(&[option, &words[..]].concat())
    };
    run(&[]);
    let whole = log.text();
    fs::write(&log.path, &whole[..whole.len() - 5]).unwrap();
    let resumed = run(&["--resume"]);
    assert_eq!(stdout(&resumed), "b");
    assert!(
        stderr(&resumed).contains("cut short and is dropped: \"2\\t"),
        "{resumed:?}"
    );
    assert_eq!(stderr(&resumed).lines().count(), 2, "{resumed:?}");
    assert_eq!(log.endings(), [(1, 0), (2, 0)]);
}

#[test]
fn a_log_of_another_run_is_refused_and_left_unchanged() {
    let log = Log::new();
    let run = |option: &[&str], text: &str, values: &[&str]| {
        let words = ["--joblog", log.path(), child(), text, "outs:{}", ":::"];
        output(&[option, &words[..], values].concat())
    };
    run(&[], "outs:x", &["a", "b"]);
    let before = log.text();
    for (text, values, named) in [
        ("outs:y", &["a", "b", "c"][..], "command 1 is"),
        ("outs:x", &["a", "c"], "command 2 is"),
        ("outs:x", &["a"], "it has a command 2, and there is 1 here"),
    ] {
        let refused = run(&["--resume"], text, values);
        assert_eq!(refused.status.code(), Some(255), "{refused:?}");
        assert_eq!(stdout(&refused), "");
        assert_eq!(stderr(&refused).lines().count(), 1);
        assert!(stderr(&refused).contains("--joblog"), "{refused:?}");
        assert!(stderr(&refused).contains(named), "{refused:?}");
        assert_eq!(log.text(), before);
    }
    let trusted = run(&["--resume", "--trust-joblog"], "outs:y", &["a", "b", "c"]);
    assert_eq!(stdout(&trusted), "yc");
}

#[test]
fn an_invalid_log_path_or_content_is_refused_by_name() {
    let log = Log::new();
    fs::write(&log.path, "precious\n").unwrap();
    let appended = format!("+{}", log.path());
    let missing = log.path.with_file_name("no").join("log");
    let missing = missing.to_str().unwrap();
    for (words, named) in [
        (&["--resume", "--joblog", log.path()][..], "\"precious\""),
        (&["--joblog", &appended], "\"precious\""),
        (&["--joblog", missing], missing),
        (&["--joblog", "+"], "--joblog \"+\""),
        (&["--resume"], "--resume needs --joblog"),
        (&["--resume-failed"], "--resume-failed needs --joblog"),
        (&["--retry-failed"], "--retry-failed needs --joblog"),
    ] {
        let output = output_with_stdin(&[words, &[child(), "outs:x"]].concat(), b"outs:y\n");
        assert_eq!(output.status.code(), Some(255), "{words:?} {output:?}");
        assert_eq!(stdout(&output), "", "{words:?}");
        assert!(stderr(&output).contains(named), "{words:?} {output:?}");
        assert_eq!(stderr(&output).lines().count(), 1, "{words:?} {output:?}");
    }
    assert_eq!(log.text(), "precious\n");
}

#[test]
fn commands_run_before_throng_was_killed_are_not_rerun() {
    let log = Log::new();
    let file = log.path.with_file_name("file");
    let wait = format!("wait-file:{}", file.display());
    let words = [
        "-j1",
        "--joblog",
        log.path(),
        child(),
        "{}",
        "outs:{#}",
        ":::",
    ];
    let values = ["tag:a", "tag:b", "tag:c", &wait, "tag:d"];
    let words = [&words[..], &values].concat();
    let mut killed = crate::program::run(&words).spawn().unwrap();
    throng_tests::eventually("three commands are logged", || {
        std::fs::read_to_string(&log.path).is_ok_and(|text| text.lines().count() == 4)
    });
    killed.kill().unwrap();
    crate::program::finish(killed);
    fs::write(&file, "").unwrap();
    let resumed = output(&[&["--resume"], &words[..]].concat());
    assert_eq!(stdout(&resumed), "45");
    assert_eq!(numbers(&log.path), ["1", "2", "3", "4", "5"]);
}

#[test]
fn a_log_can_go_to_stdout() {
    let output = output(&["-k", "--joblog", "-", child(), "outs:{}\n", ":::", "a", "b"]);
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert!(lines[0].starts_with(BEFORE), "{lines:?}");
    assert_eq!((lines.len(), lines[1], lines[3]), (5, "a", "b"));
    assert!(lines[2].starts_with("1\t:\t") && lines[4].starts_with("2\t:\t"));
    let resumed = crate::program::output(&["--resume", "--joblog", "-", child(), ":::", "outs:x"]);
    assert_eq!(resumed.status.code(), Some(255));
    assert!(stderr(&resumed).contains("--resume needs --joblog with a file"));
}
