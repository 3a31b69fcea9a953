use std::ffi::OsString;
use std::io::{self, Read, Write};

use clap::Parser;
use proptest::prelude::*;

use super::*;
use crate::work;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    run: Run,
}

fn run(options: &[&str]) -> Run {
    let args = ["throng", "--pipe"]
        .iter()
        .chain(options)
        .map(OsString::from);
    Cli::try_parse_from(args)
        .unwrap_or_else(|e| panic!("{e}"))
        .run
}

fn blocks_of(options: &[&str], input: impl Read + Send + 'static) -> Vec<String> {
    let options = PipeOptions::new(&run(options)).unwrap().unwrap();
    let PipeOptions {
        separator,
        measure,
        header,
        limit,
        ..
    } = options;
    let blocks = Blocks::new(Box::new(input), separator, measure, header, limit);
    let text = |block: anyhow::Result<Bytes>| String::from_utf8(block.unwrap()).unwrap();
    blocks.map(text).collect()
}

fn blocks(options: &[&str], text: &str) -> Vec<String> {
    blocks_of(options, io::Cursor::new(text.as_bytes().to_vec()))
}

fn parts(options: &[&str], text: &str, jobs: usize) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let args = ["throng", "--pipe-part"]
        .iter()
        .chain(options)
        .map(OsString::from);
    let run = Cli::try_parse_from(args)
        .unwrap_or_else(|e| panic!("{e}"))
        .run;
    let options = PipeOptions::new(&run).unwrap().unwrap();
    let parts = Parts::open(vec![file.path().into()], options, jobs).unwrap();
    let text = |part: anyhow::Result<Bytes>| String::from_utf8(part.unwrap()).unwrap();
    parts.map(text).collect()
}

fn numbers(last: u32) -> String {
    (1..=last).map(|number| format!("{number}\n")).collect()
}

/// Yields its bytes one at a time.
struct Slow(io::Cursor<Vec<u8>>);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn blocks_are_as_long_as_whole_records_permit() {
    let lengths = |blocks: Vec<String>| blocks.iter().map(String::len).collect::<Vec<_>>();
    assert_eq!(
        lengths(blocks(&["--block", "100"], &numbers(100))),
        [99, 99, 94]
    );
    assert_eq!(blocks(&["--block", "2"], "long\n\nx"), ["long\n", "\nx"]);
    assert_eq!(blocks(&[], ""), [""; 0]);
    assert_eq!(
        blocks(&["--recend", "", "--block", "2"], "abcde"),
        ["ab", "cd", "e"]
    );
}

#[test]
fn a_block_can_have_a_number_of_records() {
    assert_eq!(blocks(&["-N2"], "1\n2\n3\n"), ["1\n2\n", "3\n"]);
    assert_eq!(blocks(&["-L2"], "1\n2\n3\n"), ["1\n2\n", "3\n"]);
    assert_eq!(
        blocks(&["-L2", "-N2"], &numbers(6)),
        ["1\n2\n3\n4\n", "5\n6\n"]
    );
    assert_eq!(blocks(&["-N2"], "1\n2\n3"), ["1\n2\n", "3"]);
}

#[test]
fn records_begin_or_end_with_the_given_separator() {
    let text = "/foo, bar/, /baz, qux/, ";
    let by = |options: &[&str]| blocks(&[&["-N1"], options].concat(), text);
    assert_eq!(
        by(&["--recend", ", "]),
        ["/foo, ", "bar/, ", "/baz, ", "qux/, "]
    );
    assert_eq!(
        by(&["--recstart", "/"]),
        ["/foo, bar", "/, ", "/baz, qux", "/, "]
    );
    let both = ["--recstart", "/", "--recend", ", "];
    assert_eq!(by(&both), ["/foo, bar/, ", "/baz, qux/, "]);
    let regex = ["--regexp", "--recend", "[aeiou]+x?/, "];
    assert_eq!(by(&regex), ["/foo, bar/, /baz, qux/, "]);
    let regex = ["--regexp", "--recend", ", |r", "--recstart", "[b/]"];
    assert_eq!(by(&regex), ["/foo, ", "bar", "/, ", "/baz, qux/, "]);
    assert_eq!(
        by(&["--recend", ", ", "--rrs", "-N2"]),
        ["/foobar/", "/bazqux/"]
    );
    let removed = ["--recstart", "/", "--recend", ", ", "--rrs"];
    assert_eq!(by(&removed), ["foo, bar/", "baz, qux/"]);
    assert_eq!(
        by(&["--recend", "\\x2c ", "-N3"]),
        ["/foo, bar/, /baz, ", "qux/, "]
    );
}

