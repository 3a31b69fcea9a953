use std::ffi::OsString;

use proptest::prelude::*;

use super::*;
use crate::options::placeholders::Placeholders;
use crate::script::Quotes;
use crate::script::Rules;
use crate::work;

fn placeholders(options: &[&str]) -> Placeholders {
    let mut placeholders = Placeholders::default();
    for option in options {
        match option.split_once('=') {
            _ if *option == "plus" => placeholders.plus = true,
            Some(("I", text)) => placeholders.replace = Some(text.into()),
            Some(("rpl", definition)) => placeholders.rpl.push(definition.into()),
            Some(("dir", text)) => placeholders.dirname = Some(text.into()),
            _ => panic!("{option}"),
        }
    }
    placeholders
}

fn parse(options: &[&str], words: &[&str], columns: &Columns) -> anyhow::Result<Template> {
    let syntax = PlaceholderSyntax::new(&placeholders(options))?;
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    Template::parse(&words, &syntax, columns, true)
}

fn owned(values: &[&str]) -> Vec<Value> {
    values
        .iter()
        .map(|value| value.as_bytes().to_vec())
        .collect()
}

fn fill(values: &[Value]) -> Substitutions<'_> {
    Substitutions {
        values,
        seq: 7,
        slot: 3,
        total: 100,
        jobs: 10,
        ..Substitutions::default()
    }
}

fn with(options: &[&str], words: &[&str], values: &[&str]) -> Vec<OsString> {
    let values = owned(values);
    let template = parse(options, words, &Columns::new(Some(values.len()))).unwrap();
    template.argv(&fill(&values)).unwrap()
}

fn argv(words: &[&str], values: &[&str]) -> Vec<OsString> {
    with(&[], words, values)
}

fn packed(is_flat: bool, repeats: bool, words: &[&str], width: usize) -> Vec<OsString> {
    let values = owned(&["a", "b", "c", "d"]);
    let template = parse(&[], words, &Columns::new(Some(4))).unwrap();
    let mut fill = fill(&values);
    fill.width = width;
    fill.packing = Packing { is_flat, repeats };
    template.argv(&fill).unwrap()
}

#[test]
fn placeholders_are_replaced_and_a_missing_one_is_appended() {
    assert_eq!(argv(&["echo"], &["a b"]), ["echo", "a b"]);
    assert_eq!(argv(&["x", "<{}>", "{#}-{%}"], &["v"]), ["x", "<v>", "7-3"]);
    assert_eq!(argv(&["x", "{#}"], &["v"]), ["x", "7"]);
    assert_eq!(argv(&["x", "{2}{1}"], &["a", "b"]), ["x", "ba"]);
    assert_eq!(argv(&["x", "{-1}{-2}"], &["a", "b"]), ["x", "ba"]);
    let two = argv(&["x", "{}", "={}"], &["a", "b"]);
    assert_eq!(two, ["x", "a", "b", "=a b"]);
    assert_eq!(argv(&["{}", ""], &["prog"]), ["prog", ""]);
}

#[test]
fn other_braces_are_text() {
    let awk = argv(&["awk", "{print $1}", "{", "{}}"], &["f"]);
    assert_eq!(awk, ["awk", "{print $1}", "{", "f}"]);
    assert_eq!(argv(&["x", "{a}{{}"], &["f"]), ["x", "{a}{f"]);
    assert_eq!(
        argv(&["{..}{+/}{:-x}", "{}"], &["f"]),
        ["{..}{+/}{:-x}", "f"]
    );
}

#[test]
fn doubled_braces_around_a_placeholder_are_text() {
    for (word, expected) in [
        ("{{}}", "{}"),
        ("{{{}}}", "{v.w}"),
        ("{{{{}}}}", "{{}}"),
        ("{{{{{.}}}}}", "{{v}}"),
        ("[0-9]{{2}}", "[0-9]{2}"),
        ("{{1}}{1}{{.}}{{#}}{{%}}", "{1}v.w{.}{#}{%}"),
        ("{{0}}{{-3}}", "{0}{-3}"),
        ("{{}", "{v.w"),
        ("{}}", "v.w}"),
        ("{{{}}", "{{}"),
        ("{{}}}", "{}}"),
        ("{{}} {}", "{} v.w"),
        ("{{.Name}} {{a}} {{", "{{.Name}} {{a}} {{"),
        ("{\"a\":{\"b\":{}}}", "{\"a\":{\"b\":v.w}}"),
    ] {
        assert_eq!(argv(&[word, "{}"], &["v.w"])[0], expected, "{word}");
    }
    let columns = Columns::named(owned(&["n"]));
    let template = parse(&[], &["{{n}}{n}{{m}}"], &columns).unwrap();
    assert_eq!(template.argv(&fill(&owned(&["a"]))).unwrap(), ["{n}a{m}"]);
    assert_eq!(
        with(&["plus"], &["{{%(}}{{/a/b}}"], &["a"])[0],
        "{%(}{/a/b}"
    );
    assert_eq!(with(&["rpl={u} uc"], &["{{u}}{u}"], &["a"]), ["{u}A"]);
}

