//! What real shells do with our scripts: values of any bytes arrive unchanged and no part of them
//! is executed, or the template was refused.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::options::placeholders::Placeholders;
use crate::script::Rules;
use crate::template::{PlaceholderSyntax, Substitutions, Template};
use crate::values::{Columns, Value};

/// `w` writes each of its arguments followed by a NUL, and then a line end; `p` writes one,
/// followed by a dot.
/// A shell that loops over input it cannot parse (ksh 93, over `~<(<<-E`) is stopped.
const WRITER: &str = "ulimit -t 10\n\
                      w() { for a do printf '%s\\0' \"$a\"; done; echo; }\n\
                      p() { printf '%s.' \"$1\"; }\n";

/// What a value would do if it were executed: create a file, using nothing but the shell.
const TRACE: &str = "TRACE";

/// The shells that are installed; the less common ones only if there is time.
fn shells() -> Vec<&'static str> {
    let mut all = vec!["sh", "bash", "dash"];
    if cases().is_some() {
        all.extend(["mksh", "ksh", "zsh"]);
    }
    let exists = |name: &&str| Path::new("/bin").join(name).exists();
    all.into_iter().filter(exists).collect()
}

/// The number of cases; the environment may ask for more than the default.
fn cases() -> Option<u32> {
    std::env::var("PROPTEST_CASES").ok()?.parse().ok()
}

/// The script of this template for these values; an error means that it was refused.
fn script(template: &str, shell: &str, values: &[Value], repeats: bool) -> anyhow::Result<Vec<u8>> {
    let language = PlaceholderSyntax::new(&Placeholders::default())?;
    let words = [template.into()];
    let columns = Columns::new(None);
    let rules = Rules {
        is_strict: super::counts_in_arguments(Some(shell.as_ref())),
        ..Rules::default()
    };
    let template = Template::parse(&words, &language, &columns, false)?.for_shell(rules)?;
    let mut fill = Substitutions {
        values,
        seq: 7,
        slot: 3,
        ..Substitutions::default()
    };
    fill.packing.repeats = repeats;
    fill.width = if repeats { 1 } else { 0 };
    template.script(&fill)
}

/// What the shell writes to stdout, in a directory without files, since it could run files found
/// there.
fn run(shell: &str, script: &[u8], dir: &Path) -> Vec<u8> {
    for entry in std::fs::read_dir(dir).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    // The test's own words may begin with `=`.
    let prepare = if shell == "zsh" {
        "unsetopt equals\n"
    } else {
        ""
    };
    let script = [prepare.as_bytes(), WRITER.as_bytes(), script].concat();
    let output = Command::new(shell)
        .arg("-c")
        .arg(OsStr::from_bytes(&script))
        .current_dir(dir)
        .env("V", "v v")
        .env("LC_ALL", "C")
        .env_remove("BASH_ENV")
        .env_remove("ENV")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    output.stdout
}

/// A value: any bytes but NUL, or code that would leave a trace if it were executed.
fn value() -> impl Strategy<Value = Value> {
    let hostile = prop::sample::select(vec![
        "$(: >TRACE)",
        "`: >TRACE`",
        ";: >TRACE;",
        "\n: >TRACE\n",
        "' ; : >TRACE; '",
        "\" ; : >TRACE; \"",
        "\"$(: >TRACE)\"",
        "'$(: >TRACE)'",
        "\\",
        "}; : >TRACE; ${",
        ")); : >TRACE; ((",
        "); : >TRACE; (",
        "|: >TRACE",
        "&: >TRACE",
        "a[$(: >TRACE)]",
        "x\nE\n: >TRACE\n",
        "-v",
        "-c",
        "eval",
        "esac",
        "2",
        "",
        "A=b",
        "~",
        "*",
        "#",
        "{a,b}",
        "$'\\''",
        "!",
    ]);
    let bytes = prop::collection::vec(1u8..=255, 0..12);
    prop_oneof![
        3 => hostile.prop_map(|text| text.as_bytes().to_vec()),
        1 => bytes,
    ]
}

/// A part of a word: how it is written, and what the shell makes of it for this value.
#[derive(Clone, Debug)]
enum Part {
    Text(&'static str),
    Escaped(char),
    Value,
    Number,
    Single(Vec<Part>),
    Double(Vec<Part>),
    /// Only in double quotes.
    Variable,
    /// `$(p WORD)`, only in double quotes: the dot preserves line ends.
    Command(Vec<Part>),
}

impl Part {
    fn write(&self, out: &mut String) {
        match self {
            Part::Text(text) => out.push_str(text),
            Part::Escaped(char) => out.extend(['\\', *char]),
            Part::Value => out.push_str("{}"),
            Part::Number => out.push_str("{#}"),
            Part::Single(parts) => enclosed(out, "'", parts, "'"),
            Part::Double(parts) => enclosed(out, "\"", parts, "\""),
            Part::Variable => out.push_str("${V}"),
            Part::Command(parts) => enclosed(out, "$(p ", parts, ")"),
        }
    }

