//! What is wrong with a command line, in one line that names the option and the value. The parser
//! says it in paragraphs; this is the one place where they become lines.

use std::error::Error as _;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::text;

/// The line for stderr, without our name before it.
pub(crate) fn one_line(error: &Error) -> String {
    let option = named(error, ContextKind::InvalidArg);
    let value = named(error, ContextKind::InvalidValue);
    let quoted = text::quoted(value.as_bytes());
    match error.kind() {
        ErrorKind::ValueValidation => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
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
                format!("{} wants a value{expected}", name(&option))
            } else {
                format!("{} {quoted}{expected}", name(&option))
            }
        }
        ErrorKind::UnknownArgument => {
            let option = name(&option);
            let theirs = crate::parallel::refusal(option);
            // It may be a value that looks like an option, with anything in it.
            let shown = match option.contains(char::is_control) {
                true => text::quoted(option.as_bytes()),
                false => option.to_owned(),
            };
            theirs.unwrap_or_else(|| format!("there is no option {shown}{}", hint(error)))
        }
        ErrorKind::InvalidSubcommand => {
            let word = named(error, ContextKind::InvalidSubcommand);
            let word = text::quoted(word.as_bytes());
            format!("there is no command {word}{}", hint(error))
        }
        ErrorKind::ArgumentConflict => {
            let other = named(error, ContextKind::PriorArg);
            if other.is_empty() || name(&other) == name(&option) {
                format!("{} is given twice", name(&option))
            } else {
                format!("{} cannot be had with {}", name(&option), name(&other))
            }
        }
        ErrorKind::TooManyValues => format!("{} takes no value; {quoted}", name(&option)),
        _ => first_line(error),
    }
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

/// An option without the names of its values: `--jobs` of `--jobs <N>`.
fn name(option: &str) -> &str {
    let end = option.find([' ', '=', '[', '<']).unwrap_or(option.len());
    &option[..end]
}

/// What the parser says first, for the rare rest.
fn first_line(error: &Error) -> String {
    let all = error.to_string();
    let line = all.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
