//! How the output of commands is printed.

use std::io::{BufRead, BufReader, Read};

use crate::program::{
    child, finish, json, json_bytes, mechanisms, output, output_with_stdin, run, sorted_lines,
    stderr, stdout,
};
use throng_tests::{Source, Tag, check_pattern, repeat, some_of};

#[test]
fn stdout_goes_to_stdout_and_stderr_to_stderr() {
    for mode in ["group", "line", "live"] {
        let (out, err) = ("outs:out {}\n", "errs:err {}\n");
        let output = output(&["--output", mode, child(), out, err, ":::", "1", "2"]);
        assert_eq!(sorted_lines(&output.stdout), ["out 1", "out 2"], "{mode}");
        assert_eq!(sorted_lines(&output.stderr), ["err 1", "err 2"], "{mode}");
    }
}

#[test]
fn grouped_output_of_commands_is_never_mixed() {
    let words = ["outs:{}\n"; 300];
    let values = ["a", "b", "c", "d", "e", "f"];
    let output = output(&[&["-j8", child()], &words[..], &[":::"], &values].concat());
    let text = stdout(&output);
    assert_eq!(text.len(), 6 * 600);
    let neighbours = text.lines().zip(text.lines().skip(1));
    let changes = neighbours.filter(|(a, b)| a != b).count();
    assert_eq!(changes, 5, "each command's lines are together");
}

#[test]
fn order_is_kept_on_request() {
    // The first ends last.
    let lines = format!("sleep:300\n{}", "sleep:0\n".repeat(150));
    let output = output_with_stdin(
        &["-j8", "-k", child(), "{}", "outs:{#}\n"],
        lines.as_bytes(),
    );
    let expected: String = (1..=151).map(|n| format!("{n}\n")).collect();
    assert_eq!(stdout(&output), expected);
}

#[test]
fn in_ordered_line_mode_the_first_running_command_is_printed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let wait = format!("wait-file:{}", file.display());
    let words = ["-j2", "-k", "--lb", "--tagstring", "{#}", child()];
    let steps = ["outs:begin\n", "{}", "outs:end\n", ":::", &wait, "tag:x"];
    let mut throng = run(&[&words[..], &steps].concat()).spawn().unwrap();
    let mut reader = BufReader::new(throng.stdout.take().unwrap());
    let mut text = String::new();
    reader.read_line(&mut text).unwrap();
    assert_eq!(text, "1\tbegin\n");
    std::fs::write(&file, "").unwrap();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "1\tbegin\n1\tend\n2\tbegin\n2\tend\n");
    assert!(finish(throng).status.success());
}

#[test]
fn each_line_is_tagged_with_its_value() {
    let values = ["tag:x y", "tag:é"];
    for mode in ["group", "line"] {
        let words = [
            "--output",
            mode,
            "--tag",
            child(),
            "outs:a\nb\n",
            "{}",
            ":::",
        ];
        let output = output(&[&words[..], &values].concat());
        let expected = ["tag:x y\ta", "tag:x y\tb", "tag:é\ta", "tag:é\tb"];
        assert_eq!(sorted_lines(&output.stdout), expected, "{mode}");
    }
}

#[test]
fn gnu_parallel_names_select_modes_and_the_last_one_counts() {
    // In a live mode there are no tags; in the others each line has one.
    for (names, lines) in [
        (&["--group"][..], ["tag:x\ta", "tag:x\tb"]),
        (&["--line-buffer"], ["tag:x\ta", "tag:x\tb"]),
        (&["--lb"], ["tag:x\ta", "tag:x\tb"]),
        (&["-u"], ["a", "b"]),
        (&["--ungroup", "--group"], ["tag:x\ta", "tag:x\tb"]),
        (&["--output", "none", "--lb", "-u"], ["a", "b"]),
    ] {
        let words = ["--tag", child(), "outs:a\nb\n", "{}", ":::", "tag:x"];
        let output = output(&[names, &words].concat());
        assert_eq!(sorted_lines(&output.stdout), lines, "{names:?}");
    }
}

#[test]
fn the_tag_is_the_given_template_with_its_placeholders_replaced() {
    for mode in ["group", "line"] {
        let words = ["-j1", "--output", mode, "--tagstring", "<{#} {} {%}>"];
        let rest = [
            child(),
            "outs:a\n",
            "errs:b\n",
            "{}",
            ":::",
            "tag:x",
            "tag:y",
        ];
        let output = output(&[&words[..], &rest].concat());
        assert_eq!(stdout(&output), "<1 tag:x 1>\ta\n<2 tag:y 1>\ta\n");
        assert_eq!(stderr(&output), "<1 tag:x 1>\tb\n<2 tag:y 1>\tb\n");
    }
}

