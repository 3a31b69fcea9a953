//! The quoting rules of a POSIX shell, and arguments of any bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::program::{finish, json_bytes, output, output_with_stdin, run, stderr, stdout};

#[test]
fn without_a_command_each_line_is_a_command_run_without_a_shell() {
    let lines = b"echo 'a  b' \"c\"\n\n# nothing > x\necho '$HOME' \\`id\\` \">\" x\n";
    let output = output_with_stdin(&["-k"], lines);
    assert_eq!(stdout(&output), "a  b c\n$HOME `id` > x\n");
    assert!(output.status.success());
}

#[test]
fn with_a_shell_values_are_data_and_not_code() {
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
        "a\nb",
        "$'x'",
        "!!",
        "%s",
        "--",
        "#",
        "~",
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
fn a_script_that_begins_with_a_dash_is_not_an_option() {
    let output = output(&["--shell", "{}", ":::", "-e", "+x"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("not found"), "{output:?}");
    let lines = output_with_stdin(&["-k", "--shell"], b"-c x\n+c; echo on\n");
    assert_eq!(stdout(&lines), "on\n", "{lines:?}");
}

#[test]
fn with_quote_the_command_is_data_too() {
    let args = [
        "-k", "--shell", "-q", "printf", "%s|", "$HOME", "`id`; x", "{}", ":::", "a b", "'",
    ];
    let output = output(&args);
    assert_eq!(stdout(&output), "$HOME|`id`; x|a b|$HOME|`id`; x|'|");
}

#[test]
fn as_many_values_as_the_system_accepts_go_into_a_command() {
    let mut text = String::new();
    for number in 0..100_000 {
        text.push_str(&format!("value-{number:06}\n"));
    }
    let ways: [&[&str]; 3] = [
        &["-j2", "-X", "-k", "printf", r"%s\n"],
        &["-j2", "-m", "--shell", "-k", r"printf '%s\n' {}"],
        &["--xargs", "-I", ",,", "-k", "printf", r"%s\n", ",,"],
    ];
    for way in ways {
        let output = output_with_stdin(way, text.as_bytes());
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output) == text, "{way:?}");
    }
    // Joined they are one argument, which may have 128 KiB.
    let args = ["--xargs", "-k", "printf", r"%s\n", "<{}>"];
    let output = output_with_stdin(&args, text.as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert!(lines.len() > 8 && lines.iter().all(|line| line.len() < 128 << 10));
    let values = lines
        .iter()
        .flat_map(|line| line[1..line.len() - 1].split(' '));
    assert!(values.eq(text.lines()));
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
fn a_dry_run_prints_commands_that_a_shell_reads_back() {
    let args = ["--dry-run", "rm", "-f", "{}", ":::", "a b", "$(x)", "-y"];
    let output = output(&args);
    assert_eq!(stdout(&output), "rm -f 'a b'\nrm -f '$(x)'\nrm -f -y\n");
    assert!(output.status.success());
}

#[test]
fn the_result_for_a_block_does_not_depend_on_the_time() {
    let text = "a line\n".repeat(40_000);
    for args in [&["--pipe", "--block", "100k"][..], &["--pipe", "-N1000"]] {
        let args = [args, &["-k", "--output", "jsonl", "gzip", "-c"]].concat();
        let output = output_with_stdin(&args, text.as_bytes());
        assert_eq!(stderr(&output), "");
        let lines = stdout(&output).lines();
        for line in lines.clone() {
            let object = serde_json::from_str(line).unwrap();
            let zipped = json_bytes(&object, "stdout");
            // Bytes 4 to 7 are the time of the file that was read (RFC 1952, section 2.3).
            assert_eq!(zipped[4..8], 315_532_800_u32.to_le_bytes());
        }
        assert!(lines.count() > 1);
    }
}

/// Refused before anything has started, with one line that contains this text.
fn assert_refused(args: &[&str], named: &str) {
    let output = output(args);
    assert_eq!(output.status.code(), Some(255), "{args:?}: {output:?}");
    let line = stderr(&output);
    assert_eq!(
        (stdout(&output), line.lines().count()),
        ("", 1),
        "{output:?}"
    );
    assert!(line.contains(named), "{args:?}: {line}");
}

#[test]
fn with_a_shell_a_value_in_quotes_or_a_substitution_is_text() {
    let values = [
        "$(echo CODE)",
        ";echo CODE;",
        "'",
        "\"",
        "\\",
        "a\nb",
        "",
        "`id`",
        "$HOME",
    ];
    for (template, before, after) in [
        ("echo \"[{}]\"", "[", "]\n"),
        ("echo '[{}]'", "[", "]\n"),
        ("printf '%s\\n' \"$(printf %s. {})\"", "", ".\n"),
        ("x={}; printf '%s\\n' \"$x\"", "", "\n"),
        ("cat <<E; printf '%s\\n' {}\nE", "", "\n"),
    ] {
        // How echo treats a backslash is up to echo.
        let is_echo = template.starts_with("echo");
        let values = values
            .iter()
            .filter(|value| !is_echo || !value.contains('\\'));
        let values: Vec<&str> = values.copied().collect();
        let output = output(&[&["-k", "--shell", template, ":::"], &values[..]].concat());
        let expected: String = values
            .iter()
            .map(|v| format!("{before}{v}{after}"))
            .collect();
        assert_eq!(stdout(&output), expected, "{template}");
    }
}

#[test]
fn with_a_shell_a_value_that_could_become_code_is_refused() {
    for (template, named) in [
        (
            "echo `echo {}`",
            "after \"echo `echo \" stands in backquotes",
        ),
        ("echo $(({}))", "in arithmetic"),
        ("echo \"${X:+{}}\"", "in ${...}"),
        ("cat <<E\n{}\nE", "in a here-document"),
        ("true # {}", "in a comment"),
        ("echo \\{}", "directly after a backslash"),
        ("echo ${}", "directly after \"$\""),
        ("echo $'{}'", "in $'...'"),
        ("[[ {} -eq 1 ]]", "between [[ and ]]"),
        ("eval {}", "eval evaluates"),
        ("sh -c 'echo {}'", "sh -c evaluates"),
        ("echo 'a {}", "where a quote is not closed"),
        ("cd /;", "behind all, where a command's name is expected"),
    ] {
        assert_refused(&["--shell", template, ":::", "x"], named);
    }
    // The numbers expand to digits, wherever they are.
    let numbers = output(&["--shell", "echo $(({#} + 1)) `echo {#}` # {#}", ":::", "x"]);
    assert_eq!(stdout(&numbers), "2 1\n");
}

#[test]
fn several_values_never_become_commands_of_their_own() {
    let words = |script| ["-j1", "-n2", "--shell", script, ":::", "a", "echo"];
    let sources = [
        "--shell",
        "echo $(v={}; echo $v)",
        ":::",
        "a",
        ":::",
        "echo",
    ];
    assert_eq!(stdout(&output(&sources)), "a echo\n");
    for (script, expected) in [
        ("echo {}; echo x", "a echo\nx\n"),
        ("v={}; echo $v", "a echo\n"),
        ("echo $(v={1}; echo $v{2})", "aecho\n"),
        ("echo $(echo {})", "a echo\n"),
        ("echo \"<{}>\"", "<a> <echo>\n"),
    ] {
        let output = output(&words(script));
        assert_eq!(stdout(&output), expected, "{script}: {output:?}");
    }
}

#[test]
fn a_value_in_the_code_of_a_program_is_refused_without_an_explicit_option() {
    for (words, named) in [
        (&["sh", "-c", "echo {}"][..], "\"sh -c\" reads as code"),
        (&["sh", "-c"], "\"sh -c\" reads as code"),
        (
            &["env", "A=1", "bash", "-ec", "echo {}", "x"],
            "\"bash -c\"",
        ),
        (
            &["python3", "-c", "print({1})"],
            "the placeholder {1} is in",
        ),
        (&["perl", "-e", "print {}"], "\"perl -e\""),
        (&["cmd", "/c", "echo", "{}"], "\"cmd /c\""),
        (&["ssh", "host", "ls {}"], "\"ssh\""),
    ] {
        assert_refused(&[words, &[":::", "x"]].concat(), named);
        assert_refused(&[&["--shell", "-q"], words, &[":::", "x"]].concat(), named);
    }
    assert_refused(
        &["--shell", "-q", "eval", "echo {}", ":::", "x"],
        "\"eval\" reads as code",
    );
    let value = "$(echo CODE)";
    let as_argument = output(&["sh", "-c", "echo \"$1\"", "sh", "{}", ":::", value]);
    assert_eq!(stdout(&as_argument), format!("{value}\n"));
    let appended = output(&["sh", "-c", "echo \"$0\"", ":::", value]);
    assert_eq!(stdout(&appended), format!("{value}\n"));
    let insisted = output(&["--allow-code", "sh", "-c", "echo {}", ":::", value]);
    assert_eq!(stdout(&insisted), "CODE\n");
    let evaluated = output(&["--allow-code", "--shell", "eval {}", ":::", "echo CODE"]);
    assert_eq!(stdout(&evaluated), "CODE\n");
    let mut by_variable = run(&["sh", "-c", "echo {}", ":::", "x"]);
    let by_variable = finish(by_variable.env("THRONG_ALLOW_CODE", "1").spawn().unwrap());
    assert_eq!(by_variable.status.code(), Some(255), "{by_variable:?}");
}

#[test]
fn shell_syntax_without_a_shell_is_refused() {
    for program in ["echo {}", "echo {} >> res.txt", "a;b", "echo a", "$EDITOR"] {
        assert_refused(&[program, ":::", "x"], "--shell");
        assert_refused(&["--dry-run", program, ":::", "x"], "--shell");
    }
    // Operators that are separate words have already passed through a shell, and are intended.
    let literal = output(&["-k", "echo", "|", "a;b", ">", "{}", ":::", "x"]);
    assert_eq!(stdout(&literal), "| a;b > x\n");
    let lines = output_with_stdin(&["-j1"], b"echo 1\necho 2 | tr 2 3\necho 4\n");
    assert_eq!((stdout(&lines), lines.status.code()), ("1\n", Some(255)));
    let expected = "throng: stdin line 2: \"echo 2 | tr 2 3\": \"|\" is for a shell, and no \
                    shell reads this line: use --shell, or put it in quotes where it is text\n";
    assert_eq!(stderr(&lines), expected);
    for line in [
        "echo hi > out.txt",
        "A=1 env",
        "echo $HOME",
        "ls *.c",
        "ls ~",
        "a && b",
    ] {
        assert_refused(&[":::", line], "--shell");
        assert_refused(&["--dry-run", ":::", line], "--shell");
    }
}

#[test]
fn a_program_name_may_contain_a_space() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my echo");
    std::os::unix::fs::symlink("/bin/echo", &path).unwrap();
    let there = output(&[path.to_str().unwrap(), "{}", ":::", "x"]);
    assert_eq!(stdout(&there), "x\n");
    let by_value = dir.path().join("my {}");
    let there = output(&[by_value.to_str().unwrap(), "y", ":::", "echo"]);
    assert_eq!(stdout(&there), "y\n");
}

#[test]
fn a_shell_can_be_selected_if_it_reads_our_quoting() {
    for shell in ["fish", "/usr/bin/tcsh", "python3", "nu", "pwsh", "env", ""] {
        let option = format!("--shell={shell}");
        assert_refused(&[&option, "echo {}", ":::", "x"], "as a POSIX shell does");
        let mut by_variable = run(&["--shell", "echo {}", ":::", "x"]);
        let by_variable = finish(by_variable.env("THRONG_SHELL", shell).spawn().unwrap());
        let code = if shell.is_empty() { 0 } else { 255 };
        assert_eq!(by_variable.status.code(), Some(code), "{by_variable:?}");
    }
    // Without --shell the variable has no meaning.
    let mut none = run(&["echo", ":::", "x"]);
    let none = finish(none.env("THRONG_SHELL", "fish").spawn().unwrap());
    assert_eq!(stdout(&none), "x\n");
    // The shell gets the script itself, whatever it begins with.
    let dash = output(&["--shell=/bin/sh", "{}", ":::", "-e"]);
    assert!(stderr(&dash).contains("not found"), "{dash:?}");
    let word = output(&["--shell", "sh", "{}", ":::", "/dev/null"]);
    assert!(word.status.success(), "sh is the command: {word:?}");
}

#[test]
fn bash_has_its_own_syntax_and_exported_functions() {
    if !std::path::Path::new("/bin/bash").exists() {
        return;
    }
    let script = "f() { echo \"f:$1\"; }; export -f f; exec \"$0\" run -k \"$@\"";
    let run = |args: &[&str]| {
        let mut bash = std::process::Command::new("/bin/bash");
        crate::program::without_settings(&mut bash);
        bash.args(["-c", script, env!("CARGO_BIN_EXE_throng")]);
        bash.args(args).output().unwrap()
    };
    let function = run(&["--shell=bash", "f", ":::", "a  b", "$(id)"]);
    assert_eq!(stdout(&function), "f:a  b\nf:$(id)\n", "{function:?}");
    let syntax = run(&[
        "--shell=/bin/bash",
        "x={}; [[ $x == a* ]] && echo $x",
        ":::",
        "ab",
        "b",
    ]);
    assert_eq!(stdout(&syntax), "ab\n", "{syntax:?}");
    let mut by_variable = crate::program::run(&["--shell", "[[ 1 ]]; echo {}", ":::", "x"]);
    let by_variable = finish(by_variable.env("THRONG_SHELL", "bash").spawn().unwrap());
    assert_eq!(stdout(&by_variable), "x\n", "{by_variable:?}");
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let log = ["--joblog", log.to_str().unwrap()];
    let script = "x={}; [[ $x == a* ]]";
    let first = run(&[&log[..], &["--shell=bash", script, ":::", "a", "b"]].concat());
    assert_eq!(first.status.code(), Some(1), "{first:?}");
    let other = run(&[&log[..], &["--shell", "--retry-failed"]].concat());
    assert!(stderr(&other).contains("with --shell=bash"), "{other:?}");
    let again = run(&[&log[..], &["--shell=bash", "--retry-failed"]].concat());
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    // GNU parallel's log does not record the shell.
    let theirs = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n\
                  1\t:\t1.000\t     1.000\t0\t0\t1\t0\t[[ a == a* ]] && echo done\n";
    std::fs::write(log[1], theirs).unwrap();
    let again = run(&[&log[..], &["--shell=bash", "--retry-failed"]].concat());
    assert_eq!(stdout(&again), "done\n", "{again:?}");
}

/// Every value that these shells have been seen to execute is refused or stays text.
#[test]
fn only_simple_templates_are_accepted_for_a_shell_with_more_syntax() {
    let dir = tempfile::tempdir().unwrap();
    for (script, value) in [
        ("echo $path[{}]", "a[$(touch PWN)]"),
        ("echo \"$HOME[{}]\"", "a[$(touch PWN)]"),
        ("echo $${}", "\\';touch PWN;#"),
        ("float x; x={}", "a[$(touch PWN)]"),
        ("FUNCNEST={}", "a[$(touch PWN)]"),
        ("for SECONDS in {}; do :; done", "a[$(touch PWN)]"),
        ("true &!eval {}", "touch PWN"),
    ] {
        let args = ["--shell=zsh", script, ":::", value];
        let output = run(&args).current_dir(dir.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(255), "{script}: {output:?}");
        assert_eq!(stderr(&output).lines().count(), 1, "{script}: {output:?}");
        assert!(!dir.path().join("PWN").exists(), "{script}");
    }
}

#[test]
fn a_value_in_a_variable_read_as_code_is_refused_without_an_explicit_option() {
    for words in [
        &["--env", "BASH_ENV={}", "true"][..],
        &["env", "BASH_ENV={}", "true"],
        &["--shell", "env BASH_ENV={} true"],
        &["--shell", "BASH_ENV={} true"],
        &["--shell", "export LD_PRELOAD={}"],
    ] {
        assert_refused(&[words, &[":::", "x"]].concat(), "--allow-code");
        let insisted = output(&[&["--allow-code"], words, &[":::", ""]].concat());
        assert!(insisted.status.success(), "{words:?}: {insisted:?}");
    }
    let number = output(&["--env", "PS4={#}", "--env", "A={}", "true", ":::", "x"]);
    assert!(number.status.success(), "{number:?}");
}

#[test]
fn the_suggested_remedy_fits_the_program() {
    for (words, remedy) in [
        (&["awk", "/{}/"][..], "awk -v 'x={}'"),
        (&["ssh", "host", "ls {}"], "--stdin '{}' ssh host"),
        (&["node", "-e", "{}"], "node -e CODE {}"),
        (&["bash", "-c", "{}"], "bash -c 'echo \"$1\"' bash {}"),
        (&["--shell", "[[ {} ]]"], "x={}; ... \"$x\""),
        (&["--shell", "echo $(({}))"], "case $x in *[!0-9]*)"),
        (&["--shell", "echo $'{}'"], "x={}; ... \"$x\""),
    ] {
        assert_refused(&[words, &[":::", "x"]].concat(), remedy);
    }
}
