//! What is a place in a word: `{}`, `{2/.}`, a name from a header, a tag of `--rpl` or `-I`. Does
//! not know what words are for.

use std::sync::Arc;

use anyhow::{Context, bail};

use super::edit::Edit;
use super::program::Rule;
use super::{Condition, Padding, Piece, Which};
use crate::args::Places;
use crate::input::Columns;
use crate::text;

/// How places are written in this run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Language {
    /// Looked for before anything in braces, the longest first.
    tags: Vec<Tag>,
    /// Insides of braces that mean nothing any more, because a tag has their place.
    gone: Vec<&'static str>,
    /// Insides of braces with a meaning of the user's.
    insides: Vec<Rule>,
    plus: bool,
}

#[derive(Clone, Debug)]
struct Tag {
    text: Vec<u8>,
    piece: Piece,
}

impl Language {
    pub(crate) fn new(places: &Places) -> anyhow::Result<Language> {
        let mut language = Language {
            plus: places.plus,
            ..Language::default()
        };
        let edits = [
            ("--replace", &places.replace, ""),
            ("--extensionreplace", &places.extension, "."),
            ("--basenamereplace", &places.basename, "/"),
            ("--dirnamereplace", &places.dirname, "//"),
            ("--basenameextensionreplace", &places.bare, "/."),
            ("--seqreplace", &places.seq, "#"),
            ("--slotreplace", &places.slot, "%"),
        ];
        for (option, text, inside) in edits {
            let Some(text) = text else { continue };
            if text.is_empty() {
                bail!("{option} \"\": something to replace is expected");
            }
            if text.as_encoded_bytes() == format!("{{{inside}}}").as_bytes() {
                continue;
            }
            let piece = builtin(inside).context("it is one of ours")?;
            language.add_tag(text.as_encoded_bytes().to_vec(), piece);
            language.gone.push(inside);
        }
        for definition in &places.rpl {
            language
                .add_rule(definition)
                .with_context(|| format!("--rpl {}", text::quoted(definition.as_bytes())))?;
        }
        Ok(language)
    }

    fn add_tag(&mut self, text: Vec<u8>, piece: Piece) {
        self.tags.push(Tag { text, piece });
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
                let edit = rule.edit_without_parts()?;
                self.add_tag(tag.into(), Piece::value(Which::All, edit));
            }
        }
        Ok(())
    }

    /// Reads a word.
    pub(super) fn parse(&self, word: &[u8], columns: &Columns) -> anyhow::Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let mut at = 0;
        while let Some(byte) = word.get(at) {
            let is_of_shell = at > 0 && word[at - 1] == b'$';
            match self.place(&word[at..], columns, is_of_shell)? {
                Some((piece, length)) => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(piece);
                    at += length;
                }
                None => {
                    text.push(*byte);
                    at += 1;
                }
            }
        }
        if !text.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(pieces)
    }

    /// The place at the start of these bytes, and how long it is. Braces around anything else are
    /// just braces.
    fn place(
        &self,
        bytes: &[u8],
        columns: &Columns,
        is_of_shell: bool,
    ) -> anyhow::Result<Option<(Piece, usize)>> {
        for tag in &self.tags {
            if bytes.starts_with(&tag.text) {
                return Ok(Some((tag.piece.clone(), tag.text.len())));
            }
        }
        let Some(inside) = bytes.strip_prefix(b"{") else {
            return Ok(None);
        };
        let Some(end) = inside.iter().position(|byte| *byte == b'}') else {
            return Ok(None);
        };
        let Ok(inside) = str::from_utf8(&inside[..end]) else {
            return Ok(None);
        };
        let length = end + 2;
        if let Some(piece) = self.inside(inside, columns)? {
            return Ok(Some((piece, length)));
        }
        let is_name = !inside.is_empty()
            && inside
                .chars()
                .all(|char| char.is_alphanumeric() || char == '_');
        if columns.are_named() && is_name && !is_of_shell {
            bail!(
                "{{{inside}}} names no column: there are {}",
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
        for (index, name) in columns.longest_names_first() {
            if let Some(suffix) = inside.strip_prefix(name)
                && let Some(piece) = self.value(Which::Column(index), suffix)?
            {
                return Ok(Some(piece));
            }
        }
        let (minus, rest) = match inside.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, inside),
        };
        let end = rest
            .find(|char: char| !char.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, suffix) = rest.split_at(end);
        let number: Option<usize> = digits.parse().ok();
        let Some(index) = number.and_then(|number| number.checked_sub(1)) else {
            return Ok(None);
        };
        let which = if minus {
            Which::FromEnd(index)
        } else {
            Which::Column(index)
        };
        self.value(which, suffix)
    }

    /// `{}`, `{#}`, `{.}` and so on, and nothing where a number or a name has to be before it.
    fn place_of(&self, which: Which, inside: &str) -> anyhow::Result<Option<Piece>> {
        match inside {
            "#" | "%" if self.gone.contains(&inside) => Ok(None),
            "#" => Ok(Some(Piece::Seq(Padding::None))),
            "%" => Ok(Some(Piece::Slot(Padding::None))),
            _ => self.value(which, inside),
        }
    }

    fn value(&self, which: Which, suffix: &str) -> anyhow::Result<Option<Piece>> {
        for rule in &self.insides {
            if let Some(edit) = rule.edit(suffix)? {
                return Ok(Some(Piece::value(which, Edit::Program(Arc::new(edit)))));
            }
        }
        if self.gone.contains(&suffix) {
            return Ok(None);
        }
        let edit = match Edit::basic(suffix) {
            Some(edit) => Some(edit),
            None if self.plus => {
                Edit::plus(suffix).with_context(|| format!("cannot read the place {{{suffix}}}"))?
            }
            None => None,
        };
        Ok(edit.map(|edit| Piece::value(which, edit)))
    }
}

fn builtin(inside: &str) -> Option<Piece> {
    match inside {
        "#" => Some(Piece::Seq(Padding::None)),
        "%" => Some(Piece::Slot(Padding::None)),
        _ => Edit::basic(inside).map(|edit| Piece::value(Which::All, edit)),
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
