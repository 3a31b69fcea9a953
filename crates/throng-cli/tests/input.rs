//! Input as a whole: every way of reading values follows the same rules, and some values can never
//! be arguments.

use std::io::Write;

use crate::program::{child, finish, output, output_with_stdin, run, said, stderr, stdout};

fn file_with(text: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    file
}

/// The values that a command gets from this file and from stdin when they are read in this way.
fn read_both_ways(options: &[&str], text: &[u8]) -> Vec<Vec<u8>> {
    let file = file_with(text);
    let path = file.path().to_str().unwrap();
    let command = [child(), "args", "{}"];
    let by_file = output(&[&["-k", "-a", path], options, &command].concat());
    let by_word = output(&[&["-k"], options, &command, &["::::", path]].concat());
    let by_stdin = output_with_stdin(&[&["-k"], options, &command].concat(), text);
    for output in [&by_file, &by_word, &by_stdin] {
        assert_eq!(stderr(output), "", "{options:?}");
        assert_eq!(output.stdout, by_file.stdout, "{options:?}");
    }
    said(&by_file.stdout)
}

#[test]
fn text_follows_the_same_rules_however_it_is_read() {
    let text = b"\xef\xbb\xbfa,b\r\nc,d\n";
    for (options, expected) in [
        (&[][..], &[&b"a,b"[..], b"c,d"][..]),
        (&["--colsep", ","], &[b"a", b"b", b"c", b"d"]),
        (&["--csv"], &[b"a", b"b", b"c", b"d"]),
        (&["--csv", "--header", ":"], &[b"c", b"d"]),
        (&["--colsep", ",", "--header", ":"], &[b"c", b"d"]),
        (&["-n2"], &[b"a,b", b"c,d"]),
        (&["-d", "\\n"], &[b"\xef\xbb\xbfa,b\r", b"c,d"]),
        (&["-0"], &[text]),
    ] {
        // Windows has no argument for bytes that are not UTF-8.
        assert_eq!(read_both_ways(options, text), expected, "{options:?}");
    }
    let args = ["-k", "--csv", "--header", ":", child(), "args", "{a}"];
    let named = output_with_stdin(&args, b"\xef\xbb\xbf\"a\",b\n1,2\n");
    assert_eq!(said(&named.stdout), [b"1"]);
}

#[test]
fn blank_values_including_form_feeds_and_vertical_tabs_are_skipped() {
    let output = output_with_stdin(&["-k", "-r", child(), "args"], b"a\n\x0c\x0b\t \n\nb\n");
    assert_eq!(said(&output.stdout), [b"a", b"b"]);
    let output = output_with_stdin(&["--trim=lr", child(), "args"], b"\x0b a\x0c\n");
    assert_eq!(said(&output.stdout), [b"a"]);
}

#[test]
fn a_value_with_a_nul_is_refused_with_its_line_number_and_stops_nothing() {
    for (options, at) in [
        (&[][..], "stdin line 2"),
        (&["--csv"], "stdin line 2"),
        (&["-d", "\\n"], "stdin value 2"),
        (&["-n1"], "stdin line 2"),
    ] {
        let args = [&["-k"], options, &[child(), "args", "{}"]].concat();
        let output = output_with_stdin(&args, b"a\nb\0c\nd\n");
        let begun = format!("throng: {at}: \"b\\u{{0}}c\" ");
        assert!(stderr(&output).starts_with(&begun), "{output:?}");
        assert_eq!(stderr(&output).lines().count(), 1);
        assert!(
            said(&output.stdout).starts_with(&[b"a".to_vec()]),
            "{output:?}"
        );
    }
    let output = output_with_stdin(&[child(), "args"], b"a\0b\0");
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("; -0 reads values that end with one"),
        "{output:?}"
    );
    for option in ["--wd=x{}", "--env=X={}", "--stdin=@{}"] {
        let output = output_with_stdin(&[option, child(), "args", "x"], b"a\0b\n");
        assert!(stderr(&output).contains("contains a NUL"), "{output:?}");
        assert_eq!(stdout(&output), "", "{output:?}");
    }
    let lines = format!("\"{}\" args a\0b\n", child());
    let output = output_with_stdin(&[], lines.as_bytes());
    assert!(stderr(&output).contains("contains a NUL"), "{output:?}");
}

#[test]
fn input_that_does_not_become_an_argument_may_contain_a_nul() {
    let data = output_with_stdin(&["--tag", "--stdin", "{}", child(), "cat"], b"a\0b\n");
    assert_eq!(data.stdout, b"a\\u{0}b\ta\0b");
    let args = ["--colsep", "\\x00", child(), "args", "{2}", "{1}"];
    assert_eq!(
        said(&output_with_stdin(&args, b"a\0b\n").stdout),
        [b"b", b"a"]
    );
}