#[test]
fn lines_have_the_color_of_their_command_only_on_request() {
    let colored = |option: &[&str]| {
        let rest = [
            "-j1",
            "--tag",
            child(),
            "outs:a\nb\n",
            "{}",
            ":::",
            "tag:x",
            "tag:y",
        ];
        stdout(&output(&[option, &rest].concat())).to_owned()
    };
    let plain = "tag:x\ta\ntag:x\tb\ntag:y\ta\ntag:y\tb\n";
    for option in [
        &[][..],
        &["--color=auto"],
        &["--color", "never"],
        &["--color", "-u"],
    ] {
        assert!(!colored(option).contains('\x1b'), "{option:?}");
    }
    let text = colored(&["--color"]);
    let before: Vec<&str> = text.lines().map(|line| &line[..5]).collect();
    assert_eq!(before, ["\x1b[36m", "\x1b[36m", "\x1b[33m", "\x1b[33m"]);
    assert!(
        text.lines().all(|line| line.ends_with("\x1b[0m")),
        "{text:?}"
    );
    let stripped = text.replace("\x1b[36m", "").replace("\x1b[33m", "");
    assert_eq!(stripped.replace("\x1b[0m", ""), plain);
    assert_eq!(colored(&["--colour", "always", "--lb"]), text);
}

#[test]
fn commands_are_shown_on_stderr_when_they_start() {
    let words = [
        "-j1",
        "-t",
        child(),
        "outs:{%} ",
        "{}",
        ":::",
        "tag:x y",
        "tag:z",
    ];
    let output = output(&words);
    assert_eq!(stdout(&output), "1 1 ");
    let said: Vec<&str> = stderr(&output).lines().collect();
    assert_eq!(said.len(), 2);
    assert!(
        said[0].contains("outs:1 ") && said[0].contains("tag:x y"),
        "{said:?}"
    );
    assert!(said[1].ends_with("tag:z"), "{said:?}");
}

#[test]
fn commands_are_shown_on_stdout_before_their_output() {
    for mode in ["group", "live"] {
        let options = ["-j1", "-v", "--output", mode];
        let output = output(&[&options, &[child(), "outs:{}", ":::", "a", "b"][..]].concat());
        let lines: Vec<&str> = stdout(&output).lines().collect();
        assert_eq!((lines.len(), lines[2]), (3, "b"), "{mode}: {lines:?}");
        assert!(lines[0].ends_with("outs:a"), "{mode}: {lines:?}");
        let second = lines[1].strip_prefix('a').unwrap();
        assert!(second.ends_with("outs:b"), "{mode}: {lines:?}");
    }
}

#[test]
fn a_tab_can_be_written_in_a_tag() {
    for (written, tag) in [
        (r"a\tb{#}", "a\tb1"),
        (r"a\x\\{#}", r"a\x\\1"),
        (r"\101\0609", "A09"),
        ("\x1b[1m{}", "\x1b[1mtag:x"),
    ] {
        let words = [
            "--tagstring",
            written,
            child(),
            "outs:y",
            "{}",
            ":::",
            "tag:x",
        ];
        assert_eq!(stdout(&output(&words)), format!("{tag}\ty"), "{written}");
    }
}

#[test]
fn the_line_that_shows_a_command_has_its_tag() {
    for mode in ["group", "line"] {
        let words = [
            "-v",
            "--tag",
            "--output",
            mode,
            child(),
            "outs:x\n",
            "{}",
            ":::",
            "tag:y",
        ];
        let output = output(&words);
        let lines: Vec<&str> = stdout(&output).lines().collect();
        assert_eq!(
            (lines.len(), lines[1]),
            (2, "tag:y\tx"),
            "{mode}: {output:?}"
        );
        assert!(lines[0].starts_with("tag:y\t"), "{mode}: {output:?}");
        assert!(
            lines[0].ends_with("tag:y") && lines[0].contains("outs:"),
            "{mode}: {output:?}"
        );
    }
}

