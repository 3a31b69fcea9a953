//! Bad input gets one clear line; nothing is lost, nothing hangs, nothing is left running.

use throng_tests::some_of;

use std::process::Command;

use crate::program::{child, mechanisms, output, output_with_stdin, stderr, stdout};

#[test]
fn a_program_that_cannot_be_started_is_reported_and_stops_nothing() {
    let missing = std::env::temp_dir()
        .join("no-such-directory")
        .join("program");
    let missing = missing.to_str().unwrap();
    for program in ["no-such-program", missing, ""] {
        let lines = format!("\"{program}\" x\n\"{}\" outs:fine\n", child());
        let output = output_with_stdin(&["-k"], lines.as_bytes());
        assert_eq!(stdout(&output), "fine");
        assert_eq!(output.status.code(), Some(1));
        let expected = format!("throng: cannot start \"{program}\": ");
        assert!(stderr(&output).starts_with(&expected), "{output:?}");
        assert_eq!(stderr(&output).lines().count(), 1, "{output:?}");
    }
}

#[test]
fn arguments_that_are_too_long_or_contain_a_nul_are_refused() {
    let child = child();
    for (argument, named) in [("x".repeat(200_000), "ong"), ("a\0b".into(), "NUL")] {
        let lines = format!("\"{child}\" args \"{argument}\"\n\"{child}\" outs:fine\n");
        let output = output_with_stdin(&["-k"], lines.as_bytes());
        assert_eq!(stdout(&output), "fine");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stderr(&output).lines().count(), 1, "{output:?}");
        assert!(stderr(&output).contains(named), "{output:?}");
    }
}

#[test]
fn command_line_errors_are_reported_and_nothing_starts() {
    for (args, named) in some_of([
        (&["--no-such-option", "echo"][..], "--no-such-option"),
        (
            &["--tagg", "echo"],
            "there is no option --tagg; there is --tag",
        ),
        (
            &["--retry", "3", "echo"],
            "there is no option --retry; there is --retries",
        ),
        (
            &["--config", "x", "--no-config", "echo"],
            "--config cannot be combined with --no-config",
        ),
        (&["--tag=x", "echo"], "--tag takes no value; \"x\""),
        (&["--output"], "--output needs a value: one of group"),
        (&["-j", "many", "echo"], "--jobs \"many\": a number"),
        (&["-j", "0%", "echo"], "0%"),
        (&["--timeout", "soon", "echo"], "soon"),
        (&["--grace=-1", "echo"], "-1"),
        (&["--termseq", "TERM,x", "echo"], "\"x\""),
        (&["--mechanism", "magic", "echo"], "magic"),
        (
            &["--output", "loud", "echo"],
            "--output \"loud\": one of group",
        ),
        (&["--shards", "0", "echo"], "0"),
        (&["-k", "--output", "live", "echo"], "--keep-order"),
        (&["--tag", "--output", "jsonl", "echo"], "--tag"),
        (&["-a", "/no/such/file", "echo"], "/no/such/file"),
        (&["echo", "::::", "/no/such/file"], "/no/such/file"),
        (&["echo", "{7}", ":::", "x"], "{7}"),
        (
            &["--sshlogin", "x", "echo"],
            "--sshlogin of GNU parallel is not available: ",
        ),
        (
            &["-S", "x", "echo"],
            "-S of GNU parallel is not available: ",
        ),
        (&["echo", ":::+", "x"], ":::+"),
        (&["--link", "echo", ":::", "a", "b", ":::", "c"], "--link"),
        (&["--csv", "echo", ":::", "a,\"b"], "--csv"),
        (&["--header", ":", "echo", "{x}", ":::", "y", "1"], "{x}"),
        (&["--colsep", "(", "echo"], "--colsep"),
        (&["-n", "none", "echo"], "--max-args"),
        (&["-L", "0", "echo"], "--max-lines"),
        (&["-s", "3", "echo"], "--max-chars"),
        (&["--trim", "x", "echo"], "--trim"),
        (&["-d", "\\q", "echo"], "--delimiter"),
        (&["--rpl", "{x} $_++", "echo"], "--rpl"),
        (&["--plus", "echo", "{%(}"], "{%(}"),
        (&["echo", "{= s/a/b/ =}"], "{= s/a/b/ =}"),
        (&["--shuf", "--seed", "x", "echo"], "--seed"),
        (&["-0", "-d,", "echo"], "--delimiter"),
        (&["echo", "::::"], "::::"),
    ]) {
        let output = output_with_stdin(args, b"1\n");
        assert_eq!(output.status.code(), Some(255), "{args:?} {output:?}");
        assert_eq!(stdout(&output), "", "{args:?}");
        let said = stderr(&output);
        assert!(said.contains(named), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
        assert!(said.starts_with("throng: "), "{args:?}: {said}");
    }
}

#[test]
fn a_word_that_is_no_subcommand_may_be_a_command_to_run() {
    for (args, expected) in [
        (
            &["gzip", ":::", "a"][..],
            "throng: there is no command \"gzip\"; did you mean \"throng run gzip\"?\n",
        ),
        (
            &["runn"],
            "throng: there is no command \"runn\"; there is run\n",
        ),
        (
            &["-j4", "gzip"],
            "throng: there is no option \"-j4\" before a command; options follow it: \
             throng run -j 4 ...\n",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_throng"))
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(255), "{args:?}");
        assert_eq!(stderr(&output), expected, "{args:?}");
    }
}

#[test]
fn the_last_occurrence_of_an_option_counts() {
    let output = output(&["-j9", "-j1", child(), "outs:{%}", ":::", "a", "b", "c"]);
    assert_eq!(stdout(&output), "111");
}

#[test]
fn help_fits_80_columns_and_goes_to_stdout() {
    for args in [
        &["--help"][..],
        &["run", "-h"],
        &["run", "--help"],
        &["mechanisms", "--help"],
        &["help", "run"],
        &["help", "jsonl"],
        &["help", "parallel"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_throng"))
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success());
        let wide = stdout(&output)
            .lines()
            .find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{args:?}");
    }
}

#[test]
fn every_listed_mechanism_can_be_selected() {
    let names = mechanisms();
    assert!(names.contains(&"threads".into()), "{names:?}");
    for name in names {
        let output = output(&["--mechanism", &name, child(), ":::", "outs:hi"]);
        assert_eq!(stdout(&output), "hi", "{name}");
    }
}

#[test]
fn an_error_in_a_command_line_word_is_reported_in_full() {
    for (words, expected) in [
        (
            &["run", "--seed", "x"][..],
            "--seed \"x\": a number is expected",
        ),
        (&["completions", "x"], "SHELL \"x\": one of "),
        (
            &["run", "--\u{1b}[31mred"],
            r#"there is no option "--\u{1b}[31mred""#,
        ),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_throng"));
        let refused = command.args(words).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.starts_with(&format!("throng: {expected}")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
