//! Where values come from, and where they go.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::program::{
    child, finish, output, output_with_stdin, run, said, sorted_lines, stderr, stdout,
};

fn file_with(text: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    file
}

#[test]
fn lines_of_stdin_are_values_and_are_appended() {
    let output = output_with_stdin(&["-k", child(), "args", "hello"], b"1\n2\nx y\n");
    let expected: [&[u8]; 6] = [b"hello", b"1", b"hello", b"2", b"hello", b"x y"];
    assert_eq!(said(&output.stdout), expected);
    assert!(output.status.success());
}

#[test]
fn lists_and_files_are_values() {
    let file = file_with(b"c\nd\n");
    let path = file.path().to_str().unwrap();
    let said = |args: &[&str]| said(&output(args).stdout);
    let child = child();
    let list = said(&["-k", child, "args", "{}", ":::", "a", "b", ""]);
    assert_eq!(list, [&b"a"[..], b"b", b""]);
    assert_eq!(said(&["-k", child, "args", "::::", path]), [b"c", b"d"]);
    assert_eq!(said(&["-k", "-a", path, child, "args"]), [b"c", b"d"]);
    let both = ["-k", child, "args", "{2}{1}", ":::", "1", "2", "::::", path];
    assert_eq!(said(&both), [b"c1", b"d1", b"c2", b"d2"]);
}

#[test]
fn numbers_and_slots_are_filled_in() {
    let words = ["-j3", "-k", child(), "outs:{#} {%} {}\n", ":::"];
    let output = output(&[&words[..], &["a", "b", "c", "d", "e"]].concat());
    assert_eq!(stdout(&output).lines().count(), 5);
    for (i, line) in stdout(&output).lines().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], (i + 1).to_string());
        let slot = words[1].parse::<usize>().unwrap();
        assert!((1..=3).contains(&slot), "{line}");
    }
}