#[test]
fn messages_about_commands_have_no_control_characters() {
    let hostile = "x\x1b[2J\x07\r\u{9b}31m\u{202e}\ny";
    let program = "no\x1b[31msuch\x07";
    let is_obeyed =
        |char: char| (char.is_control() && !"\n\t".contains(char)) || char == '\u{202e}';
    let tag = format!("tag:{hostile}");
    for options in some_of([
        &["-t"][..],
        &["-v"],
        &["-v", "--lb"],
        &["--tag"],
        &["--tag", "--lb"],
        &["--tagstring", "{}"],
        &["--summary"],
        &["--output", "jsonl"],
        &["--progress=always"],
        &["--timeout", "0.001"],
        &["--halt", "now,fail=1"],
        &["--wd", "{}/../../x"],
        &["--results", "{}/../../x"],
    ]) {
        for command in [&[program][..], &[child(), "outs:a\n", "errs:b\n", "exit:1"]] {
            let words = [options, command, &[":::", &tag]].concat();
            let output = output(&words);
            for said in [stdout(&output), stderr(&output)] {
                assert!(!said.contains(is_obeyed), "{options:?} {said:?}");
            }
            let lines = stdout(&output).lines().chain(stderr(&output).lines());
            assert!(
                !lines.into_iter().any(|line| line.starts_with('y')),
                "{output:?}"
            );
        }
    }
    // The output of commands is passed on unchanged.
    let words = [
        "--tag",
        child(),
        &format!("outs:{hostile}"),
        "{}",
        ":::",
        "tag:z",
    ];
    assert_eq!(
        stdout(&output(&words)),
        format!("tag:z\t{}", hostile.replace('\n', "\ntag:z\t"))
    );
}

#[test]
fn a_dry_run_prints_exact_bytes_unless_to_a_terminal() {
    let hostile = "x\x1b[2J\u{9b}'\" \\y";
    let dry = output(&["--dry-run", child(), "args", ":::", hostile]);
    let again = crate::program::output_with_stdin(&[], &dry.stdout);
    assert_eq!(crate::program::said(&again.stdout), [hostile.as_bytes()]);
}

#[test]
fn an_unterminated_last_line_is_tagged_too() {
    let output = output(&["-k", "--tag", child(), "outs:a\nb", "{}", ":::", "tag:x"]);
    assert_eq!(stdout(&output), "tag:x\ta\ntag:x\tb");
}

#[test]
fn lines_are_printed_whole_in_line_mode() {
    let words = ["outs:{}{}{}", "outs:{}{}\n"].repeat(9);
    let before = ["-j4", "--output", "line", child()];
    let output = output(&[&before, &words[..], &[":::", "a", "b", "c", "d"]].concat());
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 36);
    for line in text.lines() {
        let is_one_letter = line.chars().all(|c| line.starts_with(c));
        assert!(line.len() == 5 && is_one_letter, "{line}");
    }
}

#[test]
fn nothing_is_printed_on_request() {
    let output = output(&[
        "--output",
        "none",
        child(),
        "outs:a",
        "errs:b",
        "{}",
        ":::",
        "out:1",
    ]);
    assert_eq!((stdout(&output), stderr(&output)), ("", ""));
    assert!(output.status.success());
}

#[test]
fn json_lines_contain_everything() {
    let objects = json(&[
        child(),
        "outs:out\n",
        "errs:err\n",
        "exit:{}",
        ":::",
        "0",
        "3",
    ]);
    assert_eq!(objects.len(), 2);
    let last = &objects[1];
    assert_eq!(last["seq"], 2);
    let argv = [child(), "outs:out\n", "errs:err\n", "exit:3"];
    assert_eq!(last["argv"], serde_json::json!(argv));
    assert_eq!(
        (&last["exit_code"], &last["stdout"], &last["stderr"]),
        (&3.into(), &"out\n".into(), &"err\n".into())
    );
    assert_eq!(last["stdout_verdict"], "complete");
    assert_eq!(last["timed_out"], false);
    assert_eq!(last["attempt"], 1);
    for number in ["wall_s", "user_s", "system_s", "start_latency_s"] {
        assert!(last[number].is_f64(), "{number}: {last}");
    }
    let start = last["start"].as_str().unwrap();
    let looks_right = start.starts_with("20") && start.ends_with('Z') && start.contains('T');
    assert!(looks_right, "{start}");
    for absent in ["signal", "start_error", "read_retries", "contained"] {
        assert!(last.get(absent).is_none(), "{absent}: {last}");
    }
    assert_eq!(objects[0]["exit_code"], 0);
}

#[test]
fn json_lines_of_many_commands_are_right_with_every_mechanism() {
    let count = repeat(1000);
    let values: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    for mechanism in mechanisms() {
        let words = ["-j16", "--mechanism", &mechanism];
        let steps = [child(), "both:{}", "err:{}", "exit:{}", ":::"];
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let objects = json(&[&words[..], &steps, &values].concat());
        assert_eq!(objects.len(), count, "{mechanism}");
        for (n, object) in objects.iter().enumerate() {
            assert_eq!(object["seq"], n + 1, "{mechanism}: {object}");
            // Linux keeps eight bits of the exit code.
            let code = object["exit_code"].as_u64().map(|code| code as usize % 256);
            assert_eq!(code, Some(n % 256), "{mechanism}: {object}");
            let streams = [(Source::Out, "stdout", n), (Source::Err, "stderr", 2 * n)];
            for (source, stream, length) in streams {
                let wrong = check_pattern(source, &json_bytes(object, stream), length);
                assert_eq!(wrong, Ok(()), "{mechanism}: {object}");
                assert_eq!(object[format!("{stream}_verdict")], "complete", "{object}");
            }
        }
    }
}

