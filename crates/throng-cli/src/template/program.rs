//! The expressions of `--rpl`: `s/REGEX/TEXT/` steps, and a few words. GNU parallel has all of Perl
//! here; most definitions that people write are substitutions, and those mean the same.
//!
//! `a; b` does both; `a || b` does the second where the first found nothing. A tag may have
//! parts of its own, regular expressions in parentheses; `$$1` is what was written in the place of
//! the first.

use std::borrow::Cow;

use anyhow::{Context, bail, ensure};
use regex::bytes::Regex;

use super::transform::{Case, Transform, compile};
use crate::text;

/// A definition: the tag, and what it does.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    tag: RuleTag,
    source: String,
}

#[derive(Clone, Debug)]
enum RuleTag {
    Literal(String),
    WithParts(Box<Regex>),
}

/// Steps in order; of each chain those up to the first that found something.
#[derive(Clone, Debug)]
pub(super) struct Program {
    chains: Vec<Vec<Step>>,
}

#[derive(Clone, Debug)]
enum Step {
    Transform(Transform),
    Trim,
}

impl Rule {
    pub(super) fn new(tag: &str, source: &str) -> anyhow::Result<Rule> {
        let tag = if tag.contains('(') {
            RuleTag::WithParts(Box::new(compile(&tag_regex(tag))?))
        } else {
            RuleTag::Literal(tag.into())
        };
        let rule = Rule {
            tag,
            source: source.trim().into(),
        };
        let parts = rule.parts_count();
        Program::parse(&with_parts(&rule.source, &vec!["x"; parts])?)?;
        Ok(rule)
    }

    fn parts_count(&self) -> usize {
        match &self.tag {
            RuleTag::Literal(_) => 0,
            RuleTag::WithParts(regex) => regex.captures_len() - 1,
        }
    }

    /// What the rule does where this is written, if that is its tag.
    pub(super) fn transform(&self, written: &str) -> anyhow::Result<Option<Program>> {
        let parts: Vec<&str> = match &self.tag {
            RuleTag::Literal(tag) if tag == written => Vec::new(),
            RuleTag::Literal(_) => return Ok(None),
            RuleTag::WithParts(regex) => match regex.captures(written.as_bytes()) {
                Some(found) => {
                    let parts = found.iter().skip(1).map(|group| {
                        let bytes = group.map_or(&b""[..], |group| group.as_bytes());
                        str::from_utf8(bytes).unwrap_or_default()
                    });
                    parts.collect()
                }
                None => return Ok(None),
            },
        };
        let program = with_parts(&self.source, &parts)
            .and_then(|source| Program::parse(&source))
            .with_context(|| format!("cannot read the placeholder {{{written}}}"))?;
        Ok(Some(program))
    }

    /// What a tag that is not in braces does.
    pub(super) fn transform_without_parts(&self) -> anyhow::Result<Transform> {
        let RuleTag::Literal(tag) = &self.tag else {
            bail!("a tag with parts in parentheses has to be in braces");
        };
        let program = self.transform(tag)?.context("it is its own tag")?;
        Ok(Transform::Program(program.into()))
    }
}

/// A regular expression for all that a tag with parts can look like.
fn tag_regex(tag: &str) -> String {
    let mut regex = String::from("^");
    let mut depth = 0_usize;
    let mut literal = String::new();
    for char in tag.chars() {
        match char {
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                regex.push(')');
                continue;
            }
            _ if depth == 0 => literal.push(char),
            _ => {}
        }
        if depth > 0 {
            regex.push_str(&regex::escape(&std::mem::take(&mut literal)));
            regex.push(char);
        }
    }
    regex.push_str(&regex::escape(&literal));
    regex.push('$');
    regex
}