#[test]
fn a_value_too_long_for_an_argument_is_reported_with_its_line_and_stops_nothing() {
    let long = "x".repeat(200_000);
    for options in [&[][..], &["--shell"], &["-X"], &["-n2"]] {
        let args = [&["-k", "-j1"], options, &[child(), "args", "{}"]].concat();
        let output = output_with_stdin(&args, format!("a\n{long}\nb\n").as_bytes());
        let expected = [&b"a"[..], b"b"];
        assert_eq!(
            said(&output.stdout),
            expected,
            "{options:?} {}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(said.starts_with("throng: stdin line 2: \""), "{said}");
        assert!(said.contains("and the limit of this system is "), "{said}");
        assert!(said.contains("--pipe and --stdin"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let args = ["-k", "--stdin={}", "--env", "A={}", child(), "env:A"];
    let output = output_with_stdin(&args, format!("a\n{long}\nb\n").as_bytes());
    assert_eq!(stdout(&output), "ab");
    let begun = "throng: stdin line 2: --env A: \"xxx";
    assert!(stderr(&output).starts_with(begun), "{}", stderr(&output));
    // What counts is how the value is used.
    let row = format!("{long},b\n");
    let column = output_with_stdin(&["--csv", child(), "args", "{2}"], row.as_bytes());
    assert_eq!(said(&column.stdout), [b"b"]);
    let path = format!("{long}/c.d\n");
    let base = output_with_stdin(&[child(), "args", "{/.}"], path.as_bytes());
    assert_eq!(said(&base.stdout), [b"c"]);
    let data = output_with_stdin(&["--stdin", "{}", child(), "cat"], row.as_bytes());
    assert_eq!(data.stdout.len(), row.len() - 1);
}

#[test]
fn a_maximum_length_alone_joins_nothing_and_is_never_exceeded() {
    let args = ["-k", "-s", "100000", child(), "say"];
    let output = output_with_stdin(&args, b"1\n22\n333\n");
    assert_eq!(stdout(&output), "1\n22\n333\n");
    let values: String = (1..=15).map(|number| format!("{number}.gif\n")).collect();
    let args = [
        "--dry-run",
        "--shell",
        "-j1",
        "-s80",
        "-m",
        "echo",
        "a{}b{.}c{.}",
    ];
    let dry = output_with_stdin(&args, values.as_bytes());
    let scripts = stdout(&dry)
        .lines()
        .map(|line| line.len())
        .collect::<Vec<_>>();
    assert!(scripts.len() >= 3, "{dry:?}");
    for line in stdout(&dry).lines() {
        let values = line.matches(".gif").count();
        assert!((1..=7).contains(&values), "{line}");
    }
}

#[test]
fn a_file_named_like_a_separator_is_not_read_as_values() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("0"), "injected\n").unwrap();
    // Windows has no file names with colons.
    std::fs::write(dir.path().join(",,,,"), "").unwrap();
    let mut command = run(&[
        "--arg-file-sep",
        ",,,,",
        child(),
        "args",
        ":::",
        ",,,,",
        "0",
    ]);
    let refused = finish(command.current_dir(dir.path()).spawn().unwrap());
    assert_eq!((refused.status.code(), stdout(&refused)), (Some(255), ""));
    let expected =
        "throng: ,,,, begins a source of values, and there is a file of that name here; ";
    assert!(stderr(&refused).starts_with(expected), "{refused:?}");
    let mut command = run(&[
        "-k",
        "--arg-sep",
        "--",
        child(),
        "args",
        "--",
        ",,,,",
        "::::",
        "0",
    ]);
    let listed = finish(command.current_dir(dir.path()).spawn().unwrap());
    assert_eq!(said(&listed.stdout), [&b",,,,"[..], b"::::", b"0"]);
}

#[test]
fn placeholders_are_replaced_in_variables_and_doubled_braces_are_text() {
    let args = [
        "-k",
        "-j1",
        "--env",
        "A={%}-{#}-{/}-{{}}",
        child(),
        "env:A",
        ":::",
        "x/y",
    ];
    assert_eq!(stdout(&output(&args)), "1-1-y-{}");
    let missing = output(&["--env", "A={2}", child(), ":::", "x"]);
    let expected = "throng: --env \"A={2}\": {2} names value 2, and there is 1; the text is \
                    written \
                    {{2}}\n";
    assert_eq!(stderr(&missing), expected);
    let args = [
        "--tagstring",
        "{{}}{}",
        "--stdin",
        "{{#}}{#}",
        child(),
        "cat",
        ":::",
        "x",
    ];
    assert_eq!(stdout(&output(&args)), "{}x\t{#}1");
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("{#}-of-{##}");
    let results = results.to_str().unwrap();
    let words = [child(), "say", ":::", "a", "b"];
    let tagged = output(&[&["-k", "--plus", "--tagstring", "{##}"], &words[..]].concat());
    assert_eq!(stdout(&tagged), "2\ta\n2\tb\n");
    let kept = output(&[&["--plus", "--results", results], &words[..]].concat());
    assert_eq!(stderr(&kept), "");
    for name in ["1-of-2", "2-of-2"] {
        assert!(dir.path().join(name).exists(), "{name}");
    }
}

#[test]
fn with_a_custom_replacement_string_nothing_else_is_a_placeholder() {
    let args = [
        "-I",
        ",,",
        child(),
        "args",
        ",,",
        "{}",
        "{1}",
        "{.}",
        "{#}",
        ":::",
        "a",
    ];
    let expected: [&[u8]; 5] = [b"a", b"{}", b"{1}", b"{.}", b"{#}"];
    assert_eq!(said(&output(&args).stdout), expected);
}

#[test]
fn a_number_that_names_another_column_is_still_a_position() {
    let args = ["--csv", "--header", ":", child(), "args", "{1}", "{2}"];
    let output = output_with_stdin(&args, b"2,1\nx,y\n");
    assert_eq!(said(&output.stdout), [b"x", b"y"]);
    let expected = "throng: --header: a number in braces is a position, {1} that of the first \
                    column, though columns are called \"2, 1\"\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn columns_without_a_placeholder_are_reported() {
    let words = ["--csv", "--header", ":", child(), "outs:{1}{2}{3}{a}"];
    let told = output_with_stdin(&words, b"a,a,#\nx,y,z\n");
    assert_eq!(stdout(&told), "xyzx", "{told:?}");
    assert_eq!(
        stderr(&told),
        "throng: --header: no placeholder names column 2, called \"a\" as column 1 is, column 3, \
         called \"#\": {N} is the column at position N\n"
    );
}
