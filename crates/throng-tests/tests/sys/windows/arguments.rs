//! Every argument arrives as it was given, whichever code splits the command line.

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt;

use throng::os::windows::CommandExt;
use throng::{Command, Mechanism};
use throng_tests::{assert_complete, child, for_each_mechanism, install, run_one, script_by_name};

/// The arguments that the child reports.
#[track_caller]
fn heard(mechanism: Mechanism, command: &Command) -> Vec<Vec<u8>> {
    let outcome = run_one(mechanism, command);
    assert_complete(&outcome);
    let mut rest = outcome.stdout();
    let mut heard = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk() {
        let (arg, after) = after.split_at(u64::from_le_bytes(*len) as usize);
        heard.push(arg.to_vec());
        rest = after;
    }
    heard
}

/// By the rules of Rust's standard library, and by those of the system's own function.
#[track_caller]
fn assert_arrive(mechanism: Mechanism, args: &[OsString]) {
    for reader in ["args", "raw-args"] {
        let mut command = child!("{reader}");
        let heard = heard(mechanism, command.args(args));
        let expected: Vec<&[u8]> = args.iter().map(|arg| arg.as_encoded_bytes()).collect();
        assert!(heard == expected, "{reader}: {heard:?} for {args:?}");
    }
}

#[test]
fn arguments_with_special_characters_arrive() {
    let texts = [
        "",
        " ",
        "a b",
        "\t",
        "a\tb",
        "a\"b",
        "\"",
        "\"\"",
        "a\\",
        "\\",
        "a\\\\\"b",
        "a\\\\",
        "a b\\",
        "a b\\\\",
        "\\\"",
        "\\\\\\\"x",
        "c:\\dir with blanks\\",
        "line\nline\r\n",
        "--",
        "/?",
        "%PATH%",
        "^&|<>()",
        "!x!",
        "'single'",
        "*",
        "*.rs",
        "-\"-\\\"-",
        "@file",
        "\u{1}\u{1f}",
        "grüße",
        "日本語",
        "🦀",
        "\u{feff}",
        "e\u{301}",
    ];
    for_each_mechanism(move |mechanism| {
        let args: Vec<OsString> = texts.iter().map(OsString::from).collect();
        assert_arrive(mechanism, &args);
    });
}

#[test]
fn an_argument_that_is_not_text_arrives() {
    for_each_mechanism(|mechanism| {
        let lone = |units: &[u16]| OsString::from_wide(units);
        let args = [
            lone(&[0xD800]),
            lone(&[0xDC00, b'x' as u16]),
            lone(&[b'a' as u16, b' ' as u16, 0xDBFF]),
            lone(&[0xDC00, 0xD800, b'"' as u16]),
        ];
        assert_arrive(mechanism, &args);
    });
}

#[test]
fn an_argument_of_thirty_kibibytes_arrives() {
    for_each_mechanism(|mechanism| {
        let words: String = "some words \" and \\ "
            .chars()
            .cycle()
            .take(28_000)
            .collect();
        for long in ["x".repeat(30 << 10), words] {
            let mut command = child!("args");
            let heard = heard(mechanism, command.arg(&long));
            assert!(heard == [long.as_bytes()], "{} bytes", heard[0].len());
        }
    });
}

#[test]
fn raw_text_follows_the_arguments_unchanged() {
    for_each_mechanism(|mechanism| {
        for reader in ["args", "raw-args"] {
            let mut command = child!("{reader}");
            command.arg("a b").raw_arg(r#"c"d e"f"#).raw_arg("  g");
            let heard = heard(mechanism, command.arg("h"));
            let expected: [&[u8]; 4] = [b"a b", b"h", b"cd ef", b"g"];
            assert!(heard == expected, "{reader}: {heard:?}");
        }
    });
}

#[test]
fn a_program_whose_path_has_spaces_is_the_one_that_runs() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("with some blanks");
        std::fs::create_dir(&place).unwrap();
        let child = child!("");
        // What the system would run for an unquoted path.
        std::fs::write(dir.path().join("with.exe"), "no program").unwrap();
        let program = install(child.get_program(), &place, "a child.exe");
        let mut command = script_by_name(program, "args");
        let heard = heard(mechanism, command.arg("x y"));
        assert_eq!(heard, [b"x y"]);
    });
}