/// The source with the parts of the tag put in.
fn with_parts(source: &str, parts: &[&str]) -> anyhow::Result<String> {
    let mut whole = String::new();
    let mut rest = source;
    while let Some(at) = rest.find("$$") {
        whole.push_str(&rest[..at]);
        rest = &rest[at + 2..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = rest[..digits].parse().unwrap_or(0);
        let part = number.checked_sub(1).and_then(|index| parts.get(index));
        let part =
            part.with_context(|| format!("$${} is not a part of the tag", &rest[..digits]))?;
        whole.push_str(part);
        rest = &rest[digits..];
    }
    Ok(whole + rest)
}

impl Program {
    fn parse(source: &str) -> anyhow::Result<Program> {
        let mut chains = Vec::new();
        let mut rest = source.trim_start();
        while !rest.is_empty() {
            let mut chain = Vec::new();
            loop {
                let (step, after) = Step::parse(rest)?;
                chain.push(step);
                rest = after.trim_start();
                match rest.strip_prefix("||") {
                    Some(after) => rest = after.trim_start(),
                    None => break,
                }
            }
            chains.push(chain);
            match rest.strip_prefix(';') {
                Some(after) => rest = after.trim_start(),
                None => ensure!(
                    rest.is_empty(),
                    "; or || is expected before {}",
                    text::quoted(rest.as_bytes())
                ),
            }
        }
        Ok(Program { chains })
    }

    pub(super) fn run(&self, value: &[u8]) -> Vec<u8> {
        let mut value = value.to_vec();
        for chain in &self.chains {
            for step in chain {
                if step.run(&mut value) {
                    break;
                }
            }
        }
        value
    }
}

impl Step {
    /// The step at the start, and what follows it.
    fn parse(source: &str) -> anyhow::Result<(Step, &str)> {
        let word = source
            .find(|char: char| !char.is_ascii_alphanumeric())
            .unwrap_or(source.len());
        let (word, rest) = source.split_at(word);
        match word {
            "uc" => Ok((Step::Transform(Transform::whole_case(Case::Upper)?), rest)),
            "lc" => Ok((Step::Transform(Transform::whole_case(Case::Lower)?), rest)),
            "trim" => Ok((Step::Trim, rest)),
            "s" => Step::parse_replace(rest),
            _ => bail!(
                "{} is not one of s/REGEX/TEXT/, uc, lc, trim",
                text::quoted(source.as_bytes())
            ),
        }
    }

    fn parse_replace(source: &str) -> anyhow::Result<(Step, &str)> {
        let mark = source.chars().next().unwrap_or(' ');
        ensure!(
            !mark.is_whitespace() && !"([{<\\".contains(mark),
            "s needs a mark after it, as in s/REGEX/TEXT/ or s:REGEX:TEXT:"
        );
        let open = || format!("s{} is not closed", text::quoted(source.as_bytes()));
        let (regex, rest) = up_to(&source[mark.len_utf8()..], mark).with_context(open)?;
        let (text, rest) = up_to(rest, mark).with_context(open)?;
        let end = rest
            .find(|char: char| !char.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (flags, rest) = rest.split_at(end);
        let mut regex_flags = String::new();
        for flag in flags.chars() {
            match flag {
                'g' => {}
                'i' | 's' | 'm' | 'x' => regex_flags.push(flag),
                _ => bail!("\"{flag}\" is not a flag of s/REGEX/TEXT/: g, i, m, s and x are"),
            }
        }
        let regex = if regex_flags.is_empty() {
            compile(&regex)?
        } else {
            compile(&format!("(?{regex_flags}){regex}"))?
        };
        let all = flags.contains('g');
        let text = replacement(&text);
        Ok((
            Step::Transform(Transform::Replace { regex, text, all }),
            rest,
        ))
    }

    /// Whether there was something to do.
    fn run(&self, value: &mut Vec<u8>) -> bool {
        match self {
            Step::Transform(transform) => match transform.apply(value) {
                Cow::Owned(changed) => *value = changed,
                // Nothing was found.
                Cow::Borrowed(_) => return false,
            },
            Step::Trim => *value = value.trim_ascii().to_vec(),
        }
        true
    }
}

/// The text before the mark, with escaped marks in it, and what follows the mark.
fn up_to(source: &str, mark: char) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = source.char_indices();
    while let Some((at, char)) = chars.next() {
        if char == mark {
            return Some((text, &source[at + char.len_utf8()..]));
        }
        text.push(char);
        if char == '\\' {
            let (_, next) = chars.next()?;
            if next == mark {
                text.pop();
            }
            text.push(next);
        }
    }
    None
}

/// The text of a replacement as the library has it: `$1` and `\1` are groups, `$&` the match.
pub(super) fn replacement(text: &str) -> Vec<u8> {
    let mut written = String::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        rest = &rest[char.len_utf8()..];
        if !matches!(char, '$' | '\\') {
            written.push(char);
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            written.push_str(&format!("${{{}}}", &rest[..digits]));
            rest = &rest[digits..];
        } else if char == '$' {
            match rest.strip_prefix('&') {
                Some(after) => {
                    written.push_str("${0}");
                    rest = after;
                }
                None => written.push_str("$$"),
            }
        } else if let Some(next) = rest.chars().next() {
            rest = &rest[next.len_utf8()..];
            match next {
                'n' => written.push('\n'),
                't' => written.push('\t'),
                '$' => written.push_str("$$"),
                next => written.push(next),
            }
        } else {
            written.push('\\');
        }
    }
    written.into_bytes()
}
