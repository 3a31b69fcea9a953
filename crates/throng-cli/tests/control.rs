//! How commands are started, tried again and cut short.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::program::{child, finish, json, output, output_with_stdin, run, stderr, stdout};
use throng_tests::{Tag, eventually, some_of, with_enough_time};

fn path(path: &Path) -> &str {
    path.to_str()
        .expect("temporary directories have names of text")
}

/// The attempt of each object, and whether it succeeded.
fn attempts(objects: &[serde_json::Value]) -> Vec<(u64, bool)> {
    let of = |object: &serde_json::Value| {
        let success = object["exit_code"] == 0;
        (object["attempt"].as_u64().unwrap(), success)
    };
    objects.iter().map(of).collect()
}

#[test]
fn a_failing_command_is_tried_the_given_number_of_times_and_reported_once() {
    let objects = json(&[
        "--retries",
        "3",
        child(),
        "outs:x",
        "exit:{}",
        ":::",
        "0",
        "1",
        "2",
    ]);
    assert_eq!(attempts(&objects), [(1, true), (3, false), (3, false)]);
    assert!(objects.iter().all(|object| object["stdout"] == "x"));
    let output = output(&[
        "--retries",
        "3",
        "-k",
        child(),
        "outs:{}",
        "exit:{}",
        ":::",
        "0",
        "1",
    ]);
    assert_eq!((stdout(&output), output.status.code()), ("01", Some(1)));
}

#[test]
fn a_command_that_recovers_has_succeeded() {
    let dir = tempfile::tempdir().unwrap();
    // Each attempt leaves a trace and then creates a file that must not exist; at first it does.
    let place = |name: &str| dir.path().join(name);
    let traces = ["trace0", "trace1", "trace2"].map(place);
    let files = ["file0", "file1", "file2"].map(place);
    traces.iter().for_each(|dir| fs::create_dir(dir).unwrap());
    files.iter().for_each(|file| fs::write(file, "").unwrap());
    let enter = format!("enter:{}", place("trace{}").display());
    let claim = format!("claim:{}", place("file{}").display());
    let options = [
        "--retries",
        "0",
        "--backoff",
        "20ms,40ms",
        "-j2",
        "--output",
        "jsonl",
    ];
    let words = [child(), &enter, &claim, ":::", "0", "1", "2"];
    let running = run(&[&options[..], &words[..]].concat()).spawn().unwrap();
    eventually("each has been tried twice", || {
        let count = |dir| fs::read_dir(dir).unwrap().count();
        traces.iter().all(|dir| count(dir) > 1)
    });
    files.iter().for_each(|file| fs::remove_file(file).unwrap());
    let output = finish(running);
    assert!(output.status.success(), "{output:?}");
    let lines = stdout(&output).lines();
    let objects: Vec<serde_json::Value> = lines.map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(objects.len(), 3);
    assert!(
        attempts(&objects)
            .iter()
            .all(|(attempt, success)| *attempt > 1 && *success)
    );
}

#[test]
fn order_is_kept_across_attempts() {
    let options = ["-k", "-j3", "--retries", "2", "--backoff", "300ms"];
    // The first and the last are tried again, long after the others have ended.
    let values = ["exit:1", "exit:0", "exit:3"];
    let words = [&options[..], &[child(), "outs:{#}", "{}", ":::"], &values].concat();
    let output = output(&words);
    assert_eq!((stdout(&output), output.status.code()), ("123", Some(2)));
}

#[test]
fn a_timeout_is_a_failure_that_is_retried() {
    let options = ["--retries", "2", "--timeout", "100ms"];
    let objects = json(&[&options[..], &[child(), ":::", "sleep:600000"]].concat());
    assert_eq!(attempts(&objects), [(2, false)]);
    assert_eq!(objects[0]["timed_out"], true);
}

#[test]
fn unterminated_lines_are_ended_before_the_next_attempt() {
    let words = [
        "--output",
        "line",
        "--retries",
        "2",
        child(),
        "outs:a{}",
        "exit:1",
        ":::",
        "b",
    ];
    let output = output(&words);
    assert_eq!(stdout(&output).replace('\n', ""), "abab");
}

