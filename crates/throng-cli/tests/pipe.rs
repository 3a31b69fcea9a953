//! What commands read on stdin: blocks of our input, files, text.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use throng_tests::some_of;

use crate::program::{
    child, finish, output, output_with_stdin, run, said, sorted_lines, stderr, stdout,
};

fn numbers(last: u32) -> String {
    (1..=last).fold(String::new(), |mut text, number| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{number}");
        text
    })
}

#[test]
fn each_command_reads_a_block_and_nothing_is_appended() {
    let args = ["-k", "--pipe", "-N2", child(), "outs:<", "cat", "outs:{#}>"];
    let output = output_with_stdin(&args, b"1\n2\n3\n");
    assert_eq!(stdout(&output), "<1\n2\n1><3\n2>");
    assert!(output.status.success());
}

#[test]
fn blocks_of_large_input_are_complete_and_in_order() {
    let text = numbers(300_000);
    let args = ["-k", "-j4", "--pipe", "--block", "100k", child(), "cat"];
    let output = output_with_stdin(&args, text.as_bytes());
    assert!(stdout(&output) == text, "{}", stderr(&output));
}

#[test]
fn parts_of_files_are_blocks_too() {
    let text = numbers(50_000);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    for way in [
        &["--pipe-part", "-a", path, "--block", "-3"][..],
        &["--pipe-part", "-a", path, "--block", "10k"],
        &["--pipe", "-a", path, "--block", "10k"],
    ] {
        let args = [&["-k", "-j2"], way, &[child(), "cat"]].concat();
        let output = output(&args);
        assert!(stdout(&output) == text, "{way:?}: {}", stderr(&output));
    }
}

#[test]
fn running_commands_get_block_after_block() {
    let text = numbers(200_000);
    let args = [
        "-j3",
        "--round-robin",
        "--block",
        "20k",
        child(),
        "cat",
        "outs:end {#}\n",
    ];
    let output = output_with_stdin(&args, text.as_bytes());
    let (ends, lines): (Vec<String>, Vec<String>) = sorted_lines(&output.stdout)
        .into_iter()
        .partition(|line| line.starts_with("end"));
    assert_eq!(ends, ["end 1", "end 2", "end 3"]);
    assert!(
        lines == sorted_lines(text.as_bytes()),
        "{}",
        stderr(&output)
    );
}

#[test]
fn commands_that_do_not_read_their_blocks_do_not_hinder_others() {
    let text = numbers(200_000);
    for way in ["--round-robin", "--pipe"] {
        let args = ["-j2", way, "--block", "200k", child(), "exit:0"];
        let output = output_with_stdin(&args, text.as_bytes());
        assert!(output.status.success(), "{}", stderr(&output));
        let missing = ["-j2", way, "--block", "200k", "no-such-program"];
        let output = output_with_stdin(&missing, text.as_bytes());
        assert!(!output.status.success());
        assert!(stderr(&output).contains("no-such-program"), "{output:?}");
    }
}

#[test]
fn a_block_is_passed_on_before_the_input_ends() {
    let mut command = run(&["--pipe", "-N1", "--recend", "\n", child(), "cat"]);
    let mut running = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut feed = running.stdin.take().unwrap();
    let mut heard = BufReader::new(running.stdout.take().unwrap());
    let mut line = String::new();
    for text in ["one\n", "two\n"] {
        feed.write_all(text.as_bytes()).unwrap();
        line.clear();
        heard.read_line(&mut line).unwrap();
        assert_eq!(line, text);
    }
    drop(feed);
    assert!(finish(running).status.success());
}