    fn has_value(&self) -> bool {
        match self {
            Part::Value => true,
            Part::Single(parts) | Part::Double(parts) | Part::Command(parts) => {
                parts.iter().any(Part::has_value)
            }
            _ => false,
        }
    }

    fn add_to(&self, word: &mut Vec<u8>, value: &[u8]) {
        match self {
            Part::Text(text) => word.extend_from_slice(text.as_bytes()),
            Part::Escaped(char) => word.push(*char as u8),
            Part::Value => word.extend_from_slice(value),
            Part::Number => word.push(b'7'),
            Part::Variable => word.extend_from_slice(b"v v"),
            Part::Single(parts) | Part::Double(parts) => {
                parts.iter().for_each(|part| part.add_to(word, value));
            }
            Part::Command(parts) => {
                parts.iter().for_each(|part| part.add_to(word, value));
                word.push(b'.');
            }
        }
    }
}

fn enclosed(out: &mut String, open: &str, parts: &[Part], close: &str) {
    out.push_str(open);
    parts.iter().for_each(|part| part.write(out));
    out.push_str(close);
}

/// The parts of a word; at least one.
fn word() -> impl Strategy<Value = Vec<Part>> {
    let leaf = || {
        prop_oneof![
            prop::sample::select(vec!["a", "b/c", "-x", "%", "=", "."]).prop_map(Part::Text),
            Just(Part::Value),
            Just(Part::Number),
        ]
    };
    let single = prop::collection::vec(
        prop_oneof![
            leaf(),
            prop::sample::select(vec!["$V", "`", "\\", "\"", " # ", "\n", "$("])
                .prop_map(Part::Text),
        ],
        0..4,
    )
    .prop_map(Part::Single);
    let part = prop_oneof![
        3 => leaf(),
        1 => prop::sample::select(vec![' ', '\'', '"', '$', '#', ';']).prop_map(Part::Escaped),
        1 => single,
    ];
    let part = part.prop_recursive(3, 12, 3, move |part| {
        let inside = prop_oneof![
            3 => prop::sample::select(vec!["a ", "'", " # ", ";", "\n", "(", "="])
                .prop_map(Part::Text),
            3 => Just(Part::Value),
            1 => Just(Part::Variable),
            2 => prop::collection::vec(part, 1..3).prop_map(Part::Command),
        ];
        prop::collection::vec(inside, 0..4).prop_map(Part::Double)
    });
    prop::collection::vec(part, 1..4)
}

/// A template, and the words of each of its commands.
type Wanted = (String, Vec<Vec<Vec<Part>>>);

/// Commands that write words, and the syntax around them.
fn template() -> impl Strategy<Value = Wanted> {
    let command = prop::collection::vec(word(), 1..3);
    let around = prop::sample::select(vec![
        ("", ""),
        ("", " >&1"),
        ("", " # it's a comment"),
        ("(", ")"),
        ("{ ", "; }"),
        ("if true; then ", "; fi"),
        ("for i in 1; do ", "; done"),
        ("A=b ", ""),
        ("", " | cat"),
        ("false || ", ""),
        ("sleep $((1 - 1)); ", ""),
        (": ${V:-x} `true`; ", ""),
        (": <<E; ", "\nno\nE"),
        (": <<-'E'\n`$(\n\tE\n", ""),
        ("case a in (b) ;; a) ", ";; esac"),
        ("f() { ", "; }; f"),
        (": \\\n \"$V\"; ", ""),
        ("", "; true"),
    ]);
    prop::collection::vec((around, command), 1..3).prop_map(|commands| {
        let mut text = String::new();
        let mut words = Vec::new();
        for ((before, after), command) in commands {
            text.push_str(before);
            text.push('w');
            for word in &command {
                text.push(' ');
                word.iter().for_each(|part| part.write(&mut text));
            }
            text.push_str(after);
            text.push('\n');
            words.push(command);
        }
        (text, words)
    })
}

fn runner(number: u32) -> TestRunner {
    TestRunner::new(Config {
        cases: cases().unwrap_or(number),
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn values_arrive_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    for shell in shells() {
        let accepted = Cell::new(0);
        let test = |((template, commands), values): (Wanted, Vec<Value>)| {
            let repeats = values.len() > 1;
            let script = match script(&template, shell, &values, repeats) {
                Ok(script) => script,
                Err(_) if super::counts_in_arguments(Some(shell.as_ref())) => return Ok(()),
                // Only words that are too complex for a here-document that is still to come.
                Err(error) => {
                    let error = error.to_string();
                    prop_assert!(error.contains("here-document"), "{}", error);
                    prop_assert!(template.contains("<<E; w"), "{}", template);
                    return Ok(());
                }
            };
            accepted.set(accepted.get() + 1);
            let mut expected = Vec::new();
            for command in &commands {
                for word in command {
                    // A word without a value occurs once.
                    let has_value = word.iter().any(Part::has_value);
                    for value in values.iter().take(if has_value { 2 } else { 1 }) {
                        let parts = word.iter();
                        parts.for_each(|part| part.add_to(&mut expected, value));
                        expected.push(0);
                    }
                }
                expected.push(b'\n');
            }
            let written = run(shell, &script, dir.path());
            let script = String::from_utf8_lossy(&script);
            prop_assert!(
                written == expected,
                "{shell} wrote {:?}, not {:?}, of {script}",
                String::from_utf8_lossy(&written),
                String::from_utf8_lossy(&expected)
            );
            let is_run = dir.path().join(TRACE).exists();
            prop_assert!(!is_run, "{shell}: {script}");
            Ok(())
        };
        let result = runner(150).run(&(template(), prop::collection::vec(value(), 1..3)), test);
        assert!(result.is_ok(), "{shell}: {}", result.unwrap_err());
        assert!(accepted.get() > 10, "{shell}: {}", accepted.get());
    }
}

/// Nearly everything that has a meaning in a shell script.
const PIECES: &[&str] = &[
    "{}",
    "{}",
    "{}",
    "{}",
    "w ",
    "w ",
    "a",
    " ",
    " ",
    "\n",
    ";",
    "&",
    "|",
    "&&",
    "(",
    ")",
    "((",
    "))",
    "$(",
    "$((",
    "${V:-",
    "${",
    "}",
    "{ ",
    "`",
    "'",
    "'",
    "\"",
    "\"",
    "\\",
    "\\\n",
    "$",
    "$V",
    "#",
    " # ",
    "<<E\n",
    "<<-E\n",
    "<<'E'\n",
    "\nE\n",
    "\n\tE\n",
    "<",
    ">",
    "> f",
    ">&",
    "&>",
    "<(",
    "[[ ",
    " ]]",
    "[ ",
    " ]",
    "=",
    "x=",
    "a[",
    "]=1 ",
    "eval ",
    "sh -c ",
    "trap ",
    " EXIT",
    "if ",
    "then ",
    "fi",
    "for i in ",
    "do ",
    "done",
    "case ",
    " in ",
    "esac",
    ";;",
    "-eq 1",
    "-v ",
    "printf ",
    "test ",
    "read ",
    "export ",
    "let ",
    "$'",
    "$\"",
    "$[",
    "]",
    "alias ",
    "f() ",
    "function f ",
    "time ",
    "! ",
    "command ",
    "set -- ",
    "declare -i x\n",
    "unset ",
    "%",
    "*",
    "~",
    "@(",
    "!(",
    "shopt -s extglob\n",
    "PS4=",
    "set -x\n",
    "a=(",
    "$path[",
    "$$",
    "&!",
    "always ",
    "<#",
    "float x\n",
    "integer x\n",
    "set -A ",
    "FUNCNEST=",
    "for x in ",
    "for SECONDS in ",
    "done\n",
];

/// Text made of these pieces, with a value somewhere in it.
fn anything() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(PIECES);
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

/// Values that would leave a trace. None names a command that evaluates its argument: a value in
/// the position of a command's name is a command.
fn hostile() -> impl Strategy<Value = Value> {
    value().prop_map(|value| match &value[..] {
        b"eval" => b"a[$(: >TRACE)]".to_vec(),
        _ => value,
    })
}

#[test]
fn no_part_of_a_value_is_executed_whatever_the_template() {
    let dir = tempfile::tempdir().unwrap();
    for shell in shells() {
        let accepted = Cell::new(0);
        let test = |(template, first, second): (String, Value, Value)| {
            for (template, repeats) in [(template.replace("{}", "{1}"), false), (template, true)] {
                let values = [first.clone(), second.clone()];
                let Ok(script) = script(&template, shell, &values, repeats) else {
                    return Ok(());
                };
                accepted.set(accepted.get() + 1);
                run(shell, &script, dir.path());
                let is_run = dir.path().join(TRACE).exists();
                prop_assert!(!is_run, "{}", String::from_utf8_lossy(&script));
            }
            Ok(())
        };
        let result = runner(300).run(&(anything(), hostile(), hostile()), test);
        assert!(result.is_ok(), "{shell}: {}", result.unwrap_err());
        assert!(accepted.get() > 20, "{shell}: {}", accepted.get());
    }
}