#[test]
fn numbers_are_positions_from_one_whatever_the_column_names() {
    for zero in ["{0}", "{-0}", "{0.}", "{00}"] {
        let error = parse(&[], &[zero], &Columns::new(Some(1))).unwrap_err();
        let inside = &zero[1..zero.len() - 1];
        let expected =
            format!("{zero}: values are counted from 1; the text is written {{{{{inside}}}}}");
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(argv(&["{0,2}", "{}"], &["a"]), ["{0,2}", "a"]);
    let far = "{-99999999999999999999999}";
    let error = parse(&[], &[far], &Columns::new(Some(1))).unwrap_err();
    assert!(error.to_string().contains("and there is 1"), "{error}");
    let columns = Columns::named(owned(&["2", "1", "-1", "1a"]));
    assert!(columns.mislead());
    let template = parse(&[], &["{1}{2}{-1}{1a}{4.}"], &columns).unwrap();
    assert_eq!(
        template.argv(&fill(&owned(&["p", "q", "r", "s"]))).unwrap(),
        ["pqsss"]
    );
    for names in [&["a", "2"][..], &["a", "b"], &["1", "2", ""]] {
        assert!(!Columns::named(owned(names)).mislead(), "{names:?}");
    }
}

#[test]
fn work_is_linear_in_word_length_and_number_of_columns() {
    let words = [
        "{", "}", "{}", "{{}}", "{x", "{1}", "{{{ab", "${a", "{-", "{%x",
    ];
    for text in words {
        let work = |times: usize| {
            let word = text.repeat(times);
            let columns = Columns::new(Some(1));
            work::of(|| parse(&["plus"], &[&word, "{}"], &columns).unwrap())
        };
        let (once, twice) = (work(5000), work(10_000));
        assert!(twice <= once * 5 / 2, "{text}: {once} {twice}");
    }
    let work = |count: usize| {
        let names: Vec<Value> = (0..count).map(|n| format!("n{n:06}").into()).collect();
        let word: String = (0..count).map(|n| format!("{{n{n:06}}}")).collect();
        let columns = Columns::named(names);
        work::of(|| parse(&[], &[&word], &columns).unwrap())
    };
    let (once, twice) = (work(300), work(600));
    assert!(twice <= once * 21 / 10, "{once} {twice}");
}

#[test]
fn work_is_linear_in_placeholders_and_values() {
    let packings = [
        (true, true, 1),
        (false, true, 1),
        (false, false, 1),
        (false, false, 0),
    ];
    for (is_flat, repeats, width) in packings {
        let work = |count: usize| {
            let values: Vec<Value> = (0..count).map(|n| n.to_string().into()).collect();
            let word = |n: usize| {
                if width == 1 && !is_flat {
                    "x{1}y".into()
                } else {
                    format!("{{{n}}}")
                }
            };
            let words: Vec<String> = match width {
                0 => (1..=count).map(word).collect(),
                _ => vec![word(1), "a{}b".into(), "{}".into()],
            };
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let template = parse(&[], &words, &Columns::new(Some(count))).unwrap();
            let mut fill = fill(&values);
            (fill.width, fill.packing) = (width, Packing { is_flat, repeats });
            work::of(|| template.argv(&fill).unwrap())
        };
        let (once, twice) = (work(500), work(1000));
        assert!(
            once > 0 && twice <= once * 2,
            "{is_flat} {repeats} {width}: {once} {twice}"
        );
    }
}

#[test]
fn a_missing_column_is_reported_by_name() {
    let error = parse(&[], &["x", "{3}"], &Columns::new(Some(2))).unwrap_err();
    let message = "{3} names value 3, and there are 2; the text is written {{3}}";
    assert_eq!(error.to_string(), message);
    let columns = Columns::named(owned(&["a", "b c"]));
    let error = parse(&[], &["x", "{size}"], &columns).unwrap_err();
    assert_eq!(
        error.to_string(),
        "{size} names no column: there are \"a, b c\"; the text is written {{size}}"
    );
    assert!(parse(&[], &["x", "${HOME}", "{print $1}"], &columns).is_ok());
}

#[test]
fn header_names_are_placeholders_with_all_path_suffixes() {
    let columns = Columns::named(owned(&["a", "b c", "ab"]));
    let template = parse(&[], &["{a.}", "{b c/}", "{ab}", "{3}"], &columns).unwrap();
    let values = owned(&["x.y", "d/e", "z"]);
    assert_eq!(template.argv(&fill(&values)).unwrap(), ["x", "e", "z", "z"]);
}

#[test]
fn path_placeholders_work_by_position_too() {
    let words = ["{1.}", "{2/}", "{2//}", "{2/.}", "{.}"];
    let expected = ["a", "c.d", "b", "c", "a", "b/c"];
    assert_eq!(argv(&words, &["a.x", "b/c.d"]), expected);
}

#[test]
fn plus_placeholders_are_those_of_the_manual() {
    let plus = |word: &str, value: &str| {
        let mut argv = with(&["plus"], &[word], &[value]);
        argv.pop().unwrap().into_string().unwrap()
    };
    let value = "abbABcdef";
    for (word, expected) in [
        ("{:-none}", value),
        ("{:2}", "bABcdef"),
        ("{:1:3}", "bbA"),
        ("{#a}", "bbABcdef"),
        ("{##a.*b}", "ABcdef"),
        ("{%f.*}", "abbABcde"),
        ("{%%e.*}", "abbABcd"),
        ("{/b/X}", "aXbABcdef"),
        ("{//b/X}", "aXXABcdef"),
        ("{^a}", "AbbABcdef"),
        ("{^^[a-c]}", "ABBABCdef"),
        ("{,A}", value),
        ("{,,A|B}", "abbabcdef"),
        ("{1/(b+)/<$1>}", "a<bb>ABcdef"),
        ("{/#ab/X}", "XbABcdef"),
        ("{/#b/X}", value),
        ("{/%ef|c/X}", "abbABcdX"),
        ("{/%d/X}", value),
        ("{/#a/}", "bbABcdef"),
        ("{//#/X}", value),
        ("{/#/X}", value),
    ] {
        assert_eq!(plus(word, value), expected, "{word}");
    }
    assert_eq!(plus("{:-none}", ""), "none");
    assert_eq!(plus("{:1:1}", "éà"), "à");
    assert_eq!(plus("{%[a-z]+}", "xyz"), "xy");
    assert_eq!(plus("{%%[a-z]+}", "xyz"), "");
    assert_eq!(plus("{##}/{0#}/{0%}/{slot}", "v"), "100/007/03/3");
    assert_eq!(plus("{..}|{+..}|{/..}|{+.}", "p/a.b.c"), "p/a|b.c|a|c");
    assert_eq!(
        plus("{..}.{+..}|{.}.{+.}|{/..}", "a.b.c."),
        "a.b.c.|a.b.c.|a.b"
    );
}

#[test]
fn combinations_can_be_skipped() {
    let columns = Columns::new(Some(2));
    let choose = parse(&["plus"], &["x{choose_k}"], &columns).unwrap();
    assert!(choose.takes(&owned(&["a", "b"])) && !choose.takes(&owned(&["b", "a"])));
    assert!(!choose.takes(&owned(&["a", "a"])));
    let uniq = parse(&["plus"], &["x{uniq}"], &columns).unwrap();
    assert!(uniq.takes(&owned(&["b", "a"])) && !uniq.takes(&owned(&["a", "a"])));
    let words = ["{1uniq}+{2uniq}", "{2choose_k}"];
    let numbered = parse(&["plus"], &words, &columns).unwrap();
    assert!(numbered.is_choosy() && !numbered.takes(&owned(&["a", "a"])));
    let values = owned(&["a", "b"]);
    assert!(numbered.takes(&values));
    assert_eq!(numbered.argv(&fill(&values)).unwrap(), ["a+b", "b"]);
}

#[test]
fn a_replaced_placeholder_is_text() {
    let argv = with(
        &["I=,,", "dir=DIR"],
        &["x,,", "{}", "{1}", "DIR", "{//}"],
        &["a/b.c"],
    );
    assert_eq!(argv, ["xa/b.c", "{}", "{1}", "a", "{//}"]);
    let words = ["{.}", "{0}", "{2}", "{#}{%}", "{{}}", "{-1/}", "X{x}"];
    let expected = ["{.}", "{0}", "{2}", "{#}{%}", "{{}}", "{-1/}", "a{x}"];
    assert_eq!(with(&["I=X"], &words, &["a"]), expected);
    // A placeholder that was defined by the user is one.
    assert_eq!(with(&["I=X", "plus"], &["X{1}{}{#}"], &["a"]), ["aa{}7"]);
    assert_eq!(
        with(&["I=X", "rpl={u} uc"], &["X{u}{1u}{.}"], &["a"]),
        ["aAA{.}"]
    );
    let columns = Columns::named(owned(&["n"]));
    let template = parse(&["I=X"], &["X{n}{m}"], &columns).unwrap();
    assert_eq!(template.argv(&fill(&owned(&["a"]))).unwrap(), ["a{n}{m}"]);
    assert_eq!(with(&["I={}"], &["{}", "{1}"], &["a"]), ["a", "a"]);
}

#[test]
fn definitions_are_substitutions() {
    let rpl = |definition: &str, word: &str, value: &str| {
        let option = format!("rpl={definition}");
        let mut argv = with(&[&option], &[word], &[value]);
        argv.pop().unwrap().into_string().unwrap()
    };
    assert_eq!(
        rpl("{..} s:\\.[^/.]+$::; s:\\.[^/.]+$::;", "{..}", "a.b.c"),
        "a"
    );
    assert_eq!(rpl("{x} s/x/y/ || s/a/b/", "{1x}", "xa"), "ya");
    assert_eq!(rpl("{x} s/x/y/ || s/a/b/", "{x}", "a"), "b");
    assert_eq!(rpl("{%(.*?)} s/$$1//", "{%.tar.gz}", "my.tar.gz"), "my");
    assert_eq!(
        rpl("{/(.+?)/(.*?)} s/$$1/$$2/;", "{/a b/C}", "xa by"),
        "xCy"
    );
    assert_eq!(rpl("{up} uc", "{up}", "éa"), "ÉA");
    assert_eq!(rpl(",, s/(.)(.)/$2\\1/gi", ",,", "abcd"), "badc");
    assert_eq!(rpl("{/} s/\\//-/g", "{/}", "a/b/c"), "a-b-c");
}

#[test]
fn errors_in_definitions_and_placeholders_are_reported() {
    for (options, words, named) in [
        (
            &["rpl={x} $_++"][..],
            &["{x}"][..],
            "--rpl \"{x} $_++\": \"$_++\" is not one of",
        ),
        (&["rpl={x} s/a"], &["{x}"], "is not closed"),
        (
            &["rpl={x} s/(/b/"],
            &["{x}"],
            "the regular expression: unclosed group",
        ),
        (&["rpl={x} s/a/b/q"], &["{x}"], "\"q\" is not a flag"),
        (
            &["rpl={x} s/a/b/ s/c/d/"],
            &["{x}"],
            "; or || is expected before",
        ),
        (
            &["rpl={x} s/$$1//"],
            &["{x}"],
            "$$1 is not a part of the tag",
        ),
        (&["rpl="], &["{x}"], "--rpl \"\": a tag and an expression"),
        (&["I="], &["{x}"], "-I \"\""),
        (&["plus"], &["{%(}"], "cannot read the placeholder {%(}"),
        (
            &[],
            &["{=", "s/a/b/", "=}"],
            "\"{= s/a/b/ =}\" is a Perl expression",
        ),
    ] {
        let error = parse(options, words, &Columns::new(Some(1))).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(named) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn several_values_repeat_a_word_or_are_joined_in_it() {
    let words = ["x", "p{}q", "{}"];
    let repeated = ["x", "paq", "pbq", "pcq", "pdq", "a", "b", "c", "d"];
    assert_eq!(packed(false, true, &words, 1), repeated);
    assert_eq!(packed(true, true, &words, 1), repeated);
    let joined = ["x", "pa b c dq", "a", "b", "c", "d"];
    assert_eq!(packed(false, false, &words, 1), joined);
    assert_eq!(
        packed(false, true, &["{2}-{1}", "{2}"], 2),
        ["b-a", "d-c", "b", "d"]
    );
    assert_eq!(packed(true, true, &["{2}-{1}", "{4}"], 2), ["b-a", "d"]);
    assert_eq!(
        packed(true, true, &["{1}-{}"], 1),
        ["a-a", "a-b", "a-c", "a-d"]
    );
    assert_eq!(packed(false, true, &["{}."], 2), ["a b.", "c d."]);
}

#[test]
fn a_missing_value_is_reported_where_all_are_required() {
    let values = owned(&["a"]);
    let template = parse(&["plus"], &["{2}"], &Columns::new(None)).unwrap();
    let error = template.argv(&fill(&values)).unwrap_err();
    let message = "{2} has no value: the row has 1 column";
    assert_eq!(error.to_string(), message);
    let columns = Columns::named(owned(&["a", "size"]));
    let template = parse(&[], &["{size}"], &columns).unwrap();
    let mut named = fill(&values);
    named.columns = Some(&columns);
    let error = template.argv(&named).unwrap_err();
    let message = "{2}, \"size\", has no value: the row has 1 column";
    assert_eq!(error.to_string(), message);
    let template = parse(&["plus"], &["{2}"], &Columns::new(None)).unwrap();
    let mut flat = fill(&values);
    flat.packing.is_flat = true;
    assert_eq!(template.argv(&flat).unwrap(), [""]);
    let default = parse(&["plus"], &["{2:-none}"], &Columns::new(None)).unwrap();
    assert_eq!(default.argv(&fill(&values)).unwrap(), ["none"]);
}

fn for_shell(words: &[&str]) -> anyhow::Result<Template> {
    parse(&[], words, &Columns::new(Some(1)))?.for_shell(Rules::default())
}

#[test]
fn words_of_a_script_are_repeated_as_the_shell_splits_them() {
    let values = owned(&["a", "b c"]);
    let mut fill = fill(&values);
    fill.width = 1;
    fill.packing.repeats = true;
    let quote = |value: &[u8], quotes| {
        let mut script = Vec::new();
        sys::push_quoted(&mut script, value, quotes).unwrap();
        String::from_utf8(script).unwrap()
    };
    let b = quote(b"b c", Quotes::AsNeeded);
    let in_quotes = format!(
        "\"{} {}\"",
        quote(b"a", Quotes::DoubleAtEnd),
        quote(b"b c", Quotes::DoubleAtEnd)
    );
    let file = format!(
        "{}{}{}",
        quote(b"a", Quotes::Always),
        quote(b" ", Quotes::Always),
        quote(b"b c", Quotes::Always)
    );
    let each = format!(
        "\"x {}\" \"x {}\"",
        quote(b"a", Quotes::DoubleAtEnd),
        quote(b"b c", Quotes::DoubleAtEnd)
    );
    for (words, repeats, expected) in [
        (
            &["echo  x{} | wc", "-l"][..],
            true,
            format!("echo  xa x{b} | wc -l"),
        ),
        (&["echo {}&echo x{#}"], true, format!("echo a {b}&echo x7")),
        (&["echo \"x {}\""], true, format!("echo {each}")),
        (&["echo \"{}\""], false, format!("echo {in_quotes}")),
        (&["echo >f:{}< x"], true, format!("echo >f:{file}< x")),
    ] {
        fill.packing.repeats = repeats;
        let template = for_shell(words).unwrap();
        let script = template.script(&fill).unwrap();
        assert_eq!(String::from_utf8(script).unwrap(), expected, "{words:?}");
    }
}

#[test]
fn a_refusal_names_the_placeholder_and_the_text_before_it() {
    let error = for_shell(&["echo", "x\"{}"]).unwrap_err().to_string();
    let start =
        "--shell: the placeholder {} after \"echo x\"\" stands where a quote is not closed,";
    assert!(error.starts_with(start) && !error.contains('\n'), "{error}");
    let columns = Columns::new(Some(2));
    let code = parse(&[], &["python3", "-c", "print({2})"], &columns).unwrap();
    let error = code.refuse_code(None).unwrap_err().to_string();
    let start = "the placeholder {2} is in an argument that \"python -c\" reads as code, so";
    assert!(error.starts_with(start) && !error.contains('\n'), "{error}");
    for words in [
        &["python3", "-c", "print({#})", "{}"][..],
        &["sh", "-c", "x", "sh"],
    ] {
        assert!(
            parse(&[], words, &columns)
                .unwrap()
                .refuse_code(None)
                .is_ok()
        );
    }
}

#[test]
fn a_pattern_is_one_word_and_nothing_is_appended() {
    let syntax = PlaceholderSyntax::new(&placeholders(&[])).unwrap();
    let columns = Columns::new(Some(2));
    let pattern = Pattern::parse("dir/{1}-{#}".as_ref(), &syntax, &columns).unwrap();
    let values = owned(&["a", "b"]);
    assert_eq!(pattern.bytes(&fill(&values)).unwrap(), b"dir/a-7");
    assert!(pattern.has_placeholders() && !pattern.uses_slot());
    let plain = Pattern::parse("plain".as_ref(), &syntax, &columns).unwrap();
    assert_eq!(plain.bytes(&fill(&values)).unwrap(), b"plain");
    assert!(!plain.has_placeholders());
}

proptest! {
    #[test]
    fn values_reach_argv_unchanged(
        text in "[^{}\0]{0,20}",
        value in "[^\0]{0,20}",
    ) {
        let word = format!("{text}{{}}{text}");
        let argv = argv(&[&word], &[&value]);
        prop_assert_eq!(&argv, &[OsString::from(format!("{text}{value}{text}"))]);
    }

    #[test]
    fn a_value_is_one_word_of_a_script(value in "[^\0-\x1f\x7f%]{0,20}") {
        let template = for_shell(&["echo", "x{}y"]).unwrap();
        let values = [value.clone().into_bytes()];
        let script = template.script(&fill(&values)).unwrap();
        let words = sys::split(&script).unwrap();
        prop_assert_eq!(&words, &["echo".into(), OsString::from(format!("x{value}y"))]);
    }

    #[test]
    fn with_quote_a_script_has_the_words_of_the_argv(
        words in prop::collection::vec("[a-c;|$(){}' ]{0,6}", 1..4),
        value in "[^\0-\x1f\x7f%]{0,9}",
    ) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let template = parse(&[], &words, &Columns::new(Some(1))).unwrap();
        let values = [value.into_bytes()];
        let script = template.quoted_script(&fill(&values)).unwrap();
        let argv = template.argv(&fill(&values)).unwrap();
        // On Windows the program's name has quoting rules of its own.
        prop_assert_eq!(&sys::split(&script).unwrap()[1..], &argv[1..]);
    }

    #[test]
    fn any_word_is_read_or_refused_in_one_line(
        words in prop::collection::vec("[{}0-9./#%:^,+=a()*$\\\\ -]{0,12}|\\PC{0,8}", 0..4),
        value in "\\PC{0,8}",
        plus in any::<bool>(),
    ) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let options: &[&str] = if plus { &["plus"] } else { &[] };
        match parse(options, &words, &Columns::new(Some(1))) {
            Ok(template) => {
                let values = owned(&[&value]);
                let argv = template.argv(&fill(&values)).unwrap();
                prop_assert!(argv.len() >= words.len());
            }
            Err(error) => {
                let line = format!("{error:#}");
                prop_assert!(!line.contains('\n'), "{}", line);
            }
        }
    }

    #[test]
    fn any_definition_is_read_or_refused_in_one_line(
        definition in "(\\{[a-c(.*?)]{0,6}\\}|,,)( (s[/:][a-c(|)*$12]{0,5}){0,2}[/:;|a-z ]{0,8})?",
        value in "[a-c/]{0,8}",
    ) {
        let option = format!("rpl={definition}");
        match parse(&[&option], &["{a}", ",,", "{}"], &Columns::new(Some(1))) {
            Ok(template) => drop(template.argv(&fill(&owned(&[&value])))),
            Err(error) => {
                let line = format!("{error:#}");
                prop_assert!(!line.contains('\n'), "{}", line);
            }
        }
    }

    #[test]
    fn directory_and_base_name_recombine_to_the_path(path in "[a-b./]{0,8}") {
        let argv = with(&["plus"], &["{+/}", "{/}", "{.}", "{+.}"], &[&path]);
        let [before, base, stem, extension] = &argv[..] else { panic!("{argv:?}") };
        let text = |word: &OsString| word.to_str().unwrap().to_owned();
        if path.contains('/') {
            prop_assert_eq!(format!("{}/{}", text(before), text(base)), path.clone());
        }
        if !extension.is_empty() {
            prop_assert_eq!(format!("{}.{}", text(stem), text(extension)), path);
        }
    }
}