#[test]
fn commands_read_text_or_files_with_placeholders_replaced() {
    let text = output(&[
        "-k",
        "--stdin",
        "<{}>{#}",
        child(),
        "cat",
        ":::",
        "a",
        "b c",
    ]);
    assert_eq!(stdout(&text), "<a>1<b c>2");
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("x.txt"), "of x").unwrap();
    let file = [
        "--stdin",
        &format!("@{}", path("{}.txt")),
        child(),
        "cat",
        ":::",
        "x",
    ];
    assert_eq!(stdout(&output(&file)), "of x");
    let gone = output(&["--stdin", "@{}", child(), "cat", ":::", &path("y.txt")]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone).contains("y.txt"), "{gone:?}");
    let plain = output(&["--stdin", "same", child(), "cat", "args", ":::", "v"]);
    let (text, args) = plain.stdout.split_at(4);
    assert_eq!((text, said(args)), (&b"same"[..], vec![b"v".to_vec()]));
    let ours = ["--stdin", "inherit", child(), "cat", "args", ":::", "v"];
    let (text, args) = (
        b"hello",
        said(&output_with_stdin(&ours, b"hello").stdout[5..]),
    );
    assert_eq!(&output_with_stdin(&ours, b"hello").stdout[..5], text);
    assert_eq!(args, [b"v"]);
    let null = output_with_stdin(
        &["--stdin", "null", child(), "cat", ":::", "outs:x"],
        b"hello",
    );
    assert_eq!(stdout(&null), "x");
}

#[test]
fn invalid_options_are_reported_and_nothing_starts() {
    for (args, named) in [
        (
            &["--pipe", "cat", ":::", "a"][..],
            "--pipe takes its data from stdin or files",
        ),
        (&["--pipe"], "--pipe needs a command"),
        (&["--pipe", "cat", "{}"], "there is no value for {}"),
        (&["--pipe", "cat", "{1}"], "{1} names value 1"),
        (&["--pipe", "--block", "much", "cat"], "--block \"much\""),
        (
            &["--pipe", "--csv", "cat"],
            "--csv cannot be combined with --pipe",
        ),
        (&["--block", "1M", "cat"], "--block needs --pipe"),
        (
            &["--pipe-part", "-a", "/no/such/file", "cat"],
            "/no/such/file",
        ),
        (&["--pipe-part", "cat"], "--pipe-part reads files"),
        (&["--stdin", "inherit", "cat"], "--stdin inherit"),
        (&["--stdin", "@{2}", "cat", ":::", "a"], "--stdin \"@{2}\""),
        (&["--pipe", "--stdin", "x", "cat"], "--stdin"),
        (
            &["--round-robin", "--retries", "2", "cat"],
            "--retries cannot be combined with --round-robin",
        ),
    ] {
        let output = output_with_stdin(args, b"data\n");
        assert_eq!(output.status.code(), Some(255), "{args:?} {output:?}");
        assert_eq!(stdout(&output), "");
        let said = stderr(&output);
        assert!(said.contains(named), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
    }
}

#[test]
fn an_unterminated_record_is_refused_within_the_memory_limit() {
    let endless = vec![b'a'; 70 << 20];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("endless");
    std::fs::write(&file, &endless).unwrap();
    let file = file.to_str().unwrap();
    let few = ["--memory", "1M", "-j1"];
    for options in some_of([
        &["--pipe"][..],
        &["--pipe", "-N2"],
        &["--pipe", "-L2"],
        &["--round-robin"],
    ]) {
        let words = [&few[..], options, &[child(), "cat"]].concat();
        let output = output_with_stdin(&words, &endless);
        assert_eq!(output.status.code(), Some(255), "{options:?}");
        assert!(
            stderr(&output).contains("a block is longer than 67,108,864 bytes"),
            "{options:?}"
        );
    }
    let part = ["--pipe-part", "-a", file, child(), "cat"];
    let part = output(&[&few[..], &part].concat());
    assert!(
        stderr(&part).contains("a block is longer than"),
        "{}",
        stderr(&part)
    );
    for options in [
        &["--pipe", "--block", "70M"][..],
        &["--pipe-part", "--block=-1", "-a", file],
    ] {
        let refused = output(&[&few[..], options, &[child(), "cat"]].concat());
        let line = "is more than 67,108,864, half of --memory";
        assert!(
            stderr(&refused).contains(line),
            "{options:?}: {}",
            stderr(&refused)
        );
    }
}
