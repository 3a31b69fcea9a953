//! Where values come from, and where they go.

mod program;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use program::{output, output_with_stdin, run, sorted_lines, stderr, stdout};

fn file_with(text: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    file
}

#[test]
fn lines_of_stdin_are_values_and_are_appended() {
    let output = output_with_stdin(&["echo", "hello"], b"1\n2\nx y\n");
    assert_eq!(
        sorted_lines(&output.stdout),
        ["hello 1", "hello 2", "hello x y"]
    );
    assert!(output.status.success());
}

#[test]
fn lists_and_files_are_values() {
    let file = file_with(b"c\nd\n");
    let path = file.path().to_str().unwrap();
    let list = output(&["-k", "echo", "{}", ":::", "a", "b", ""]);
    assert_eq!(stdout(&list), "a\nb\n\n");
    let from_file = output(&["-k", "echo", "::::", path]);
    assert_eq!(stdout(&from_file), "c\nd\n");
    let arg_file = output(&["-k", "-a", path, "echo"]);
    assert_eq!(stdout(&arg_file), "c\nd\n");
    let both = output(&["-k", "echo", "{2}{1}", ":::", "1", "2", "::::", path]);
    assert_eq!(stdout(&both), "c1\nd1\nc2\nd2\n");
}

#[test]
fn numbers_and_slots_are_filled_in() {
    let output = output(&[
        "-j3", "-k", "echo", "{#}", "{%}", "{}", ":::", "a", "b", "c", "d", "e",
    ]);
    for (i, line) in stdout(&output).lines().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], (i + 1).to_string());
        assert!(
            (1..=3).contains(&words[1].parse::<usize>().unwrap()),
            "{line}"
        );
    }
}

#[test]
fn slots_of_commands_that_run_together_differ() {
    // Each makes a directory named by its slot: two in one slot would collide.
    let dir = tempfile::tempdir().unwrap();
    let script = format!("cd {} && mkdir {{%}} && rmdir {{%}}", dir.path().display());
    let values: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let mut args = vec!["-j4", "--shell", &script, "#", "{}", ":::"];
    args.extend(values.iter().map(String::as_str));
    let output = output(&args);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn without_a_command_each_line_is_one_and_no_shell_sees_it() {
    let lines = b"echo 'a  b' \"c\"\n\n# nothing\necho $HOME `id` > x\n";
    let output = output_with_stdin(&["-k"], lines);
    assert_eq!(stdout(&output), "a  b c\n$HOME `id` > x\n");
    assert!(output.status.success());
}

#[test]
fn a_line_with_an_open_quote_is_named_and_stops_nothing() {
    let output = output_with_stdin(&["-k"], b"echo 1\necho 'open\necho 2\n");
    assert_eq!(stdout(&output), "1\n2\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("\"echo 'open\": a quote is not closed"),
        "{output:?}"
    );
}

#[test]
fn with_a_shell_values_are_data_and_never_code() {
    let hostile = [
        "a b",
        "$(echo no)",
        ";echo no",
        "`echo no`",
        "'",
        "\"",
        "-n",
        "",
        "*",
        "&",
        "\\",
    ];
    let mut args = vec!["-k", "--shell", "printf '%s|' x{} {}; echo done", ":::"];
    args.extend(hostile);
    let output = output(&args);
    let expected: String = hostile.iter().map(|v| format!("x{v}|{v}|done\n")).collect();
    assert_eq!(stdout(&output), expected);
    let lines = output_with_stdin(&["-k", "--shell"], b"echo $((1+2))\necho x | tr x y\n");
    assert_eq!(stdout(&lines), "3\ny\n");
}

#[test]
fn values_pass_through_byte_for_byte() {
    let value: Vec<u8> = (1..=255).filter(|byte| *byte != b'\n').collect();
    let output = output_with_stdin(&["printf", "%s"], &[&value[..], b"\n"].concat());
    assert_eq!(output.stdout, value);
    let listed = run(&["printf", "%s", "{}", ":::"])
        .arg(OsStr::from_bytes(&value))
        .output();
    assert_eq!(listed.unwrap().stdout, value);
}

#[test]
fn lines_may_end_with_crlf_and_the_last_with_nothing() {
    let output = output_with_stdin(&["-k", "printf", "<%s>"], b"a\r\nb\nc");
    assert_eq!(stdout(&output), "<a><b><c>");
}

#[test]
fn no_values_are_no_commands_and_no_failure() {
    for args in [
        &["echo"][..],
        &["echo", ":::"],
        &[],
        &["-k", "--output", "jsonl", "echo"],
    ] {
        let output = output_with_stdin(args, b"");
        assert_eq!((stdout(&output), stderr(&output)), ("", ""), "{args:?}");
        assert!(output.status.success());
    }
}

#[test]
fn a_dry_run_prints_commands_that_a_shell_would_read_back() {
    let args = ["--dry-run", "rm", "-f", "{}", ":::", "a b", "$(x)", "-y"];
    let output = output(&args);
    assert_eq!(stdout(&output), "rm -f 'a b'\nrm -f '$(x)'\nrm -f -y\n");
    assert!(output.status.success());
}

#[test]
fn options_end_where_the_command_begins() {
    let output = output(&["echo", "-j", "--tag", ":::", "1"]);
    assert_eq!(stdout(&output), "-j --tag 1\n");
}