#[test]
fn a_pending_attempt_is_given_up_when_the_run_halts() {
    let output = output(&[
        "-k",
        "-j3",
        "--retries",
        "5",
        "--backoff",
        "1h",
        "--halt",
        "soon,success=1",
        child(),
        "outs:{#}",
        "exit:{}",
        ":::",
        "1",
        "0",
    ]);
    // The output of the first attempt is printed, and the attempt counts.
    assert_eq!(stdout(&output), "12");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        stderr(&output).contains("1 command has succeeded: "),
        "{output:?}"
    );
    assert!(stderr(&output).contains("; no more are started"));
}

#[test]
fn halt_soon_lets_running_commands_finish() {
    let dir = tempfile::tempdir().unwrap();
    let gate = dir.path().join("gate");
    let (wait, open) = (
        format!("wait-file:{}", gate.display()),
        format!("make-file:{}", gate.display()),
    );
    let values = format!(
        "{wait},outs:finished\n{open},exit:7\n{}",
        "outs:no,exit:0\n".repeat(500)
    );
    let script = dir.path().join("values.csv");
    fs::write(&script, values.replace(',', "\t")).unwrap();
    let words = [
        "-j2",
        "--halt",
        "soon,fail=1",
        "--colsep",
        "\t",
        "-a",
        path(&script),
    ];
    let output = output(&[&words[..], &[child(), "{1}", "{2}"]].concat());
    assert!(stdout(&output).contains("finished"), "{output:?}");
    assert!(
        stdout(&output).matches("no").count() < 400,
        "the rest was not started"
    );
    assert_eq!(
        output.status.code(),
        Some(7),
        "the exit status of the one that failed"
    );
}

#[test]
fn halt_now_ends_running_commands() {
    let tag = Tag::new();
    let values = format!("sleep:60000\nexit:9\n{}", "exit:0\n".repeat(9));
    let words = [
        "-j2",
        "--halt",
        "now,fail=1",
        child(),
        &tag.to_string(),
        "{}",
    ];
    let output = output_with_stdin(&words, values.as_bytes());
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    assert!(
        stderr(&output).contains("exit code 9; what runs is ended"),
        "{output:?}"
    );
    tag.await_gone();
}

#[test]
fn halt_never_counts_failures_and_percentages_refer_to_all_commands() {
    let status = |halt: &str, values: &[&str]| {
        let words = ["-j1", "--halt", halt, child(), "exit:{}", ":::"];
        output(&[&words[..], values].concat()).status.code()
    };
    assert_eq!(status("never", &["1", "1", "0"]), Some(2));
    assert_eq!(status("now,fail=2", &["1", "5", "0"]), Some(2));
    assert_eq!(status("now,fail=50%", &["1", "0", "1", "1"]), Some(50));
    assert_eq!(status("now,done=50%", &["0", "1", "1", "1"]), Some(25));
    assert_eq!(status("soon,success=1", &["4", "0", "0"]), Some(0));
    assert_eq!(status("now,fail=1", &["0", "0"]), Some(0));
}

#[test]
fn starts_are_a_delay_apart() {
    for words in [["--delay", "200ms"], ["--rate", "5/s"]] {
        let words = [
            &words[..],
            &["-j9", child(), ":::", "exit:0", "exit:0", "exit:0"],
        ]
        .concat();
        // A start happens some time after it is due, and that of the first not before this.
        let begun = jiff::Timestamp::now();
        let starts = json(&words).into_iter().map(|object| {
            let start = object["start"].as_str().unwrap();
            start.parse::<jiff::Timestamp>().unwrap()
        });
        let last = starts.max().unwrap();
        let whole = last.duration_since(begun).as_millis();
        // The clock may be coarse, and a rate lets late starts catch up.
        assert!(whole >= 370, "{words:?}: {whole} ms");
    }
}

#[test]
fn nothing_starts_while_less_memory_is_free_than_required() {
    let mut command = run(&["--memfree", "1000T", child(), "outs:x", ":::", "exit:0"]);
    let mut running = command.spawn().unwrap();
    // It waits, and reports what it waits for.
    let mut line = String::new();
    let mut told = BufReader::new(running.stderr.take().unwrap());
    told.read_line(&mut line).unwrap();
    assert!(
        line.starts_with("throng: nothing is started while "),
        "{line}"
    );
    assert!(line.ends_with("--memfree requires 1024000 GiB\n"), "{line}");
    assert!(running.try_wait().unwrap().is_none(), "it waits");
    running.kill().unwrap();
    assert_eq!(stdout(&finish(running)), "");
    let output = output(&["--memfree", "1k", child(), "outs:x", ":::", "exit:0"]);
    assert_eq!(stdout(&output), "x");
}

