//! `--shell` is `cmd.exe`: it treats values as text, whatever they contain.

use crate::program::{child, json, output, output_with_stdin, said, stderr, stdout};

const HOSTILE: [&str; 30] = [
    "plain",
    "C:\\dir\\file.txt",
    "C:\\dir\\",
    "a b",
    "a b\\",
    "",
    " ",
    "\"",
    "\"\"",
    "a\"b",
    "\\\"",
    "\"&echo no",
    "&echo no",
    "|echo no",
    "a&&b||c",
    ">no",
    "<no",
    "^",
    "a^b",
    "%PATH%",
    "%",
    "%%",
    "a%b%c",
    "%CMDCMDLINE:~-1%&echo no",
    "!PATH!",
    "(a)",
    "a,b;c=d",
    "a\tb",
    "é😀",
    "'@#~`",
];

/// In the form that a script needs: `cmd.exe` takes what follows a `/` for an option.
fn child_in_script() -> String {
    child().replace('/', "\\")
}

#[test]
fn values_are_data_and_not_code() {
    let child = child_in_script();
    let script = format!("{child} args {{}} x{{}}y C:\\{{}}");
    let output = output(&[&["-k", "--shell", &script, ":::"], &HOSTILE[..]].concat());
    assert_eq!(stderr(&output), "");
    let words = HOSTILE.map(|v| [v.to_owned(), format!("x{v}y"), format!("C:\\{v}")]);
    let expected: Vec<Vec<u8>> = words.concat().into_iter().map(String::into_bytes).collect();
    assert_eq!(said(&output.stdout), expected);
    assert!(output.status.success());
}

#[test]
fn with_quote_the_words_of_the_command_are_data_too() {
    let child = child_in_script();
    let words = [
        "-k", "--shell", "-q", &child, "args", "a&b", "%PATH%", "c\"d", "x{}y", ":::",
    ];
    let output = output(&[&words[..], &HOSTILE].concat());
    assert_eq!(stderr(&output), "");
    let expected = HOSTILE.map(|v| {
        [
            "a&b".into(),
            "%PATH%".into(),
            "c\"d".into(),
            format!("x{v}y"),
        ]
    });
    let expected: Vec<Vec<u8>> = expected
        .concat()
        .into_iter()
        .map(String::into_bytes)
        .collect();
    assert_eq!(said(&output.stdout), expected);
}

#[test]
fn as_many_values_as_cmd_accepts_go_into_a_script() {
    let values: Vec<String> = (0..2000).map(|n| format!("value&{n}")).collect();
    let script = format!("{} args {{}}", child_in_script());
    let args = ["-k", "-X", "-j2", "--shell", &script];
    let output = output_with_stdin(&args, values.join("\n").as_bytes());
    assert_eq!(stderr(&output), "");
    let expected: Vec<Vec<u8>> = values.into_iter().map(String::into_bytes).collect();
    assert!(said(&output.stdout) == expected);
}

#[test]
fn a_whole_cmd_script_can_be_run() {
    let script = format!("echo {{}}& {} outs:two", child_in_script());
    let output = output(&["--shell", &script, ":::", "one"]);
    assert_eq!(stdout(&output), "one\r\ntwo");
    let lines = output_with_stdin(&["-k", "--shell"], b"echo one\n\nexit 3\n");
    assert_eq!(stdout(&lines).trim_end(), "one");
    assert_eq!(lines.status.code(), Some(1));
    let object = &json(&["--shell", "exit {}", ":::", "259"])[0];
    assert_eq!(object["exit_code"], 259);
}

#[test]
fn line_ends_and_long_lines_are_refused_and_stop_nothing() {
    let script = format!("{} args {{}}", child_in_script());
    let long = "x".repeat(9000);
    let output = output(&["-k", "--shell", &script, ":::", "1", "a\nb", &long, "2"]);
    assert_eq!(said(&output.stdout), [b"1", b"2"]);
    assert_eq!(output.status.code(), Some(2));
    let complaints: Vec<&str> = stderr(&output).lines().collect();
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    let expected = "throng: the list value 2: cmd.exe cannot be given \"a\\nb\": ";
    assert!(complaints[0].starts_with(expected), "{complaints:?}");
    let expected = "is too long for a script: it has 9,0";
    assert!(complaints[1].contains(expected), "{complaints:?}");
}

#[test]
fn a_dry_run_a_message_and_json_show_the_script() {
    let args = ["--shell", "echo {}", ":::", "a b"];
    let dry = output(&[&["--dry-run"], &args[..]].concat());
    let line = stdout(&dry).trim_end();
    assert!(
        line.contains("cmd.exe ") && line.ends_with(r#" /c "echo "a b"""#),
        "{line}"
    );
    let slow = output(&[
        "--timeout",
        "300ms",
        "--shell",
        "for /l %i in (1,0,2) do @rem {}",
        ":::",
        "a b",
    ]);
    let expected =
        "throng: \"for /l %i in (1,0,2) do @rem \"a b\"\" ran out of time and was ended\n";
    assert_eq!(stderr(&slow), expected);
    let object = &json(&args)[0];
    let last = object["argv"].as_array().unwrap().last().unwrap();
    assert_eq!(last, r#""echo "a b"""#);
}

#[test]
fn values_in_quotes_of_the_script_are_data_too() {
    let child = child_in_script();
    let script = format!("{child} args \"x{{}}y\" \"{{}}\"");
    let output = output(&[&["-k", "--shell", &script, ":::"], &HOSTILE[..]].concat());
    assert_eq!(stderr(&output), "");
    let words = HOSTILE.map(|v| [format!("x{v}y"), v.to_owned()]);
    let expected: Vec<Vec<u8>> = words.concat().into_iter().map(String::into_bytes).collect();
    assert_eq!(said(&output.stdout), expected);
}

#[test]
fn possible_code_is_refused_before_anything_starts() {
    for (words, named) in [
        (&["--shell", "echo ^{}"][..], "directly after \"^\""),
        (&["--shell", "echo %{}%"], "behind a \"%\""),
        (&["--shell", "call x {}"], "call evaluates"),
        (&["--shell", "echo \"{}"], "where a quote is not closed"),
        (&["cmd", "/c", "echo", "{}"], "\"cmd /c\" reads as code"),
        (
            &["powershell", "-Command", "{}"],
            "\"powershell -command\" reads as code",
        ),
        (&["echo {}"], "--shell"),
        (
            &["--shell=bash", "echo {}"],
            "only cmd.exe is the shell on Windows",
        ),
    ] {
        let output = output(&[words, &[":::", "x"]].concat());
        assert_eq!(output.status.code(), Some(255), "{words:?}: {output:?}");
        let line = stderr(&output);
        assert!(line.contains(named) && line.lines().count() == 1, "{line}");
    }
    let lines = output_with_stdin(&[], b"x | y\n");
    assert!(
        stderr(&lines).contains("stdin line 1: \"x | y\": \"|\""),
        "{lines:?}"
    );
    let named = output(&["--shell=cmd", "echo {}", ":::", "x"]);
    assert_eq!(stdout(&named), "x\r\n");
}
