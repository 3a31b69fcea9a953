//! What is wrong with a command line, in one line that names the option and the value. The parser
//! explains it in paragraphs; here they become lines.

use std::cmp::Reverse;
use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error};

use crate::text;

/// The line for stderr, without our name before it.
pub(crate) fn one_line(error: &Error) -> String {
    let option = named(error, ContextKind::InvalidArg);
    let value = named(error, ContextKind::InvalidValue);
    let quoted = text::quoted(value.as_bytes());
    match error.kind() {
        ErrorKind::ValueValidation => {
            let why = error.source().map(why).unwrap_or_default();
            format!("{} {quoted}: {why}", name(&option))
        }
        ErrorKind::InvalidValue => {
            let valid = named(error, ContextKind::ValidValue);
            let expected = if valid.is_empty() {
                String::new()
            } else {
                format!(": one of {valid} is expected")
            };
            if value.is_empty() {
                format!("{} needs a value{expected}", name(&option))
            } else {
                format!("{} {quoted}{expected}", name(&option))
            }
        }
        ErrorKind::UnknownArgument => {
            let written = &option;
            let option = name(&option);
            let theirs = crate::cli::parallel::refusal(option);
            // It may be a value that looks like an option, with anything in it.
            let shown = match written.contains(char::is_control) {
                true => text::quoted(written.as_bytes()),
                false => option.to_owned(),
            };
            let hint = nearest(option, &names())
                .map_or_else(|| hint(error), |name| format!("; there is --{name}"));
            theirs.unwrap_or_else(|| format!("there is no option {shown}{hint}"))
        }
        ErrorKind::InvalidSubcommand => {
            let word = named(error, ContextKind::InvalidSubcommand);
            let hint = match hint(error) {
                hint if hint.is_empty() => {
                    let run = format!("throng run {word}");
                    format!("; did you mean {}?", text::quoted(run.as_bytes()))
                }
                hint => hint,
            };
            format!(
                "there is no command {}{hint}",
                text::quoted(word.as_bytes())
            )
        }
        ErrorKind::ArgumentConflict => {
            let other = named(error, ContextKind::PriorArg);
            if other.is_empty() || name(&other) == name(&option) {
                format!("{} is given twice", name(&option))
            } else {
                format!("{} cannot be combined with {}", name(&option), name(&other))
            }
        }
        ErrorKind::TooManyValues => format!("{} takes no value; {quoted}", name(&option)),
        _ => first_line(error),
    }
}

/// The long names of the options of the command that was given; none where none was.
fn names() -> Vec<String> {
    let definition = super::Cli::command();
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(command) = definition.find_subcommand(name) else {
        return Vec::new();
    };
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let longs = shown.filter_map(|arg| arg.get_long_and_visible_aliases());
    longs.flatten().map(String::from).collect()
}

/// The name that takes the fewest letters to change, if that is less than half of them. The parser
/// prefers names that begin alike: `--retry-failed` for `--retry`, and not `--retries`.
fn nearest<'a>(option: &str, names: &'a [String]) -> Option<&'a str> {
    let written = option.strip_prefix("--")?;
    let same = |name: &str| {
        written
            .chars()
            .zip(name.chars())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let distances = names.iter().map(|name| {
        let name = name.as_str();
        (distance(written, name), Reverse(same(name)), name)
    });
    let (distance, _, name) = distances.min()?;
    (2 * distance <= written.chars().count() + 1).then_some(name)
}

/// How many letters have to be put in, left out or changed to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// What may have been meant.
fn hint(error: &Error) -> String {
    let suggested = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand];
    let words = suggested.map(|kind| named(error, kind));
    match words.iter().find(|words| !words.is_empty()) {
        Some(word) => format!("; there is {word}"),
        None => String::new(),
    }
}

/// What the parser keeps under this heading, as words.
fn named(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(word)) => word.clone(),
        Some(ContextValue::Strings(words)) => words.join(", "),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// Why a value is invalid.
fn why(source: &(dyn std::error::Error + 'static)) -> String {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    match source.downcast_ref::<std::num::ParseIntError>() {
        Some(error) if matches!(error.kind(), PosOverflow | NegOverflow) => {
            "the number is too large".into()
        }
        Some(_) => "a number is expected".into(),
        None => source.to_string(),
    }
}

/// An option without the names of its values: `--jobs` of `--jobs <N>`; what has no name is called
/// as its value is: `SHELL` of `<SHELL>`.
fn name(option: &str) -> &str {
    if option.starts_with(['<', '[']) {
        return option.trim_matches(['<', '>', '[', ']', '.']);
    }
    let end = option.find([' ', '=', '[', '<']).unwrap_or(option.len());
    &option[..end]
}

/// The first line of the parser's own message, for the rare rest.
fn first_line(error: &Error) -> String {
    let all = error.to_string();
    let line = all.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suggested_option_is_the_one_with_the_fewest_edits() {
        let names = [
            "retries",
            "retry-failed",
            "results",
            "tag",
            "tagstring",
            "delay",
        ]
        .map(String::from);
        let nearest = |option| nearest(option, &names);
        assert_eq!(nearest("--retry"), Some("retries"));
        assert_eq!(nearest("--retry-faild"), Some("retry-failed"));
        assert_eq!(nearest("--result"), Some("results"));
        assert_eq!(nearest("--tagg"), Some("tag"));
        assert_eq!(nearest("--sshlogin"), None);
        assert_eq!(nearest("-S"), None);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