#[test]
fn the_number_of_jobs_is_reread_from_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, number) = (dir.path().join("inside"), dir.path().join("jobs"));
    let gate = dir.path().join("gate");
    fs::create_dir(&inside).unwrap();
    fs::write(&number, "1\n").unwrap();
    let enter = format!("enter:{}", inside.display());
    let wait = format!("wait-file:{}", gate.display());
    let running = run(&[
        "-j",
        path(&number),
        child(),
        &enter,
        &wait,
        ":::",
        "exit:0",
        "exit:0",
    ])
    .args(["exit:0", "exit:0"])
    .spawn()
    .unwrap();
    let count = || fs::read_dir(&inside).unwrap().count();
    eventually("one runs", || count() == 1);
    fs::write(&number, "3 \n").unwrap();
    eventually("three run", || count() == 3);
    fs::write(&gate, "").unwrap();
    let output = finish(running);
    assert!(output.status.success(), "{output:?}");
    // Each reports how many others existed when it started.
    assert_eq!(count(), 4);
}

#[test]
fn job_counts_may_be_relative_to_the_cores() {
    for jobs in ["+1", "-999", "1", "150%", "0"] {
        let output = output(&["-j", jobs, "-k", child(), "outs:{}", ":::", "a", "b"]);
        assert_eq!(stdout(&output), "ab", "{jobs}");
    }
    let output = output(&["-j", "-999", child(), "outs:{%}", ":::", "a", "b", "c"]);
    assert_eq!(stdout(&output), "111", "one at a time at least");
}

#[test]
fn a_command_that_runs_far_longer_than_the_others_times_out() {
    let values = format!("{}sleep:600000\n", "sleep:30\n".repeat(9));
    let options = ["-k", "-j4", "--timeout", "6000%", "--output", "jsonl"];
    let words = [&options[..], &[child(), "{}"]].concat();
    let output = output_with_stdin(&words, values.as_bytes());
    let lines = stdout(&output).lines();
    let objects: Vec<serde_json::Value> = lines.map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(objects[9]["timed_out"], true, "{output:?}");
    // A command that times out has had at least sixty times as long as the shortest one takes.
    let timed_out: Vec<_> = objects.iter().filter(|o| o["timed_out"] == true).collect();
    let wall_s = |object: &&serde_json::Value| object["wall_s"].as_f64().unwrap();
    assert!(
        timed_out.iter().all(|object| wall_s(object) >= 1.8),
        "{output:?}"
    );
    let failed = output.status.code().unwrap();
    assert_eq!(failed as usize, timed_out.len(), "{output:?}");
}

#[test]
fn commands_run_in_their_directory_which_is_created_first() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("deep").join("{}");
    let words = ["--wd", path(&place), child(), "cwd", "exit:{}", ":::", "0"];
    let dry = output(&[&["--dry-run"], &words[..]].concat());
    assert!(dry.status.success() && !dir.path().join("deep").exists());
    let output = output(&words);
    assert!(output.status.success(), "{output:?}");
    let said = Path::new(stdout(&output)).canonicalize().unwrap();
    assert_eq!(
        said,
        dir.path().join("deep").join("0").canonicalize().unwrap()
    );
}

#[test]
fn no_value_leads_out_of_the_fixed_part_of_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    let place = format!("{}/{{}}", path(&base));
    let words = [
        "-k",
        "--wd",
        &place,
        child(),
        "outs:{} ",
        ":::",
        "../out",
        "a",
        "..",
    ];
    let refused = output(&words);
    assert_eq!((refused.status.code(), stdout(&refused)), (Some(2), "a "));
    assert!(stderr(&refused).contains("--wd: \""), "{refused:?}");
    assert!(stderr(&refused).contains("is not below"), "{refused:?}");
    assert!(!dir.path().join("out").exists());

    // A value that is the whole name may be any existing directory, and no other is created.
    let missing = dir.path().join("missing");
    let words = [
        "-k",
        "--wd",
        "{}",
        child(),
        "outs:x",
        "tag:{}",
        ":::",
        path(&missing),
        path(&base),
    ];
    let whole = output(&words);
    assert_eq!((whole.status.code(), stdout(&whole)), (Some(1), "x"));
    assert!(stderr(&whole).contains("is not below the current directory"));
    assert!(!missing.exists());
}

