//! What a placeholder does to its value: `{.}` cuts an extension off, `{/a/b}` replaces. Does not
//! know which value it gets.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::Context;
use regex::bytes::{Captures, Regex};

use super::path::PathPart;
use super::program::{Program, replacement};
use crate::sys;
use crate::values::Value;

#[derive(Clone, Debug)]
pub(super) enum Transform {
    None,
    Path(PathPart),
    /// `{:-text}`
    Default(Vec<u8>),
    /// `{:start}` and `{:start:length}`, in characters.
    Piece {
        start: usize,
        length: usize,
    },
    /// What the first group matches, or nothing where there is none, takes the place of the match.
    Cut(Regex),
    Replace {
        regex: Regex,
        text: Vec<u8>,
        all: bool,
    },
    Case {
        regex: Regex,
        case: Case,
        all: bool,
    },
    /// Nothing; but a record for which it does not hold makes no command.
    Only(Condition),
    Program(Arc<Program>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
}

impl Transform {
    /// `.` of `{.}`, and the others that are always there.
    pub(super) fn basic(suffix: &str) -> Option<Transform> {
        Some(match suffix {
            "" => Transform::None,
            "." => Transform::Path(PathPart::Stem(1)),
            "/" => Transform::Path(PathPart::Base),
            "//" => Transform::Path(PathPart::Dir),
            "/." => Transform::Path(PathPart::BaseStem(1)),
            _ => return None,
        })
    }

    /// What `--plus` adds.
    pub(super) fn plus(suffix: &str) -> anyhow::Result<Option<Transform>> {
        let part = match suffix {
            ".." => PathPart::Stem(2),
            "..." => PathPart::Stem(3),
            "/.." => PathPart::BaseStem(2),
            "/..." => PathPart::BaseStem(3),
            "+/" => PathPart::BeforeBase,
            "+." => PathPart::Extensions(1),
            "+.." => PathPart::Extensions(2),
            "+..." => PathPart::Extensions(3),
            "choose_k" => return Ok(Some(Transform::Only(Condition::Ascending))),
            "uniq" => return Ok(Some(Transform::Only(Condition::AllDiffer))),
            _ => return Transform::expansion(suffix),
        };
        Ok(Some(Transform::Path(part)))
    }

    /// Those in the manner of a shell's parameter expansion.
    fn expansion(suffix: &str) -> anyhow::Result<Option<Transform>> {
        if let Some(text) = suffix.strip_prefix(":-") {
            return Ok(Some(Transform::Default(text.into())));
        }
        if let Some(numbers) = suffix.strip_prefix(':') {
            return Ok(Transform::piece(numbers));
        }
        let doubled = |mark: &str| {
            let rest = suffix.strip_prefix(mark)?;
            let twice = rest.strip_prefix(mark);
            let regex = twice.unwrap_or(rest);
            (!regex.is_empty()).then_some((regex, twice.is_some()))
        };
        let transform = if let Some((regex, greedy)) = doubled("#") {
            Transform::Cut(compile(&if greedy {
                format!("^(?:{regex})")
            } else {
                format!("^(?U:{regex})")
            })?)
        } else if let Some((regex, greedy)) = doubled("%") {
            Transform::Cut(compile(&if greedy {
                format!("(?:{regex})$")
            } else {
                format!("^((?s-u:.*))(?U:{regex})$")
            })?)
        } else if let Some((rest, all)) = doubled("/") {
            let Some((regex, text)) = rest.split_once('/') else {
                return Ok(None);
            };
            // `{/#abc/ABC}` is at the start of the value, `{/%def/DEF}` at its end.
            let regex = match (all, regex.as_bytes()) {
                (false, [b'#', _, ..]) => format!("^(?:{})", &regex[1..]),
                (false, [b'%', _, ..]) => format!("(?:{})$", &regex[1..]),
                _ => regex.into(),
            };
            Transform::Replace {
                regex: compile(&regex)?,
                text: replacement(text),
                all,
            }
        } else if let Some((regex, all)) = doubled("^") {
            Transform::case(regex, Case::Upper, all)?
        } else if let Some((regex, all)) = doubled(",") {
            Transform::case(regex, Case::Lower, all)?
        } else {
            return Ok(None);
        };
        Ok(Some(transform))
    }

