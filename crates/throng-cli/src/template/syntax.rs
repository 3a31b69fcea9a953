//! What is a placeholder in a word: `{}`, `{2/.}`, a name from a header, a tag of `--rpl` or `-I`.
//! Does not know what words are for.
//!
//! Braces that are doubled are text: `{{2}}` is `{2}`. What is doubled has to be a placeholder
//! without that: `{{.Name}}` of a Go template stays as it is, because `{.Name}` is none.

use std::sync::Arc;

use anyhow::{Context, bail};

use super::program::Rule;
use super::transform::Transform;
use crate::options::placeholders::Placeholders;
use crate::template::piece::{Padding, Piece, Which};
use crate::template::transform::Condition;
use crate::values::Columns;
use crate::{text, work};

/// How placeholders are written in this run.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlaceholderSyntax {
    /// Looked for before anything in braces, the longest first.
    tags: Vec<CustomPlaceholder>,
    /// Insides of braces that mean nothing any more, because a tag replaces them.
    gone: Vec<&'static str>,
    /// Insides of braces with a meaning of the user's.
    insides: Vec<Rule>,
    plus: bool,
    /// With `-I TEXT` nothing in braces is a placeholder but what was asked for.
    only_asked: bool,
}

/// The longest placeholder: what looks for its end looks no further, so that a word of many braces
/// is read in a time that grows with its length.
const PLACEHOLDER_BYTES_MAX: usize = 4096;

/// No record has so many columns.
const NUMBER_MAX: usize = u32::MAX as usize;

/// A place in a word, with the braces around it that are text.
struct Found {
    before: Vec<u8>,
    piece: Piece,
    after: Vec<u8>,
    /// How long all of it is as it is written.
    length: usize,
}

#[derive(Clone, Debug)]
struct CustomPlaceholder {
    text: Vec<u8>,
    piece: Piece,
}

impl PlaceholderSyntax {
    pub(crate) fn new(placeholders: &Placeholders) -> anyhow::Result<PlaceholderSyntax> {
        let mut syntax = PlaceholderSyntax {
            plus: placeholders.plus,
            only_asked: !placeholders.plus
                && placeholders
                    .replace
                    .as_ref()
                    .is_some_and(|text| text != "{}"),
            ..PlaceholderSyntax::default()
        };
        let transforms = [
            ("-I", &placeholders.replace, ""),
            ("--extensionreplace", &placeholders.extension, "."),
            ("--basenamereplace", &placeholders.basename, "/"),
            ("--dirnamereplace", &placeholders.dirname, "//"),
            ("--basenameextensionreplace", &placeholders.bare, "/."),
            ("--seqreplace", &placeholders.seq, "#"),
            ("--slotreplace", &placeholders.slot, "%"),
        ];
        for (option, text, inside) in transforms {
            let Some(text) = text else { continue };
            if text.is_empty() {
                bail!("{option} \"\": something to replace is expected");
            }
            if text.as_encoded_bytes() == format!("{{{inside}}}").as_bytes() {
                continue;
            }
            let piece = builtin(inside).context("it is one of ours")?;
            syntax.add_tag(text.as_encoded_bytes().to_vec(), piece);
            syntax.gone.push(inside);
        }
        for definition in &placeholders.rpl {
            syntax
                .add_rule(definition)
                .with_context(|| format!("--rpl {}", text::quoted(definition.as_bytes())))?;
        }
        Ok(syntax)
    }

    fn add_tag(&mut self, text: Vec<u8>, piece: Piece) {
        self.tags.push(CustomPlaceholder { text, piece });
        self.tags
            .sort_by_key(|tag| std::cmp::Reverse(tag.text.len()));
    }

    fn add_rule(&mut self, definition: &str) -> anyhow::Result<()> {
        let (tag, program) = definition
            .trim_start()
            .split_once([' ', '\t'])
            .unwrap_or((definition, ""));
        if tag.is_empty() {
            bail!("a tag and an expression are expected");
        }
        let inside = tag.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
        let rule = Rule::new(inside.unwrap_or(tag), program)?;
        match inside {
            Some(_) => self.insides.push(rule),
            None => {
                let transform = rule.transform_without_parts()?;
                self.add_tag(tag.into(), Piece::value(Which::All, transform));
            }
        }
        Ok(())
    }

