//! What an outcome means for the run is decided when it arrives, however slowly output is read; and
//! everything that later reports on the run agrees.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::program::{child, finish, output, output_with_stdin, start_with_stdin, stderr, stdout};
use throng_tests::{Tag, eventually, some_of};

/// Runs commands, one or more at a time, with a stdout that is not read at first; returns how many
/// were started.
fn started(options: &[&str], last_step: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let (inside, records) = (dir.path().join("inside"), dir.path().join("records"));
    fs::create_dir(&inside).unwrap();
    let count = || fs::read_dir(&inside).unwrap().count();
    let enter = format!("enter:{}", inside.display());
    let records = records.to_str().unwrap();
    let place = |option: &&str| {
        if *option == "RECORDS" {
            records
        } else {
            option
        }
        .to_owned()
    };
    let options: Vec<String> = options.iter().map(place).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    // More than a pipe holds, and the pipe is not read.
    let words = [
        &options[..],
        &[child(), &enter, "out:200000", last_step, "#"],
    ]
    .concat();
    let values: String = (1..=100).map(|n| format!("{n}\n")).collect();
    let mut program = start_with_stdin(&words, values.as_bytes());
    eventually("the first has been started", || count() > 0);
    // A program that decided when output is printed would start others meanwhile.
    thread::sleep(Duration::from_millis(700));
    let mut rest = Vec::new();
    let mut stdout = program.stdout.take().unwrap();
    stdout.read_to_end(&mut rest).unwrap();
    finish(program);
    count()
}

#[test]
fn nothing_starts_after_the_halting_outcome_even_if_output_is_not_read() {
    let modes: [&[&str]; 6] = [
        &[],
        &["-k"],
        &["--lb"],
        &["--output", "jsonl"],
        &["--results", "RECORDS", "--output", "group"],
        &["--joblog", "RECORDS"],
    ];
    let halts = [
        ("soon,fail=1", "exit:1", 1),
        ("now,fail=1", "exit:1", 1),
        ("now,fail=2", "exit:1", 2),
        ("soon,success=1", "exit:0", 1),
        ("now,success=1", "exit:0", 1),
        ("soon,done=2", "exit:0", 2),
        ("now,fail=2%", "exit:1", 2),
    ];
    let check = |mode: &[&str], jobs: usize, (halt, step, expected): (&str, &str, usize)| {
        let jobs_word = format!("-j{jobs}");
        let count = started(&[mode, &[&jobs_word, "--halt", halt]].concat(), step);
        let most = expected + jobs - 1;
        assert!(
            (expected..=most).contains(&count),
            "{mode:?} {jobs_word} {halt}: {count}"
        );
    };
    thread::scope(|scope| {
        for halt in halts {
            scope.spawn(move || some_of(modes).for_each(|mode| check(mode, 1, halt)));
        }
        scope.spawn(|| some_of(modes).for_each(|mode| check(mode, 4, halts[0])));
    });
}

/// Runs forty failing commands, two at a time; returns what the program printed and how many
/// attempts were made.
fn forty_that_fail(log: &Path, attempts: &Path, options: &[&str]) -> (std::process::Output, usize) {
    fs::create_dir_all(attempts).unwrap();
    let enter = format!("enter:{}", attempts.display());
    let log = log.to_str().unwrap();
    let fixed = ["-j2", "--retries", "3", "--summary", "--joblog", log];
    let words = [&fixed[..], options, &[child(), &enter, "exit:3", "#"]].concat();
    let values: String = (1..=40).map(|n| format!("{n}\n")).collect();
    let output = output_with_stdin(&words, values.as_bytes());
    (output, fs::read_dir(attempts).unwrap().count())
}

#[test]
fn a_retry_precedes_other_commands_and_all_counts_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (log, attempts) = (dir.path().join("log"), dir.path().join("attempts"));
    let (output, count) = forty_that_fail(&log, &attempts, &["--halt", "now,fail=2"]);
    // Two commands, three times each, and the one running beside them, which may be in its last
    // attempt.
    assert!(count <= 9, "{count} attempts: {output:?}");
    // The command beside them may fail for the last time before it is ended.
    let failed = output.status.code().unwrap();
    assert!([2, 3].contains(&failed), "{output:?}");
    let summary = format!("\n  0 succeeded, {failed} failed, ");
    for told in ["2 commands have failed: ", &summary] {
        assert!(stderr(&output).contains(told), "{output:?}");
    }
    let lines = fs::read_to_string(&log).unwrap().lines().count() as i32;
    assert_eq!(lines, 1 + failed, "a header, and those that have failed");
    // Commands with attempts left are run when the run is resumed.
    let (output, _) = forty_that_fail(&log, &attempts, &["--resume"]);
    assert_eq!(output.status.code(), Some(40 - failed), "{output:?}");
    let log = fs::read_to_string(&log).unwrap();
    let lines = log
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect::<Vec<_>>());
    // The columns before the last one are the number of the attempt and the shell.
    assert!(
        lines.clone().all(|line| line[line.len() - 2] == "3"),
        "{log}"
    );
    assert_eq!(lines.count(), 40);
}

