//! Fills a template: as an argv, or as a script for the shell.

use std::ffi::OsString;

use anyhow::bail;

use super::transform::Transform;
use super::{Packing, Substitutions, Template, Word};
use crate::script::Quotes;
use crate::template::piece::{Padding, Piece, Which};
use crate::values::Value;
use crate::{sys, text, work};

/// What a filled word is made of, in order.
enum Part<'a> {
    Text(&'a [u8]),
    Value(&'a [u8], Quotes),
    /// Between two values of one placeholder.
    Joint {
        quotes: Quotes,
        is_one: bool,
    },
    /// The rest is a word of its own.
    NextWord,
}

type Out<'o> = &'o mut dyn FnMut(Part<'_>) -> anyhow::Result<()>;

/// The values that a word is filled with at a time.
#[derive(Clone, Copy)]
struct Unit<'a> {
    /// For `{}`.
    all: &'a [Value],
    /// For `{1}`.
    columns: &'a [Value],
}

impl Template {
    /// The argv. A word that is nothing but `{}` becomes one word for each value.
    pub(crate) fn argv(&self, fill: &Substitutions<'_>) -> anyhow::Result<Vec<OsString>> {
        let words = self.argv_bytes(fill)?;
        words.into_iter().map(sys::os_string).collect()
    }

    pub(super) fn argv_bytes(&self, fill: &Substitutions<'_>) -> anyhow::Result<Vec<Vec<u8>>> {
        self.filled(fill, |word, value| word.extend_from_slice(value))
    }

    /// The words, each value put into its word by this.
    pub(super) fn filled(
        &self,
        fill: &Substitutions<'_>,
        push_value: fn(&mut Vec<u8>, &[u8]),
    ) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut argv = Vec::with_capacity(self.words.len());
        for word in &self.words {
            let mut bytes = None;
            word.emit(fill, &mut |part| {
                match part {
                    Part::Text(text) => {
                        bytes.get_or_insert_with(Vec::new).extend_from_slice(text);
                    }
                    Part::Value(value, _) => {
                        push_value(bytes.get_or_insert_with(Vec::new), value);
                    }
                    Part::Joint { .. } => bytes.get_or_insert_with(Vec::new).push(b' '),
                    Part::NextWord => argv.extend(bytes.replace(Vec::new())),
                }
                Ok(())
            })?;
            argv.extend(bytes);
        }
        Ok(argv)
    }

    /// A script for the shell, of a template that is [for one](Template::for_shell): the text as it
    /// was written, each value quoted as its place needs it.
    pub(crate) fn script(&self, fill: &Substitutions<'_>) -> anyhow::Result<Vec<u8>> {
        let mut script = Vec::new();
        for word in &self.words {
            word.emit(fill, &mut |part| {
                match part {
                    Part::Text(text) => script.extend_from_slice(text),
                    Part::Value(value, quotes) => sys::push_quoted(&mut script, value, quotes)?,
                    // In quotes, or where all values are one word, so is what is between them.
                    Part::Joint { quotes, is_one } => {
                        let is_bare = matches!(quotes, Quotes::AsNeeded | Quotes::Always);
                        if is_bare && is_one {
                            sys::push_quoted(&mut script, b" ", Quotes::Always)?;
                        } else {
                            script.push(b' ');
                        }
                    }
                    Part::NextWord => script.push(b' '),
                }
                Ok(())
            })?;
        }
        Ok(script)
    }

    /// A script for the shell in which all words are quoted, so that it finds nothing in them to
    /// act on.
    pub(crate) fn quoted_script(&self, fill: &Substitutions<'_>) -> anyhow::Result<Vec<u8>> {
        let mut script = Vec::new();
        for (i, word) in self.argv_bytes(fill)?.iter().enumerate() {
            if i > 0 {
                script.push(b' ');
            }
            sys::push_quoted(&mut script, word, Quotes::AsNeeded)?;
        }
        Ok(script)
    }
}

impl Word {
    fn emit(&self, fill: &Substitutions<'_>, out: Out<'_>) -> anyhow::Result<()> {
        let everything = Unit {
            all: fill.values,
            columns: fill.values,
        };
        if let [
            Piece::Value {
                which,
                transform,
                quotes,
                ..
            },
        ] = &self.pieces[..]
            && !self.is_one
        {
            return emit_whole(*which, transform, *quotes, fill, out);
        }
        let uses = |wanted: fn(&Which) -> bool| {
            self.pieces.iter().any(|piece| match piece {
                Piece::Value { which, .. } => wanted(which),
                _ => false,
            })
        };
        let repeats_for = if fill.packing.is_flat {
            uses(|which| *which == Which::All)
        } else {
            uses(|_| true)
        };
        if self.is_one || !(fill.packing.repeats && repeats_for) {
            return self.emit_unit(everything, fill, out);
        }
        for (i, unit) in fill.units().enumerate() {
            if i > 0 {
                out(Part::NextWord)?;
            }
            self.emit_unit(unit, fill, out)?;
        }
        Ok(())
    }