    /// Reads a word.
    pub(super) fn parse(&self, word: &[u8], columns: &Columns) -> anyhow::Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let mut at = 0;
        // Where the last run of braces ends that has no placeholder in it.
        let mut text_until = 0;
        while let Some(byte) = word.get(at) {
            work::count(1);
            let found = match self.tag(&word[at..]) {
                Some(found) => Some(found),
                None if *byte == b'{' && at >= text_until => {
                    let opened = word[at..].iter().take_while(|byte| **byte == b'{').count();
                    text_until = at + opened;
                    self.in_braces(word, at, opened, columns)?
                }
                None => None,
            };
            let Some(Found {
                before,
                piece,
                after,
                length,
            }) = found
            else {
                text.push(*byte);
                at += 1;
                continue;
            };
            text.extend(before);
            match piece {
                Piece::Text(more) => text.extend(more),
                piece => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(piece);
                }
            }
            text.extend(after);
            at += length;
        }
        if !text.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(pieces)
    }

    fn tag(&self, bytes: &[u8]) -> Option<Found> {
        let tag = self.tags.iter().find(|tag| bytes.starts_with(&tag.text))?;
        Some(Found {
            before: Vec::new(),
            piece: tag.piece.clone(),
            after: Vec::new(),
            length: tag.text.len(),
        })
    }

    /// The placeholder in these braces, of which so many are opened at `at`. Braces around anything
    /// else are just braces. Of those that are there on both sides two are the text of one.
    fn in_braces(
        &self,
        word: &[u8],
        at: usize,
        opened: usize,
        columns: &Columns,
    ) -> anyhow::Result<Option<Found>> {
        let start = at + opened;
        let rest = &word[start..];
        let near = &rest[..rest.len().min(PLACEHOLDER_BYTES_MAX)];
        let end = memchr::memchr(b'}', near);
        work::count(end.unwrap_or(near.len()));
        let Some(end) = end else {
            return Ok(None);
        };
        let Ok(inside) = str::from_utf8(&near[..end]) else {
            return Ok(None);
        };
        let closed = rest[end..].iter().take_while(|byte| **byte == b'}');
        let pairs = closed.take(opened).count();
        let is_of_shell = at > 0 && word[at - 1] == b'$';
        let found = self.named(inside, columns, is_of_shell);
        let piece = match found {
            Ok(None) => return Ok(None),
            // What would be a mistake may be meant as text as well.
            Ok(Some(_)) | Err(_) if pairs.is_multiple_of(2) => {
                Piece::Text(format!("{{{inside}}}").into_bytes())
            }
            found => found?.context("it was found")?,
        };
        let doubled = (pairs - 1) / 2;
        Ok(Some(Found {
            before: vec![b'{'; opened - pairs + doubled],
            piece,
            after: vec![b'}'; doubled],
            length: opened + end + pairs,
        }))
    }

    /// The place of this inside. A name that no column has is a mistake.
    fn named(
        &self,
        inside: &str,
        columns: &Columns,
        is_of_shell: bool,
    ) -> anyhow::Result<Option<Piece>> {
        if let Some(piece) = self.inside(inside, columns)? {
            return Ok(Some(piece));
        }
        let is_name = !inside.is_empty()
            && inside
                .chars()
                .all(|char| char.is_alphanumeric() || char == '_');
        if columns.are_named() && is_name && !is_of_shell && !self.only_asked {
            bail!(
                "{{{inside}}} names no column: there are {}; the text is written {{{{{inside}}}}}",
                columns.listed()
            );
        }
        Ok(None)
    }

    fn inside(&self, inside: &str, columns: &Columns) -> anyhow::Result<Option<Piece>> {
        if self.plus
            && let Some(piece) = plus_without_value(inside)
        {
            return Ok(Some(piece));
        }
        if let Some(piece) = self.place_of(Which::All, inside)? {
            return Ok(Some(piece));
        }
        if let Some(piece) = self.numbered(inside)? {
            return Ok(Some(piece));
        }
        for (index, suffix) in columns.named_at_start(inside) {
            if let Some(piece) = self.value(Which::Column(index), suffix)? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// `{2}`, `{-1/.}`. A number is a position, whatever columns are called.
    fn numbered(&self, inside: &str) -> anyhow::Result<Option<Piece>> {
        let (minus, rest) = match inside.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, inside),
        };
        let end = rest
            .find(|char: char| !char.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, suffix) = rest.split_at(end);
        if digits.is_empty() {
            return Ok(None);
        }
        // One that is too large for a number names a column that is not there either.
        let number = digits.parse().unwrap_or(NUMBER_MAX).min(NUMBER_MAX);
        let index = number.saturating_sub(1);
        let which = if minus {
            Which::FromEnd(index)
        } else {
            Which::Column(index)
        };
        let piece = self.value(which, suffix)?;
        if number == 0 && piece.is_some() {
            bail!("{{{inside}}}: values are counted from 1; the text is written {{{{{inside}}}}}");
        }
        Ok(piece)
    }

    /// `{}`, `{#}`, `{.}` and so on, and nothing where a number or a name has to be before it.
    fn place_of(&self, which: Which, inside: &str) -> anyhow::Result<Option<Piece>> {
        match inside {
            "#" | "%" if self.only_asked || self.gone.contains(&inside) => Ok(None),
            "#" => Ok(Some(Piece::Seq(Padding::None))),
            "%" => Ok(Some(Piece::Slot(Padding::None))),
            _ => self.value(which, inside),
        }
    }

    fn value(&self, which: Which, suffix: &str) -> anyhow::Result<Option<Piece>> {
        for rule in &self.insides {
            if let Some(transform) = rule.transform(suffix)? {
                return Ok(Some(Piece::value(
                    which,
                    Transform::Program(Arc::new(transform)),
                )));
            }
        }
        // `-I TEXT` takes the place of `{}`, and with --plus not of `{1}`.
        let is_gone = self.gone.contains(&suffix) && (which == Which::All || !suffix.is_empty());
        if self.only_asked || is_gone {
            return Ok(None);
        }
        let transform = match Transform::basic(suffix) {
            Some(transform) => Some(transform),
            None if self.plus => Transform::plus(suffix)
                .with_context(|| format!("cannot read the placeholder {{{suffix}}}"))?,
            None => None,
        };
        Ok(transform.map(|transform| Piece::value(which, transform)))
    }
}

fn builtin(inside: &str) -> Option<Piece> {
    match inside {
        "#" => Some(Piece::Seq(Padding::None)),
        "%" => Some(Piece::Slot(Padding::None)),
        _ => Transform::basic(inside).map(|transform| Piece::value(Which::All, transform)),
    }
}

fn plus_without_value(inside: &str) -> Option<Piece> {
    Some(match inside {
        "##" => Piece::Total,
        "0#" => Piece::Seq(Padding::Zeros),
        "0%" => Piece::Slot(Padding::Zeros),
        "slot" => Piece::Slot(Padding::None),
        "choose_k" => Piece::Only(Condition::Ascending),
        "uniq" => Piece::Only(Condition::AllDiffer),
        _ => return None,
    })
}
