//! What becomes of what commands say.

mod program;

use program::{output, output_with_stdin, sorted_lines, stderr, stdout};

const BOTH: &str = "echo out $0; echo err $0 >&2";

#[test]
fn stdout_goes_to_stdout_and_stderr_to_stderr() {
    for mode in ["group", "line", "live"] {
        let output = output(&["--output", mode, "sh", "-c", BOTH, ":::", "1", "2"]);
        assert_eq!(sorted_lines(&output.stdout), ["out 1", "out 2"], "{mode}");
        assert_eq!(sorted_lines(&output.stderr), ["err 1", "err 2"], "{mode}");
    }
}

#[test]
fn grouped_output_of_commands_is_never_mixed() {
    let script = "for i in $(seq 500); do echo $0; done";
    let output = output(&[
        "-j8", "sh", "-c", script, ":::", "a", "b", "c", "d", "e", "f",
    ]);
    let text = stdout(&output);
    assert_eq!(text.len(), 6 * 1000);
    let changes = text
        .lines()
        .zip(text.lines().skip(1))
        .filter(|(a, b)| a != b)
        .count();
    assert_eq!(changes, 5, "each command's lines are together");
}

#[test]
fn order_is_kept_on_request() {
    let lines: String = (0..300).map(|n| format!("{n}\n")).collect();
    // The first ends last.
    let script = "[ $0 = 0 ] && sleep 0.3; echo $0";
    let output = output_with_stdin(&["-j8", "-k", "sh", "-c", script], lines.as_bytes());
    assert_eq!(stdout(&output), lines);
}

#[test]
fn each_line_is_tagged_with_its_value() {
    for mode in ["group", "line"] {
        let args = ["-k", "--tag", "printf", "a\\nb", ":::", "x y", "z"];
        let args: Vec<_> = if mode == "line" {
            [&["--output", "line"], &args[1..]].concat()
        } else {
            args.to_vec()
        };
        let output = output(&args);
        let mut lines = sorted_lines(
            &output
                .stdout
                .split(|b| *b == b'\n')
                .collect::<Vec<_>>()
                .join(&b'\n'),
        );
        lines.retain(|line| !line.is_empty());
        // The last line of a command has no end, so the next command's tag follows it.
        let text = lines.join("\n");
        assert_eq!(text.matches("x y\ta").count(), 1, "{text}");
        assert_eq!(text.matches("x y\tb").count(), 1, "{text}");
        assert_eq!(text.matches("z\ta").count(), 1, "{text}");
    }
}

#[test]
fn lines_come_whole_in_line_mode() {
    let script = "for i in 1 2 3 4 5 6 7 8 9; do printf $0$0$0; printf '%s\\n' $0$0; done";
    let output = output(&[
        "-j4", "--output", "line", "sh", "-c", script, ":::", "a", "b", "c", "d",
    ]);
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 36);
    for line in text.lines() {
        assert!(
            line.len() == 5 && line.chars().all(|c| line.starts_with(c)),
            "{line}"
        );
    }
}

#[test]
fn nothing_is_printed_on_request() {
    let output = output(&["--output", "none", "sh", "-c", BOTH, ":::", "1", "2"]);
    assert_eq!((stdout(&output), stderr(&output)), ("", ""));
    assert!(output.status.success());
}

fn json(args: &[&str]) -> Vec<serde_json::Value> {
    let output = output(&[&["-k", "--output", "jsonl"], args].concat());
    assert_eq!(stderr(&output), "");
    stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn json_lines_say_everything() {
    let objects = json(&[
        "sh",
        "-c",
        "echo out $0; echo err >&2; exit $0",
        ":::",
        "0",
        "3",
    ]);
    assert_eq!(objects.len(), 2);
    let last = &objects[1];
    assert_eq!(last["seq"], 2);
    assert_eq!(
        last["argv"],
        serde_json::json!(["sh", "-c", "echo out $0; echo err >&2; exit $0", "3"])
    );
    assert_eq!(
        (&last["exit_code"], &last["stdout"], &last["stderr"]),
        (&3.into(), &"out 3\n".into(), &"err\n".into())
    );
    assert_eq!(last["stdout_verdict"], "complete");
    assert_eq!(last["timed_out"], false);
    assert_eq!(last["attempt"], 1);
    for number in ["wall_s", "user_s", "system_s", "start_latency_s"] {
        assert!(last[number].is_f64(), "{number}: {last}");
    }
    let start = last["start"].as_str().unwrap();
    assert!(
        start.starts_with("20") && start.ends_with('Z') && start.contains('T'),
        "{start}"
    );
    assert!(last.get("signal").is_none() && last.get("start_error").is_none());
    assert_eq!(objects[0]["exit_code"], 0);
}

#[test]
fn json_lines_give_bytes_that_are_no_text_in_base64() {
    let object = &json(&["printf", "\\377{}", ":::", "x"])[0];
    assert_eq!(object["stdout_base64"], "/3g=");
    assert!(object.get("stdout").is_none());
    assert_eq!(object["stderr"], "");
}

#[test]
fn json_lines_tell_signals_start_errors_and_timeouts() {
    let killed = &json(&["sh", "-c", "kill -9 $$", ":::", "x"])[0];
    assert_eq!(killed["signal"], 9);
    let missing = &json(&["no-such-program", ":::", "x"])[0];
    assert_eq!(
        missing["start_error"],
        "cannot start \"no-such-program\": not found in PATH"
    );
    let slow = &json(&["--timeout", "0.1", "sleep", ":::", "30"])[0];
    assert_eq!(
        (&slow["timed_out"], &slow["signal"]),
        (&true.into(), &15.into())
    );
    assert_eq!(slow["stdout_verdict"], "cut");
}

#[test]
fn json_lines_name_who_holds_a_stream() {
    let object = &json(&["sh", "-c", "sleep 30 >&2 & echo $!", ":::", "x"])[0];
    let pid: u32 = object["stdout"].as_str().unwrap().trim().parse().unwrap();
    program::kill(pid, rustix::process::Signal::KILL);
    assert_eq!(
        (&object["stdout_verdict"], &object["stderr_verdict"]),
        (&"complete".into(), &"held".into())
    );
    let holder = serde_json::json!({"pid": pid, "argv": ["sleep", "30"], "streams": ["stderr"]});
    assert_eq!(object["holders"], serde_json::json!([holder]));
}

#[test]
fn progress_is_shown_on_stderr_only_when_asked_for_or_seen() {
    let quiet = output(&["true", ":::", "1", "2"]);
    assert_eq!(stderr(&quiet), "");
    let shown = output(&["--progress", "always", "echo", ":::", "1", "2"]);
    assert_eq!(sorted_lines(&shown.stdout), ["1", "2"]);
    assert!(
        stderr(&shown).contains('/') || stderr(&shown).contains("done"),
        "{shown:?}"
    );
    assert!(
        !stderr(&shown).contains('\x1b'),
        "no cursor movements outside a terminal"
    );
}