    /// `start` or `start:length`.
    fn piece(numbers: &str) -> Option<Transform> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| text.parse().unwrap_or(usize::MAX))
        };
        let (start, length) = match numbers.split_once(':') {
            Some((start, length)) => (number(start)?, number(length)?),
            None => (number(numbers)?, usize::MAX),
        };
        Some(Transform::Piece { start, length })
    }

    fn case(regex: &str, case: Case, all: bool) -> anyhow::Result<Transform> {
        let regex = if all {
            compile(regex)?
        } else {
            compile(&format!("^(?:{regex})"))?
        };
        Ok(Transform::Case { regex, case, all })
    }

    /// The case of all of a value.
    pub(super) fn whole_case(case: Case) -> anyhow::Result<Transform> {
        let regex = compile("(?s-u)^.*$")?;
        let all = false;
        Ok(Transform::Case { regex, case, all })
    }

    /// Whether a value that is not there may be taken for an empty one.
    pub(super) fn fills_empty(&self) -> bool {
        matches!(self, Transform::Default(_))
    }

    pub(super) fn apply<'v>(&self, value: &'v [u8]) -> Cow<'v, [u8]> {
        match self {
            Transform::None | Transform::Only(_) => Cow::Borrowed(value),
            Transform::Path(part) => part.of(value, sys::PATHS).into(),
            Transform::Default(text) if value.is_empty() => text.clone().into(),
            Transform::Default(_) => Cow::Borrowed(value),
            Transform::Piece { start, length } => {
                let from = character(value, *start);
                let rest = &value[from..];
                Cow::Borrowed(&rest[..character(rest, *length)])
            }
            Transform::Cut(regex) => {
                let kept = |found: &Captures<'_>| {
                    let kept = found.get(1).map(|group| group.as_bytes().to_vec());
                    kept.unwrap_or_default()
                };
                regex.replacen(value, 1, kept)
            }
            Transform::Replace { regex, text, all } => {
                regex.replacen(value, if *all { 0 } else { 1 }, &text[..])
            }
            Transform::Case { regex, case, all } => {
                let changed = |found: &Captures<'_>| case.of(&found[0]);
                regex.replacen(value, if *all { 0 } else { 1 }, changed)
            }
            Transform::Program(program) => program.run(value).into(),
        }
    }
}

impl Case {
    fn of(self, bytes: &[u8]) -> Vec<u8> {
        let mut changed = Vec::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            let text = match self {
                Case::Upper => chunk.valid().to_uppercase(),
                Case::Lower => chunk.valid().to_lowercase(),
            };
            changed.extend_from_slice(text.as_bytes());
            changed.extend_from_slice(chunk.invalid());
        }
        changed
    }
}

pub(super) fn compile(regex: &str) -> anyhow::Result<Regex> {
    Regex::new(regex)
        .map_err(|error| one_line(&error))
        .context("the regular expression")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Each value comes after the one before it.
    Ascending,
    /// No two values are the same.
    AllDiffer,
}

impl Condition {
    pub(super) fn holds(self, values: &[Value]) -> bool {
        match self {
            Condition::Ascending => values.is_sorted_by(|a, b| a < b),
            Condition::AllDiffer => {
                let mut sorted: Vec<_> = values.iter().collect();
                sorted.sort_unstable();
                sorted.is_sorted_by(|a, b| a < b)
            }
        }
    }
}

/// What is wrong with a regular expression; the library draws a picture of it over many lines.
pub(crate) fn one_line(error: &regex::Error) -> anyhow::Error {
    let all = error.to_string();
    let last = all.lines().last().unwrap_or_default();
    anyhow::anyhow!("{}", last.strip_prefix("error: ").unwrap_or(last))
}

/// Whether a regular expression matches where there is nothing, and so between all characters. One
/// that is wrong does not.
pub(crate) fn can_be_empty(regex: &str) -> bool {
    let mut parser = regex_syntax::ParserBuilder::new();
    let parsed = parser.utf8(false).build().parse(regex);
    parsed.is_ok_and(|hir| hir.properties().minimum_len() == Some(0))
}

/// Where the character of this number begins, or the end. What is no UTF-8 counts by bytes.
fn character(bytes: &[u8], number: usize) -> usize {
    let mut left = number;
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if left == 0 {
                return at;
            }
            left -= 1;
            at += char.len_utf8();
        }
        for _ in chunk.invalid() {
            if left == 0 {
                return at;
            }
            left -= 1;
            at += 1;
        }
    }
    at
}