#[test]
fn json_lines_report_start_errors_and_timeouts() {
    let missing = &json(&["no-such-program", ":::", "x"])[0];
    assert_eq!(
        missing["start_error"],
        "cannot start \"no-such-program\": not found in PATH"
    );
    assert!(missing.get("exit_code").is_none());
    let slow = &json(&["--timeout", "0.1", child(), ":::", "sleep:30000"])[0];
    assert_eq!(slow["timed_out"], true);
    assert_eq!(slow["stdout_verdict"], "cut");
}

#[test]
fn json_lines_report_held_streams() {
    let tag = Tag::new();
    let holder = format!("holder-err:{tag},sleep:600000");
    let object = &json(&[
        "--grace",
        "3s",
        child(),
        "outs:x",
        &holder,
        "{}",
        ":::",
        "tag:y",
    ])[0];
    assert_eq!(object["stdout"], "x");
    assert_eq!(object["stderr_verdict"], "held");
    tag.await_count(1);
    let holders = object["holders"].as_array().unwrap();
    let holder = holders.iter().find(|one| one["pid"] == tag.pids()[0]);
    let holder = holder.unwrap_or_else(|| panic!("{object}"));
    let streams = holder["streams"].as_array().unwrap();
    assert!(streams.contains(&"stderr".into()), "{object}");
    let program = holder["argv"][0].as_str().unwrap();
    assert!(program.contains("child"), "{object}");
    assert!(holder["started"].is_string(), "{object}");
}

#[test]
fn progress_is_shown_on_stderr_only_on_request_or_on_a_terminal() {
    let quiet = output(&[child(), ":::", "outs:1\n", "outs:2\n"]);
    assert_eq!(stderr(&quiet), "");
    let never = output(&["--progress", "never", child(), ":::", "outs:1\n"]);
    assert_eq!(stderr(&never), "");
    let shown = output(&["--progress", child(), ":::", "outs:1\n", "outs:2\n"]);
    assert_eq!(sorted_lines(&shown.stdout), ["1", "2"]);
    let said = stderr(&shown);
    assert!(said.contains('/') || said.contains("done"), "{shown:?}");
    assert!(
        !said.contains('\x1b'),
        "no cursor movements outside a terminal"
    );
}

#[test]
fn a_summary_lists_endings_and_failures_with_their_last_lines() {
    let steps = [
        "errs:first\n",
        "errs:no {}\n\n",
        "{}",
        ":::",
        "exit:0",
        "exit:3",
        "exit:0",
    ];
    let output = output(&[&["--summary", "--output", "none", child()], &steps[..]].concat());
    let said = stderr(&output);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("throng: 3 commands in "), "{said}");
    assert_eq!(lines[1], "  2 succeeded, 1 failed");
    for row in ["wall", "CPU", "start"] {
        let line = lines.iter().find(|line| line.trim().starts_with(row));
        assert_eq!(line.unwrap().split_whitespace().count(), 9, "{said}");
    }
    let failed = lines.iter().find(|line| line.contains("#2 ")).unwrap();
    assert!(failed.ends_with("exit code 3: no exit:3"), "{said}");
    let slowest = lines.iter().position(|line| *line == "  slowest:").unwrap();
    assert_eq!(lines[slowest + 1..].len(), 3, "{said}");
}

#[test]
fn without_a_terminal_progress_is_a_line_now_and_then_and_one_at_the_end() {
    let lines = |options: &[&str]| {
        let words = [
            &["--progress"],
            options,
            &[child(), "sleep:500", "{}", ":::", "exit:0"],
        ];
        let output = output(&words.concat());
        assert!(output.status.success(), "{output:?}");
        let lines = stderr(&output).lines().map(String::from);
        lines.collect::<Vec<_>>()
    };
    let few = lines(&[]);
    assert_eq!(few.len(), 1, "{few:?}");
    assert!(few[0].starts_with("100%  1/1 done"), "{few:?}");
    let many = lines(&["--progress-interval", "50ms"]);
    assert!(many.len() > 2, "{many:?}");
    assert!(many[0].starts_with("0%  0/1 done"), "{many:?}");
    let output = output(&["--progress-interval", "0", "echo", ":::", "x"]);
    assert!(
        stderr(&output).contains("--progress-interval \"0\": a time above 0"),
        "{output:?}"
    );
}