#[test]
fn the_header_precedes_each_block() {
    let text = "h\n1\n2\n3\n";
    assert_eq!(
        blocks(&["--header", ":", "-N2"], text),
        ["h\n1\n2\n", "h\n3\n"]
    );
    assert_eq!(
        blocks(&["--header", "2", "-N1"], text),
        ["h\n1\n2\n", "h\n1\n3\n"]
    );
    assert_eq!(
        parts(&["--header", ":", "--block", "3"], text, 1),
        ["h\n1\n2\n", "h\n3\n"]
    );
}

#[test]
fn parts_of_a_file_contain_whole_records() {
    let lengths = |parts: Vec<String>| parts.iter().map(String::len).collect::<Vec<_>>();
    assert_eq!(
        lengths(parts(&["--block", "20"], &numbers(20), 1)),
        [21, 21, 9]
    );
    assert_eq!(parts(&["--block", "-2"], &numbers(20), 2).len(), 4);
    assert_eq!(
        parts(&["--block", "1"], "a\nbc\nd", 1),
        ["a\n", "bc\n", "d"]
    );
    assert_eq!(parts(&[], "", 1), [""; 0]);
}

#[test]
fn invalid_options_are_refused_by_name() {
    for (options, message) in [
        (&["-N0"][..], "--max-replace-args 0"),
        (&["--block", "-2"], "--block -2"),
        (&["--header", "x"], "--header \"x\": with --pipe"),
        (&["--recend", "", "--rrs"], "--remove-rec-sep: there is no"),
        (&["--recend", "\\q"], "--recend: \"\\q\""),
        (
            &["--regexp", "--recend", "("],
            "--recend \"(\": unclosed group",
        ),
        (
            &["--regexp", "--recend", "|"],
            "--recend \"|\": it matches where there is nothing, and would end a record after each \
             character; the character | is written \\|",
        ),
        (
            &["--regexp", "--recstart", "x*"],
            "--recstart \"x*\": it matches where",
        ),
        (&["--csv"], "--csv cannot be combined with --pipe"),
        (&["-X"], "--context-replace cannot be combined with --pipe"),
    ] {
        let run = run(options);
        let made = run.check(3).and_then(|()| PipeOptions::new(&run));
        let error = made.unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains(message) && !error.contains('\n'),
            "{options:?}: {error}"
        );
    }
}

#[test]
fn work_is_linear_in_the_data() {
    for options in [
        &["--regexp", "--recend", "\\n", "-N", "{N}"][..],
        &["--regexp", "--recend", "\\n", "-N1"],
        &["--regexp", "--recend", "\\n+", "--recstart", "[0-9]", "-N7"],
        &["--regexp", "--recend", "x", "-N1"],
        &["--regexp", "--recend", "x", "--block", "100"],
        &["--regexp", "--recend", "\\n", "--block", "10k"],
        &["--recend", "\\n", "-N", "{N}"],
        &["--recend", "\\n", "-N1"],
        &["--recend", "\\n0", "--block", "1"],
        &["--recend", "x", "-N1"],
        &["--recend", "", "-N", "{N}"],
        &["--recstart", "\\n", "-N2"],
        &["--rrs", "--regexp", "--recend", "\\n", "-N9"],
        &["-L", "{N}"],
        &["-L1"],
        &["--header", "{N}"],
    ] {
        let work = |count: u32| {
            let text: String = (0..count).map(|number| format!("{number:031}\n")).collect();
            let number = count.to_string();
            let options = options.iter().map(|option| option.replace("{N}", &number));
            let options: Vec<String> = options.collect();
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            work::of(|| blocks(&options, &text))
        };
        let (once, twice) = (work(4000), work(8000));
        assert!(twice <= once * 5 / 2, "{options:?}: {once} {twice}");
        // And not many times as many bytes as the input has.
        assert!(once < 4000 * 32 * 6, "{options:?}: {once}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn blocks_concatenated_equal_the_input_however_it_arrives(
        text in "[ab,\n]{0,60}",
        size in 1_usize..20,
        ends in prop::sample::select(vec![
            &["--recend", "\\n"][..],
            &["--recend", ",a"],
            &["--recstart", "b"],
            &["--recstart", "a", "--recend", ","],
            &["--regexp", "--recend", ",+"],
            &["--recend", ""],
        ]),
    ) {
        let size = size.to_string();
        let by_size = [&["--block", &size[..]], ends].concat();
        let by_count = [&["-N", &size[..]], ends].concat();
        for options in [&by_size, &by_count] {
            let slow = blocks_of(options, Slow(io::Cursor::new(text.clone().into_bytes())));
            prop_assert_eq!(&blocks(options, &text), &slow);
            prop_assert_eq!(slow.concat(), text.clone());
            prop_assert!(slow.iter().all(|block| !block.is_empty()));
        }
        prop_assert_eq!(parts(&by_size, &text, 1).concat(), text);
    }
}