#[test]
fn slots_of_concurrent_commands_differ() {
    // Each creates a file named by its slot that must not exist: two in one slot would collide.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("{%}");
    let claim = format!("claim:{}", file.display());
    let release = format!("release:{}", file.display());
    let values: Vec<String> = (0..150).map(|n| format!("tag:{n}")).collect();
    let mut args = vec!["-j4", child(), &claim, "{}", &release, ":::"];
    args.extend(values.iter().map(String::as_str));
    let output = output(&args);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn without_a_command_each_line_is_a_command_run_without_a_shell() {
    let child = child();
    let lines = format!(
        "\"{child}\" args \"a  b\" c\n\n# nothing > x\n\"{child}\" args 5$ 5% \"> | &\" {{}}\n"
    );
    let output = output_with_stdin(&["-k"], lines.as_bytes());
    let expected: [&[u8]; 6] = [b"a  b", b"c", b"5$", b"5%", b"> | &", b"{}"];
    assert_eq!(said(&output.stdout), expected);
    assert!(output.status.success());
}

#[test]
fn a_line_that_needs_a_shell_ends_the_run_and_is_reported() {
    let child = child();
    let lines = format!("\"{child}\" outs:1\n\n\"{child}\" outs:2 > x\n\"{child}\" outs:3\n");
    let output = output_with_stdin(&["-k"], lines.as_bytes());
    assert_eq!((stdout(&output), output.status.code()), ("1", Some(255)));
    let line = stderr(&output);
    assert!(line.starts_with("throng: stdin line 3: \""), "{line}");
    let named = ": \">\" is for a shell, and no shell reads this line: use --shell";
    assert!(line.contains(named) && line.lines().count() == 1, "{line}");
}

#[test]
fn a_line_with_an_open_quote_is_reported_and_stops_nothing() {
    let child = child();
    let lines = format!("\"{child}\" outs:1\nprog \"open\n\"{child}\" outs:2\n");
    let output = output_with_stdin(&["-k"], lines.as_bytes());
    assert_eq!(stdout(&output), "12");
    assert_eq!(output.status.code(), Some(1));
    let named = "cannot read the command line \"prog \"open\": a quote is not closed";
    assert!(stderr(&output).contains(named), "{output:?}");
}

#[test]
fn lines_may_end_with_crlf_and_the_last_may_be_unterminated() {
    let output = output_with_stdin(&["-k", child(), "args"], b"a\r\nb\nc\r");
    assert_eq!(said(&output.stdout), [&b"a"[..], b"b", b"c\r"]);
}

#[test]
fn without_values_no_command_runs_and_the_run_succeeds() {
    for args in [
        &["prog"][..],
        &["prog", ":::"],
        &[],
        &["-k", "--output", "jsonl", "prog"],
    ] {
        let output = output_with_stdin(args, b"");
        assert_eq!((stdout(&output), stderr(&output)), ("", ""), "{args:?}");
        assert!(output.status.success());
    }
}

#[test]
fn a_dry_run_runs_nothing_and_can_be_read_back() {
    let values = ["a b", "", "x\\", "c\"d", "$(x)", "%x%"];
    let dry = output(&[&["--dry-run", child(), "args", "{}", ":::"], &values[..]].concat());
    assert!(dry.status.success());
    let lines = stdout(&dry);
    assert_eq!(lines.lines().count(), values.len(), "{lines}");
    let wet = output_with_stdin(&["-k"], lines.as_bytes());
    assert_eq!(
        said(&wet.stdout),
        values.map(|value| value.as_bytes().to_vec())
    );
}

#[test]
fn options_end_where_the_command_begins() {
    let output = output(&[child(), "args", "-j", "--tag", ":::", "1"]);
    assert_eq!(said(&output.stdout), [&b"-j"[..], b"--tag", b"1"]);
}

#[test]
fn every_value_is_used_exactly_once() {
    let lines: String = (0..200).map(|n| format!("{n}\n")).collect();
    let output = output_with_stdin(&["-j8", child(), "outs:{}\n"], lines.as_bytes());
    assert_eq!(sorted_lines(&output.stdout), sorted_lines(lines.as_bytes()));
}

#[test]
fn a_command_starts_as_soon_as_its_values_have_arrived() {
    for (options, feed) in [
        (&["-n2"][..], &b"a\nb\n"[..]),
        (&["-d", "\\n"], b"ab\n"),
        (&["-0"], b"ab\0"),
        (&["--colsep", "-"], b"a-b\n"),
        (&["-L1"], b"ab\n"),
        (&["--csv"], b"a,b\n"),
        (&["--header", ":"], b"name\nab\n"),
    ] {
        let mut command = run(&[options, &[child(), "say", "{}"]].concat());
        let mut running = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = running.stdin.take().unwrap();
        let mut heard = BufReader::new(running.stdout.take().unwrap());
        pipe.write_all(feed).unwrap();
        let mut line = String::new();
        heard.read_line(&mut line).unwrap();
        assert!(
            ["a b\n", "ab\n", "a\n"].contains(&&line[..]),
            "{options:?}: {line:?}"
        );
        // So far stdin was open; the rest of it follows now.
        drop(pipe);
        assert!(finish(running).status.success(), "{options:?}");
    }
}

#[test]
fn values_with_dashes_are_not_read_as_options() {
    let values = ["--tag", "-j0", "--", "-", ":::x", "--output=jsonl", "-k"];
    let output = output(&[&["-k", child(), "args", "{}", ":::"], &values[..]].concat());
    assert_eq!(
        said(&output.stdout),
        values.map(|value| value.as_bytes().to_vec())
    );
    let lines = values.join("\n");
    let output = output_with_stdin(&["-k", child(), "args"], lines.as_bytes());
    assert_eq!(
        said(&output.stdout),
        values.map(|value| value.as_bytes().to_vec())
    );
}

#[test]
fn a_row_without_a_referenced_column_fails_and_stops_nothing() {
    let args = ["-k", "--colsep", ",", child(), "say", "{2}"];
    let output = output_with_stdin(&args, b"a,b\nc\nd,e\n");
    assert_eq!(stdout(&output), "b\ne\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output) == "throng: stdin line 2: {2} has no value: the row has 1 column\n",
        "{output:?}"
    );
}

#[test]
fn lists_of_different_length_are_reported_at_the_end_of_input() {
    let args = [
        "-k",
        "--link",
        child(),
        "say",
        "::::",
        "-",
        ":::",
        "1",
        "2",
        "3",
    ];
    let output = output_with_stdin(&args, b"a\nb\n");
    assert_eq!(stdout(&output), "a 1\nb 2\n");
    assert_eq!(output.status.code(), Some(255));
    let expected = "throng: --link: the list has more values than stdin\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn a_command_has_its_number_and_its_slot_in_its_environment() {
    let names = [
        "PARALLEL_SEQ",
        "THRONG_SEQ",
        "PARALLEL_JOBSLOT",
        "THRONG_SLOT",
    ];
    let steps: Vec<String> = names
        .iter()
        .flat_map(|name| [format!("env:{name}"), "outs: ".into()])
        .collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let tail = ["outs:{%} {#}\n", "{}", ":::", "exit:0", "exit:0", "exit:0"];
    let words = [&["-k", "-j2"], &[child()][..], &steps, &tail];
    let mut command = run(&words.concat());
    // Variables of a run that this one is a part of do not count.
    command.env("PARALLEL_SEQ", "99").env("THRONG_SLOT", "99");
    let whole = finish(command.spawn().unwrap());
    let text = stdout(&whole);
    assert_eq!(text.lines().count(), 3, "{whole:?}");
    for (number, line) in (1..).zip(text.lines()) {
        let words: Vec<&str> = line.split(' ').collect();
        let [seq, own_seq, slot, own_slot, place, number_place] = words[..] else {
            panic!("{line}");
        };
        let number = format!("{number}");
        assert_eq!([seq, own_seq, number_place], [number.as_str(); 3], "{line}");
        assert_eq!([slot, own_slot], [place; 2], "{line}");
        assert!(["1", "2"].contains(&slot), "{line}");
    }
    // The command line overrides them.
    let words = [
        "--env",
        "THRONG_SLOT=mine",
        "--env",
        "PARALLEL_SEQ=",
        child(),
    ];
    let tail = [
        "env:THRONG_SLOT",
        "env:PARALLEL_SEQ",
        "env:THRONG_SEQ",
        "{}",
        ":::",
        "exit:0",
    ];
    assert_eq!(stdout(&output(&[&words[..], &tail].concat())), "mine1");
}