#[test]
fn an_error_of_many_starts_is_printed_once_with_a_count() {
    let values: String = (1..=300).map(|n| format!("{n}\n")).collect();
    let run = |options: &[&str]| {
        let words = [options, &["throng-no-such-program"]].concat();
        output_with_stdin(&words, values.as_bytes())
    };
    let told = run(&["--halt", "never"]);
    assert_eq!(told.status.code(), Some(101));
    assert_eq!(stderr(&told).lines().count(), 2, "{told:?}");
    assert!(
        stderr(&told).contains(": the same for 299 other commands\n"),
        "{told:?}"
    );
    // If it is the program of all commands, the first one is enough.
    let told = run(&["-j1"]);
    assert_eq!(told.status.code(), Some(127), "{told:?}");
    assert_eq!(stderr(&told).lines().count(), 2, "{told:?}");
    assert!(
        stderr(&told).contains("nothing more is started"),
        "{told:?}"
    );
    let told = output(&["throng-no-such-program", ":::", "x"]);
    assert_eq!(
        (told.status.code(), stderr(&told).lines().count()),
        (Some(127), 1),
        "{told:?}"
    );
}

#[test]
fn a_program_named_by_a_value_may_be_missing() {
    let others = ["{}", "outs:ran", ":::", "throng-no-such-program", child()];
    let told = output(&[&["-j1"], &others[..]].concat());
    assert_eq!(
        (stdout(&told), told.status.code()),
        ("ran", Some(1)),
        "{told:?}"
    );
}

#[test]
fn a_command_that_cannot_be_built_counts_as_failed_in_its_position() {
    let before: String = (1..=30).map(|n| format!("{n}\n")).collect();
    let lines = format!("{before}a\0b\n{}", "x\n".repeat(500));
    let words = [
        "-j1",
        "--halt",
        "soon,fail=1",
        child(),
        "outs:ran ",
        "exit:0",
        "#",
    ];
    let told = output_with_stdin(&words, lines.as_bytes());
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let ran = stdout(&told).matches("ran").count();
    assert!((30..=31).contains(&ran), "{told:?}");
    let line = "1 command has failed: stdin line 31: ";
    assert!(stderr(&told).contains(line), "{told:?}");
    assert!(stderr(&told).contains("; no more are started"), "{told:?}");
}

/// Output is not read while commands run, and they time out all the same.
#[test]
fn commands_time_out_even_if_messages_are_not_read() {
    let modes: [&[&str]; 5] = [
        &["--lb"],
        &["--lb", "-k"],
        &["-u", "-v"],
        &["-t", "--group"],
        &["-t", "-v", "--lb"],
    ];
    let check = |mode: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let after = format!("make-file:{}", dir.path().join("after").display());
        let tag = Tag::new();
        // Four times what a pipe holds, also in what `-t` and `-v` print.
        let values: String = (0..80).map(|n| format!("{n:03000}\n")).collect();
        let fixed = ["-j80", "--shards=1", "--timeout=1s", "--grace=50ms"];
        let steps = [&tag.to_string(), "out:60000", "sleep:600000", &after, "#"];
        let words = [&fixed[..], mode, &[child()], &steps].concat();
        let mut program = start_with_stdin(&words, values.as_bytes());
        // throng has the tag on its own command line.
        eventually("some run", || tag.pids().len() > 1);
        eventually("all are ended", || tag.pids().len() == 1);
        assert!(program.try_wait().unwrap().is_none(), "{mode:?}");
        let output = finish(program);
        assert_eq!(output.status.code(), Some(80), "{mode:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let said = [&output.stdout[..], &output.stderr].concat();
        assert!(said.len() > 80 * 3000, "{mode:?}: {}", said.len());
    };
    thread::scope(|scope| {
        for mode in some_of(modes) {
            scope.spawn(move || check(mode));
        }
    });
}

/// Output is not read while commands run, and the run halts for a command that has reported its
/// reason.
#[test]
fn a_run_halts_even_if_messages_are_not_read() {
    let modes: [&[&str]; 4] = [&["--lb"], &["--lb", "-k"], &["-u"], &["-u", "-v"]];
    let ends = [
        ("now,fail=1", "errs:bad;exit:3", 1),
        ("now,fail=1", "outs:bad;abort", 1),
        ("now,success=1", "outs:good;errs:good", 0),
    ];
    let check = |mode: &[&str], (halt, steps, code): (&str, &str, i32)| {
        let (dir, tag) = (tempfile::tempdir().unwrap(), Tag::new());
        let go = dir.path().join("go");
        let file = go.display();
        // The second command runs before the first one writes: nothing starts while output is not
        // read.
        let lines =
            format!("{tag};wait-file:{file};flood\n{tag};make-file:{file};sleep:500;{steps}\n");
        let fixed = ["-j2", "--colsep=;", "--grace=50ms", "--halt", halt];
        let words = [&fixed[..], mode, &[child(), "{}"]].concat();
        let mut program = start_with_stdin(&words, lines.as_bytes());
        eventually("both run", || go.exists());
        eventually("all are ended", || tag.pids().is_empty());
        assert!(program.try_wait().unwrap().is_none(), "{mode:?} {halt}");
        let output = finish(program);
        assert_eq!(output.status.code().is_some_and(|it| it != 0), code != 0);
        assert!(
            stderr(&output).contains("; what runs is ended"),
            "{output:?}"
        );
    };
    thread::scope(|scope| {
        for end in ends {
            scope.spawn(move || some_of(modes).for_each(|mode| check(mode, end)));
        }
    });
}