    fn emit_unit(
        &self,
        unit: Unit<'_>,
        fill: &Substitutions<'_>,
        out: Out<'_>,
    ) -> anyhow::Result<()> {
        if self.pieces.is_empty() {
            return out(Part::Text(b""));
        }
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out(Part::Text(text))?,
                Piece::Value {
                    which,
                    transform,
                    quotes,
                    is_one,
                } => {
                    let (quotes, is_one) = (*quotes, *is_one);
                    let values = fill.values_of(*which, transform, unit)?;
                    for (i, value) in values.into_iter().enumerate() {
                        if i > 0 {
                            out(Part::Joint { quotes, is_one })?;
                        }
                        out(Part::Value(&transform.apply(value), quotes))?;
                    }
                }
                Piece::Seq(padding) => {
                    let width = padding.width(fill.total);
                    out(Part::Text(format!("{:0width$}", fill.seq).as_bytes()))?;
                }
                Piece::Slot(padding) => {
                    let width = padding.width(fill.jobs as u64);
                    out(Part::Text(format!("{:0width$}", fill.slot).as_bytes()))?;
                }
                Piece::Total => out(Part::Text(fill.total.to_string().as_bytes()))?,
                // In case nothing else is in the word.
                Piece::Only(_) => out(Part::Text(b""))?,
            }
        }
        Ok(())
    }
}

/// A word that is nothing but a placeholder: a word for each value that belongs into it.
fn emit_whole(
    which: Which,
    transform: &Transform,
    quotes: Quotes,
    fill: &Substitutions<'_>,
    out: Out<'_>,
) -> anyhow::Result<()> {
    let everything = Unit {
        all: fill.values,
        columns: fill.values,
    };
    let values = fill.values_of(which, transform, everything)?;
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            out(Part::NextWord)?;
        }
        out(Part::Value(&transform.apply(value), quotes))?;
    }
    Ok(())
}

impl Padding {
    /// How many digits numbers up to the last one have.
    fn width(self, last: u64) -> usize {
        match self {
            Padding::None => 0,
            Padding::Zeros => last.max(1).ilog10() as usize + 1,
        }
    }
}

impl<'a> Substitutions<'a> {
    /// What words are repeated for.
    fn units(&self) -> impl Iterator<Item = Unit<'a>> {
        let Packing { is_flat, .. } = self.packing;
        let (all, width) = (self.values, self.width());
        self.values
            .chunks(if is_flat { 1 } else { width })
            .map(move |unit| Unit {
                all: unit,
                columns: if is_flat { all } else { unit },
            })
    }

    fn width(&self) -> usize {
        match self.width {
            0 => self.values.len().max(1),
            width => width,
        }
    }

    /// The values for a placeholder. What is missing is empty where commands get a number of
    /// values, as the last command may have fewer; elsewhere it is a mistake in the input.
    fn values_of(
        &self,
        which: Which,
        transform: &Transform,
        unit: Unit<'a>,
    ) -> anyhow::Result<Vec<&'a [u8]>> {
        if which == Which::All {
            return Ok(unit.all.iter().map(Vec::as_slice).collect());
        }
        let combinations = if self.packing.is_flat {
            unit.columns.chunks(unit.columns.len().max(1))
        } else {
            unit.columns.chunks(self.width())
        };
        let mut values: Vec<&[u8]> = Vec::new();
        for combination in combinations {
            work::count(1);
            let count = combination.len();
            let (index, number) = match which {
                Which::All => (None, 0),
                Which::Column(n) => (Some(n), n as i64 + 1),
                Which::FromEnd(n) => (count.checked_sub(n + 1), -(n as i64) - 1),
            };
            match index.and_then(|index| combination.get(index)) {
                Some(value) => values.push(value),
                None if self.packing.is_flat || transform.fills_empty() => values.push(b""),
                None => {
                    let name = match (which, self.columns) {
                        (Which::Column(index), Some(columns)) if columns.are_named() => {
                            format!(", {},", text::quoted(&columns.name(index)))
                        }
                        _ => String::new(),
                    };
                    let s = if count == 1 { "" } else { "s" };
                    bail!("{{{number}}}{name} has no value: the row has {count} column{s}")
                }
            }
        }
        Ok(values)
    }
}