#[test]
fn a_directory_that_cannot_be_created_fails_its_command() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let place = format!("{}/{{}}", path(dir.path()));
    let output = output(&[
        "-k",
        "--wd",
        &place,
        child(),
        "outs:{}",
        ":::",
        "file/x",
        "good",
    ]);
    assert_eq!(stdout(&output), "good");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--wd cannot make"), "{output:?}");
}

#[test]
fn variables_are_set_for_commands_or_passed_on() {
    let words = [
        "--env",
        "THRONG_A=x=y",
        "--env",
        "THRONG_B",
        child(),
        "env:THRONG_A",
    ];
    let mut command = run(&[&words[..], &["outs: ", "{}", ":::", "env:THRONG_B"]].concat());
    let output = finish(command.env("THRONG_B", "b").spawn().unwrap());
    assert_eq!(stdout(&output), "x=y b");
}

#[test]
fn commands_have_the_requested_niceness() {
    let said = |options: &[&str], pause: Duration| {
        // Wine sets the priority a moment after the start.
        let pause = format!("sleep:{}", pause.as_millis() / 4);
        let steps = [child(), &pause, "priority", "{}", ":::", "exit:0"];
        stdout(&output(&[options, &steps].concat())).to_owned()
    };
    let is_nicest = |said: &String| ["19", "idle"].contains(&said.as_str());
    let nice = with_enough_time(|pause| said(&["--nice", "19"], pause), is_nicest);
    assert!(is_nicest(&nice), "{nice}");
    // A command without a niceness of its own has ours, which may be the same number.
    let own = Command::new(child()).arg("priority").output().unwrap();
    assert_eq!(said(&[], Duration::ZERO), stdout(&own));
}

#[test]
fn invalid_control_options_are_reported_in_one_line_and_nothing_starts() {
    for (option, values) in [
        ("--jobs", &["", "x", "1.5", "0%", "+", "--", "1%%", "/"][..]),
        ("--delay", &["", "x", "-1", "5q"]),
        ("--rate", &["", "x", "0/s", "-1/s", "1/d", "inf/s"]),
        ("--load", &["", "x", "1.5", "+x"]),
        ("--memfree", &["", "x", "0", "-1", "1Q"]),
        ("--retries", &["", "x", "-1", "1.5"]),
        ("--backoff", &["", "x", "1,", "2,1", "-1"]),
        ("--timeout", &["", "x", "-1", "0%", "%"]),
        ("--grace", &["", "x", "-1"]),
        ("--termseq", &["", "x", "TERM,x", "TERM,-1"]),
        (
            "--halt",
            &[
                "",
                "x",
                "now",
                "now,fail",
                "now,fail=0",
                "now,fail=101%",
                "later,fail=1",
            ],
        ),
        ("--wd", &["", "..."]),
        ("--env", &["", "=x"]),
        ("--nice", &["", "x", "20", "-21", "1.5"]),
        ("--mechanism", &["", "magic"]),
        ("--shards", &["", "0", "-1", "x"]),
    ] {
        for value in some_of(values) {
            let option_and_value = format!("{option}={value}");
            let output = output(&[&option_and_value, child(), "outs:no", ":::", "exit:0"]);
            let said = stderr(&output);
            assert_eq!(
                output.status.code(),
                Some(255),
                "{option_and_value}: {output:?}"
            );
            assert_eq!(stdout(&output), "", "{option_and_value}");
            assert_eq!(said.lines().count(), 1, "{option_and_value}: {said}");
            assert!(
                said.starts_with(&format!("throng: {option}")),
                "{option_and_value}: {said}"
            );
            let quoted = format!("\"{value}\"");
            assert!(
                said.contains(&quoted) || said.contains("needs a value"),
                "{option_and_value}: {said}"
            );
        }
    }
}
