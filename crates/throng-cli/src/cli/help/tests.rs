//! Each option has a sentence that stands alone, and help is as long as it should be.

use std::collections::BTreeSet;

use clap::builder::PossibleValue;

use super::*;
use crate::cli::definition;

fn run() -> Command {
    definition().find_subcommand("run").unwrap().clone()
}

/// The options and arguments that users see, with the commands that have them. `config` has those
/// of `run`.
fn arguments() -> Vec<(String, Arg)> {
    let definition = definition();
    let commands = definition
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let others = ["help", "config"];
    let named = commands
        .filter(|command| !others.contains(&command.get_name()))
        .flat_map(|command| {
            let name = command.get_name().to_owned();
            let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
            shown.map(move |arg| (name.clone(), arg.clone()))
        });
    named.collect()
}

#[test]
fn the_short_help_of_run_fits_a_screen() {
    let help = run().render_help().to_string();
    let lines: Vec<&str> = help.trim_end().lines().collect();
    assert!(lines.len() <= 45, "{} lines:\n{help}", lines.len());
    let order = [
        "\nUsage: ",
        "\nExamples:\n",
        "\nPlaceholders:\n",
        "\nCommon options:\n",
    ];
    let starts = order.map(|heading| help.find(heading).expect(heading));
    assert!(starts.is_sorted(), "{help}");
    for option in [
        "-j, --jobs",
        "-k, --keep-order",
        "--tag",
        "--shell",
        "--dry-run",
        "--halt",
    ] {
        assert!(help.contains(&format!(" {option}")), "{option}");
    }
    assert!(
        lines
            .iter()
            .any(|line| line.contains("`throng run --help`"))
    );
}

#[test]
fn all_help_fits_80_columns() {
    let mut run = run();
    let mut texts = vec![
        run.render_help().to_string(),
        run.render_long_help().to_string(),
    ];
    texts.push(definition().render_long_help().to_string());
    texts.extend(TOPICS.iter().map(|topic| (topic.text)()));
    for text in texts {
        let wide = text.lines().find(|line| line.chars().count() > WIDTH);
        assert_eq!(wide, None);
    }
}

/// The text shown in a completion menu has no surrounding text.
#[test]
fn each_option_has_one_sentence_that_stands_alone() {
    let mut faults = Vec::new();
    for (command, arg) in arguments() {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let lower = help.to_lowercase();
        let vague = [
            "the same", "as --", "like -", "blanks", "wants", " say", "places",
        ];
        let vague = vague.into_iter().find(|phrase| lower.contains(phrase));
        let values = arg.get_possible_values();
        let untold =
            |value: &&PossibleValue| value.get_help().is_none() && !help.contains(value.get_name());
        let untold = values.iter().filter(|_| command == "run").find(untold);
        let untold = untold.map(PossibleValue::get_name);
        let checks = [
            (
                help.split(' ').count() < 2,
                "is too short to mean something".to_owned(),
            ),
            (help.chars().count() > 90, "is too long for a menu".into()),
            (help.ends_with('.'), "ends with a full stop".into()),
            (
                help.replace("...", "").contains(". "),
                "has more than one sentence".into(),
            ),
            (
                help.starts_with(char::is_lowercase),
                "begins in lower case".into(),
            ),
            (
                vague.is_some(),
                format!("has the words {:?}", vague.unwrap_or_default()),
            ),
            (untold.is_some(), format!("does not explain {untold:?}")),
        ];
        let found = checks.into_iter().filter(|(is_so, _)| *is_so);
        faults.extend(found.map(|(_, fault)| format!("{command} {arg}: {help:?} {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn longer_explanations_are_sentences_with_full_stops() {
    for (command, arg) in arguments() {
        let long = arg
            .get_long_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        for paragraph in long.split("\n\n").skip(1) {
            assert!(paragraph.ends_with('.'), "{command}: {arg}: {paragraph:?}");
        }
    }
}

#[test]
fn each_option_of_run_has_a_heading() {
    let headings = [
        "Input",
        "Placeholders",
        "Stdin of commands",
        "Control",
        "Output",
        "Limits",
        "Configuration",
    ];
    for arg in run()
        .get_arguments()
        .filter(|arg| !arg.is_positional() && arg.get_id() != "help")
    {
        let heading = arg.get_help_heading();
        assert!(
            heading.is_some_and(|heading| headings.contains(&heading)),
            "{arg} has the heading {heading:?}: give it `help_heading`, one of {headings:?}"
        );
    }
}

#[test]
fn option_names_in_texts_match_the_command_line() {
    let run = run();
    let names: BTreeSet<String> = run
        .get_arguments()
        .flat_map(|arg| arg.get_long_and_visible_aliases().unwrap_or_default())
        .map(|name| format!("--{name}"))
        .collect();
    for topic in TOPICS.iter().filter(|topic| topic.name != "parallel") {
        let text = (topic.text)();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for word in words.filter(|word| word.len() > 3 && word.starts_with("--")) {
            assert!(
                names.contains(word) || word == "--a",
                "{}: {word}",
                topic.name
            );
        }
    }
}

#[test]
fn each_field_of_jsonl_is_described() {
    let source = include_str!("../../records/jsonl/mod.rs");
    let (_, fields) = source.split_once("struct Line<'a> {").unwrap();
    let (fields, _) = fields.split_once("\n}").unwrap();
    let text = (TOPICS
        .iter()
        .find(|topic| topic.name == "jsonl")
        .unwrap()
        .text)();
    let described: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .flat_map(|line| line.get(..line.find("   ").unwrap_or(line.len())))
        .flat_map(|names| names.split([',', ' ', '*']))
        .collect();
    for line in fields
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['/', '#']))
    {
        if let Some((field, _)) = line.split_once(':') {
            assert!(
                described.contains(field),
                "help/jsonl.txt does not have {field}"
            );
        }
    }
}
