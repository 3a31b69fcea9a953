//! The quoting rules of a POSIX shell, and arguments of any bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::program::{json_bytes, output, output_with_stdin, run, stderr, stdout};

#[test]
fn without_a_command_each_line_is_one_and_no_shell_sees_it() {
    let lines = b"echo 'a  b' \"c\"\n\n# nothing\necho $HOME `id` > x\n";
    let output = output_with_stdin(&["-k"], lines);
    assert_eq!(stdout(&output), "a  b c\n$HOME `id` > x\n");
    assert!(output.status.success());
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
fn a_script_that_begins_with_a_dash_is_no_option() {
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
fn as_many_values_as_the_system_takes_go_into_a_command() {
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
    // Glued together they are one argument, which may have 128 KiB.
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
fn a_dry_run_prints_commands_that_a_shell_would_read_back() {
    let args = ["--dry-run", "rm", "-f", "{}", ":::", "a b", "$(x)", "-y"];
    let output = output(&args);
    assert_eq!(stdout(&output), "rm -f 'a b'\nrm -f '$(x)'\nrm -f -y\n");
    assert!(output.status.success());
}

#[test]
fn what_a_program_makes_of_a_block_does_not_depend_on_the_time() {
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
