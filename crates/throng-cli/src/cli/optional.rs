//! `--progress never`: a value that may be left away, written as a word of its own. The parsing
//! library takes it only behind a `=`, because any other word may be the command; here we know
//! which words are values. Does not know what options mean.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// Joins such values to their options, among the options before the command.
pub(super) fn join_values(words: Vec<OsString>, cli: &Command) -> Vec<OsString> {
    let mut rest = VecDeque::from(words);
    let mut joined: Vec<OsString> = rest.drain(..rest.len().min(2)).collect();
    let Some(command) = joined
        .get(1)
        .and_then(|name| cli.find_subcommand(name.to_str()?))
    else {
        joined.extend(rest);
        return joined;
    };
    while let Some(mut word) = rest.pop_front() {
        let Some(text) = word
            .to_str()
            .filter(|text| text.len() > 1 && text.starts_with('-') && *text != "--")
        else {
            rest.push_front(word);
            break;
        };
        let wants = wants(text, command);
        if let (Wants::OneOf(arg), Some(next)) = (&wants, rest.front())
            && is_value_of(arg, next)
        {
            word.push("=");
            word.push(next);
            rest.pop_front();
        }
        joined.push(word);
        if matches!(wants, Wants::Value) {
            joined.extend(rest.pop_front());
        }
    }
    joined.extend(rest);
    joined
}

/// What may follow an option as a word of its own.
enum Wants<'a> {
    Nothing,
    Value,
    OneOf(&'a Arg),
}

fn wants<'a>(word: &str, command: &'a Command) -> Wants<'a> {
    let arg = match word.strip_prefix("--") {
        Some(long) => command.get_arguments().find(|arg| {
            let names = arg.get_long_and_visible_aliases().unwrap_or_default();
            let others = arg.get_all_aliases().unwrap_or_default();
            names.contains(&long) || others.contains(&long)
        }),
        // In a group of short options the first that takes a value takes the rest of the word.
        None => {
            let find = |short: char| {
                let mut args = command.get_arguments();
                args.find(move |arg| arg.get_short() == Some(short))
            };
            let mut shorts = word[1..].chars();
            let first = shorts.find_map(|short| find(short).filter(|arg| takes_value(arg)));
            first.filter(|_| shorts.as_str().is_empty())
        }
    };
    match arg {
        Some(arg) if !takes_value(arg) => Wants::Nothing,
        Some(arg) if arg.is_require_equals_set() => Wants::OneOf(arg),
        Some(_) => Wants::Value,
        None => Wants::Nothing,
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn is_value_of(arg: &Arg, word: &OsStr) -> bool {
    arg.get_possible_values()
        .iter()
        .any(|value| word.to_str().is_some_and(|word| value.matches(word, false)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn joined(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        let mut cli = crate::cli::Cli::command();
        cli.build();
        let words = join_values(words, &cli);
        words.join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn an_optional_value_is_joined_to_its_option() {
        for (line, expected) in [
            (
                "throng run --progress never x",
                "throng run --progress=never x",
            ),
            (
                "throng run -k --colour auto x",
                "throng run -k --colour=auto x",
            ),
            (
                "throng run --progress x never",
                "throng run --progress x never",
            ),
            (
                "throng run --progress=auto never",
                "throng run --progress=auto never",
            ),
        ] {
            assert_eq!(joined(line), expected);
        }
    }

    #[test]
    fn words_of_the_command_and_of_other_options_are_left_alone() {
        for line in [
            "throng run x --progress never",
            "throng run -- --progress never",
            "throng run --joblog --progress never",
            "throng run -j 4 x --progress never",
            "throng run -kj 4 x --progress never",
            "throng mechanisms --progress never",
            "throng",
        ] {
            assert_eq!(joined(line), line);
        }
    }
}
