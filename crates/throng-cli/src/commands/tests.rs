use std::ffi::OsString;
use std::io::Write;

use clap::Parser;
use proptest::prelude::*;

use std::sync::Arc;

use crate::commands::builder::CommandBuilder;
use crate::commands::records::Records;
use crate::commands::sources::Input;
use crate::input::words::{Given, Separators, Source, split_words};
use crate::options::Run;
use crate::{sys, work};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    run: Run,
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// The options and words of a line; `~` stands for a space.
fn run(line: &str) -> Run {
    let words = line.split_whitespace().map(|word| word.replace('~', " "));
    let args = std::iter::once("throng".to_owned()).chain(words);
    Cli::try_parse_from(args)
        .unwrap_or_else(|e| panic!("{e}"))
        .run
}

fn open(line: &str) -> anyhow::Result<Records> {
    let args = run(line);
    args.check(3)?;
    let input = Input::open(&args)?;
    let builder = Arc::new(CommandBuilder::new(&args, &input, 3)?);
    input.records(&builder, 3)
}

fn try_records(line: &str) -> anyhow::Result<Vec<String>> {
    let records = open(line)?;
    let total = records.total;
    let all = records
        .map(|record| Ok(String::from_utf8(record?.values.join(&b' '))?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    assert!(
        total.is_none_or(|total| total == all.len() as u64),
        "{total:?} {all:?}"
    );
    Ok(all)
}

fn records(line: &str) -> Vec<String> {
    try_records(line).unwrap()
}

fn file(text: &str) -> (tempfile::NamedTempFile, String) {
    // A path in a line has no spaces; if the temporary directory has some, the file is beside this
    // program.
    let is_word = |path: &std::path::Path| !path.to_string_lossy().contains(['~', ' ']);
    let program = std::env::current_exe().unwrap();
    let dir = Some(std::env::temp_dir()).filter(|dir| is_word(dir));
    let dir = dir.unwrap_or_else(|| program.parent().unwrap().to_owned());
    let mut file = tempfile::NamedTempFile::new_in(dir).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    assert!(is_word(file.path()), "{path}");
    (file, path)
}

#[test]
fn the_command_ends_at_the_first_separator() {
    let split = |line| split_words(words(line), &[], &Separators::default(), |_| false).unwrap();
    let (command, sources) = split("gcc -c ::: a b :::: f - ::::+ g :::+ c");
    assert_eq!(command, ["gcc", "-c"]);
    let given = |source, is_linked| Given { source, is_linked };
    let expected = [
        given(Source::List(vec!["a".into(), "b".into()]), false),
        given(Source::File("f".into()), false),
        given(Source::Stdin, false),
        given(Source::File("g".into()), true),
        given(Source::List(vec!["c".into()]), true),
    ];
    assert_eq!(sources, expected);
    assert_eq!(split("cat").1, [given(Source::Stdin, false)]);
}

#[test]
fn a_file_named_like_a_separator_is_not_a_source() {
    let split = |line: &str, options: &str| {
        let separators = Separators::new(&run(&format!("{options} x")).input)?;
        split_words(words(line), &[], &separators, |word| {
            [":::", "::::", ":::+", ",,"]
                .iter()
                .any(|name| *name == word)
        })
    };
    for (line, options) in [
        ("rm -- ::: :::: 0", ""),
        ("rm -- ::: ::: 0", ""),
        ("rm -- ::: a :::+ 0", ""),
        ("rm -- ,, ,, 0", "--arg-sep=,,"),
        ("rm -- ::: a ,, 0", "--arg-file-sep=,,"),
    ] {
        let error = split(line, options).unwrap_err();
        let expected = " begins a source of values, and there is a file of that name here; ";
        assert!(error.to_string().contains(expected), "{error}");
    }
    // The first separator does not come from a list of files, and with --arg-sep nothing else
    // separates.
    let (command, sources) = split("rm ::: 0", "").unwrap();
    assert_eq!((command.len(), sources.len()), (1, 1));
    let (command, sources) = split("rm ::: ;; :::: 0 :::", "--arg-sep=;;").unwrap();
    assert_eq!(command, ["rm", ":::"]);
    let list = Source::List(words(":::: 0 :::"));
    assert_eq!(
        sources,
        [Given {
            source: list,
            is_linked: false
        }]
    );
    let (_, sources) = split("rm a ;; 0", "--arg-file-sep=;;").unwrap();
    assert_eq!(sources.len(), 1);
}

#[test]
fn invalid_sources_are_refused_by_name() {
    for (line, message) in [
        ("x :::+ a", ":::+ has no source before it"),
        ("x ::::", "needs the name of a file"),
        ("x :::: - -", "only once"),
        ("--arg-sep=a --arg-file-sep=a x", "are both a"),
        (
            "--header=2 x ::: a",
            "--header \"2\": \":\" for the first line",
        ),
        ("--header=: x :::", "--header: the list is empty"),
        (
            "--delimiter=\\q x ::: a",
            "--delimiter: \"\\q\": \\q means nothing",
        ),
        ("--colsep=( x ::: a", "--colsep \"(\": unclosed group"),
        (
            "--colsep=| x ::: a",
            "--colsep \"|\": it matches where there is nothing, and would make a column of each \
             character; the character | is written \\|",
        ),
        (
            "--colsep=,* x ::: a",
            "--colsep \",*\": it matches where there is nothing",
        ),
        ("--csv --colsep=;; x ::: a", "--colsep \";;\": with --csv"),
        ("--seed=1 x ::: a", "--seed needs --shuf"),
        ("--exit x ::: a", "--exit needs -n"),
        (
            "--link x ::: a b ::: c",
            "--link: the list has 2 values and the list has 1",
        ),
        ("-n1 ::: a b", "no command to put several values into"),
        (
            "-s5 -X echo ::: abc",
            "--max-chars 5: the command with \"abc\" alone has 9",
        ),
        ("-x -n2 -s8 echo ::: a b", "--exit: 2 values do not fit"),
        (
            "--colsep=, x {3} ::: a,b",
            "{3} names value 3, and there are 2; the text is written {{3}}",
        ),
    ] {
        let error = try_records(line).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(message), "{line}: {error}");
    }
}

#[test]
fn sources_are_combined_with_the_last_varying_fastest() {
    assert_eq!(records("x ::: a b ::: 1 2"), ["a 1", "a 2", "b 1", "b 2"]);
    assert_eq!(records("x ::: a b"), ["a", "b"]);
    assert_eq!(records("x ::: a b :::"), [""; 0]);
    assert_eq!(records("x :::"), [""; 0]);
}

#[test]
fn linked_sources_advance_together() {
    let line = "x ::: a b c :::+ 1 2 ::: X Y :::+ 3 4";
    assert_eq!(records(line), ["a 1 X 3", "a 1 Y 4", "b 2 X 3", "b 2 Y 4"]);
    assert_eq!(records("--link x ::: a b ::: 1 2"), ["a 1", "b 2"]);
    assert_eq!(records("--xapply x ::: a b ::: 1 2"), ["a 1", "b 2"]);
    let recycled = records("--link=recycle x ::: a b ::: 1 ::: i j k");
    assert_eq!(recycled, ["a 1 i", "b 1 j", "a 1 k"]);
    assert_eq!(
        records("--link=recycle x ::: a ::: 1 2 3"),
        ["a 1", "a 2", "a 3"]
    );
    assert_eq!(records("--link=recycle x ::: a b :::"), [""; 0]);
    assert_eq!(records("--link=shortest x ::: a b ::: 1"), ["a 1"]);
}

#[test]
fn columns_of_a_value_become_values() {
    assert_eq!(
        records("--colsep=- x ::: A-B C-D ::: e-f"),
        ["A B e f", "C D e f"]
    );
    assert_eq!(records("-C,+ x {2} ::: a,,b"), ["a b"]);
    let line = "--colsep=, x ::: ~a,~b~";
    assert_eq!(records(line), ["a b"]);
    assert_eq!(records(&format!("--trim=n {line}")), [" a  b "]);
    assert_eq!(records("--trim=l x ::: ~a~"), ["a "]);
    assert_eq!(records("--trim=r x ::: ~a~"), [" a"]);
    assert_eq!(records("--trim=rl x ::: ~a~"), ["a"]);
}

#[test]
fn a_csv_is_read_with_its_quotes() {
    let (_file, path) = file("\"1 big, 2\",\"a\"\"b\"\n\"x\ny\",z\n");
    assert_eq!(
        records(&format!("--csv -a{path} x")),
        ["1 big, 2 a\"b", "x\ny z"]
    );
    assert_eq!(records("--csv --colsep=; x ::: a,b;\"c;d\""), ["a,b c;d"]);
    let (_file, path) = file("a,b\nc,\"d\ne,f\n");
    let error = try_records(&format!("--csv -a{path} x")).unwrap_err();
    let message = format!("--csv: {path}: line 2: a quote is not closed");
    assert_eq!(error.to_string(), message);
}

#[test]
fn the_first_line_can_name_the_columns() {
    let (_file, path) = file("a\tb\n1\t2\n");
    let named = Input::open(&run(&format!("--header=: -a{path} x {{b}}"))).unwrap();
    let names = [0, 1, 2].map(|index| named.columns().name(index));
    assert_eq!(names, [&b"a"[..], b"b", b"3"]);
    assert_eq!(
        records("--header=: x {n} ::: n 1 2 ::: m 3"),
        ["1 3", "2 3"]
    );
    assert_eq!(
        records(&format!("--header=0 -a{path} x {{{path}}}")).len(),
        2
    );
}

#[test]
fn values_end_at_the_end_marker() {
    let (_file, path) = file("a b\0c\nd\0");
    assert_eq!(records(&format!("-0 -a{path} x")), ["a b", "c\nd"]);
    let (_file, path) = file("a--b--c\n");
    assert_eq!(records(&format!("-d-- -a{path} x")), ["a", "b", "c\n"]);
    let (_file, path) = file("a\nEND\nb\n");
    assert_eq!(records(&format!("-E END -a{path} x")), ["a"]);
    assert_eq!(records("-r x ::: a ~ b"), ["a", "b"]);
}

#[test]
fn commands_get_the_requested_number_of_values() {
    assert_eq!(records("-n3 x ::: 1 2 3 4"), ["1 2 3", "4"]);
    assert_eq!(records("-N3 x {1}{3} ::: 1 2 3 4"), ["1 2 3", "4"]);
    assert_eq!(records("-n2 x ::: a b ::: 1 2"), ["a 1 a 2", "b 1 b 2"]);
    assert_eq!(records("-N0 x ::: 1 2"), ["", ""]);
    let (_file, path) = file("a b\nc \nd\n\n \ne\n");
    assert_eq!(records(&format!("-L2 -a{path} x")), ["a b c d", "e"]);
}

#[test]
fn commands_get_as_many_values_as_fit() {
    assert_eq!(
        records("-X -s10 echo ::: 1 2 3 4 5 6"),
        ["1 2", "3 4", "5", "6"]
    );
    assert_eq!(
        records("--xargs -s10 echo ::: 1 2 3 4 5"),
        ["1 2", "3 4", "5"]
    );
    assert_eq!(
        records("-X echo ::: 1 2 3 4 5 6 7"),
        ["1 2 3", "4 5 6", "7"]
    );
    assert_eq!(records("-m echo ::: 1 2"), ["1", "2"]);
    assert_eq!(records("--xargs echo ::: 1 2 3 4 5 6 7"), ["1 2 3 4 5 6 7"]);
    assert_eq!(records("-n2 -s9 echo ::: 1 2 3"), ["1 2", "3"]);
    assert_eq!(records("-n3 -s9 echo ::: 1 2 3"), ["1 2", "3"]);
}

#[test]
fn the_same_seed_gives_the_same_order() {
    let line = "--shuf --seed=7 x ::: a b c d e f g h";
    assert_eq!(records(line), records(line));
    assert_ne!(records(line), records(&line.replace('7', "8")));
    let mut sorted = records("--shuf x ::: a b c d");
    sorted.sort();
    assert_eq!(sorted, ["a", "b", "c", "d"]);
}

#[test]
fn combinations_can_be_chosen_and_counted() {
    let line = "--plus x {choose_k}{##} ::: a b c ::: a b c";
    assert_eq!(records(line), ["a b", "a c", "b c"]);
    assert_eq!(open(line).unwrap().total, Some(3));
}

#[test]
fn a_maximum_length_alone_does_not_join_values() {
    let (_file, path) = file("1\n22\n333\n");
    assert_eq!(
        records(&format!("-a{path} -I A -s15 echo A")),
        ["1", "22", "333"]
    );
    assert_eq!(records(&format!("-a{path} -s9 echo")), ["1", "22", "333"]);
    let error = format!(
        "{:#}",
        try_records(&format!("-a{path} -s8 echo")).unwrap_err()
    );
    let expected = format!("{path} line 3: --max-chars 8: the command with \"333\" alone has 9");
    assert_eq!(error, expected);
}

#[test]
fn values_are_distributed_evenly_only_if_each_command_stays_short_enough() {
    // The tenth command has longer numbers, so the last two values stay in the ninth.
    let values = "a ".repeat(18);
    let line = format!("-X -s14 e x{{#}}{{#}}{{#}}{{#}}{{#}}{{#}} {{}} ::: {values}");
    assert_eq!(records(&line), ["a a"; 9]);
    let line = line.replace("-s14", "-s18");
    assert_eq!(records(&line).last().unwrap(), "a");
}

#[test]
fn rows_of_different_widths_are_not_mixed_in_one_command() {
    let line = "-X --colsep=, x {-1}{1} ::: a,b c,d e f,g,h i,j,k";
    assert_eq!(records(line), ["a b c d", "e", "f g h", "i j k"]);
}

#[test]
fn records_know_their_source_position() {
    let at = |line: &str| {
        let records = open(line)
            .unwrap()
            .map(|record| record.unwrap().at.to_string());
        records.collect::<Vec<_>>()
    };
    let lines_of = |path: &str, numbers: &[u32]| -> Vec<String> {
        numbers
            .iter()
            .map(|number| format!("{path} line {number}"))
            .collect()
    };
    let (_file, path) = file("a\tb\n\nc\td\n");
    let lines = |numbers: &[u32]| lines_of(&path, numbers);
    assert_eq!(at(&format!("-a{path} x")), lines(&[1, 2, 3]));
    assert_eq!(at(&format!("--header=: -a{path} x")), lines(&[2, 3]));
    assert_eq!(at(&format!("-r -a{path} x")), lines(&[1, 3]));
    assert_eq!(at(&format!("-n2 -a{path} x")), lines(&[1, 3]));
    assert_eq!(at(&format!("-L1 -a{path} x")), lines(&[1, 3]));
    assert_eq!(at(&format!("-0 -a{path} x")), [format!("{path} value 1")]);
    let (_csv, path) = file("a,b\n\n\"c\nd\",e\nf,g\n");
    assert_eq!(
        at(&format!("--csv -a{path} x")),
        lines_of(&path, &[1, 3, 5])
    );
    let both = format!("x ::: a b :::+ c d :::: {path}");
    let first = format!("the list value 1, the list value 1, {path} line 1");
    assert_eq!(at(&both)[0], first);
}

#[test]
fn work_is_linear_in_the_values() {
    for line in [
        "-N{N} e {1} {2} {}",
        "-n{N} e {}",
        "-X -s2000 e x{}y",
        "-m --shell -s2000 e a{}b{.}",
        "--xargs -s400 e",
        "-L{N} e",
        "-n3 e",
        "e",
        "-r --trim=lr --colsep=0 e",
        "--csv e",
        "-E x e",
        "-0 --stdin {} e",
        "--shuf e",
    ] {
        let work = |count: usize| {
            let text: String = (0..count).map(|number| format!("{number:06}\n")).collect();
            let (_file, path) = file(&text);
            let line = line.replace("{N}", &count.to_string());
            work::of(|| records(&format!("-a{path} {line}")))
        };
        let (once, twice) = (work(2000), work(4000));
        assert!(twice <= once * 5 / 2, "{line}: {once} {twice}");
        assert!(once < 2000 * 100, "{line}: {once}");
    }
}

proptest! {
    #[test]
    fn no_command_exceeds_the_maximum_length_and_no_value_is_lost(
        values in prop::collection::vec("[a-z '.]{0,9}", 1..30),
        limit in 20_usize..70,
        option in prop::sample::select(vec![
            "-X", "-m", "--xargs", "", "-n3", "-N3", "-N3 -X", "-n4 -m", "-L3",
        ]),
        shell in prop::sample::select(vec!["", "--shell", "--shell -q"]),
        command in prop::sample::select(vec![
            "echo", "echo p{}q", "e p{}q {} {#}", "e {}{}", "e a{}b{.}c{.}", "e {1}", "e {1}-{} {}",
            "e x{#}y{#}z{#}{} {%}", "e {##}/{0#} {}", "e {.} x{/}", "e {#}",
        ]),
        jobs in 1_usize..5,
    ) {
        let words: Vec<String> = values.iter().map(|v| v.replace(' ', "~")).collect();
        let line = format!("{shell} {option} --plus -s{limit} {command}");
        let mut args = run(&line);
        args.words.push(":::".into());
        args.words.extend(words.iter().map(|word| word.replace('~', " ").into()));
        let input = Input::open(&args).unwrap();
        let builder = Arc::new(CommandBuilder::new(&args, &input, jobs).unwrap());
        let Ok(records) = input.records(&builder, jobs) else {
            return Err(TestCaseError::reject("a value alone is too long"));
        };
        let Ok(records) = records.collect::<Result<Vec<_>, _>>() else {
            return Err(TestCaseError::reject("a value alone is too long"));
        };
        for (seq, record) in (1..).zip(&records) {
            let length = builder.length(&record.values, record.width, seq).unwrap().units;
            prop_assert!(length <= limit, "{}", length);
            for slot in 1..=jobs {
                let command = builder.command_in_slot(record, seq, slot).unwrap().unwrap();
                let written = match builder.uses_shell() {
                    true => sys::script_length(&sys::script(&command)),
                    false => {
                        let words = sys::argv(&command).into_iter();
                        words.map(|word| sys::word_length(word.as_encoded_bytes())).sum()
                    }
                };
                prop_assert!(written <= limit, "{} {:?}", written, command);
            }
        }
        if option != "-L3" {
            let all = records.into_iter().flat_map(|record| record.values);
            let expected = values.into_iter().map(String::into_bytes);
            prop_assert_eq!(all.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn any_words_are_split_or_refused_in_one_line(
        line in prop::collection::vec(":::\\+?|::::\\+?|-|a|:{1,5}|\\PC{0,3}", 0..9),
    ) {
        let given: Vec<OsString> = line.iter().map(OsString::from).collect();
        match split_words(given, &[], &Separators::default(), |_| false) {
            Ok((command, sources)) => {
                prop_assert!(command.len() <= line.len());
                prop_assert!(!sources.is_empty() && !sources[0].is_linked);
            }
            Err(error) => {
                let line = format!("{error:#}");
                prop_assert!(!line.contains('\n'), "{}", line);
            }
        }
    }
}
