//! The command as it was written, with placeholders for values in it. Knows nothing of where values
//! come from and starts nothing.
//!
//! ```text
//! words --parse, by the PlaceholderSyntax--> Template --emit, with Substitutions--> argv or script
//! ```
//!
//! A script needs a template that knows how each value is quoted where it stands:
//! [`Template::for_shell`].

mod below;
mod emit;
mod path;
mod piece;
mod program;
mod shell;
mod syntax;
#[cfg(test)]
mod tests;
mod transform;

use std::ffi::{OsStr, OsString};

use anyhow::bail;

use self::piece::{Padding, Piece, Which};
pub(crate) use self::syntax::PlaceholderSyntax;
use self::transform::Transform;
pub(crate) use self::transform::{can_be_empty, one_line};
use crate::values::{Columns, Value};
use crate::{sys, text};

/// A command with placeholders in its words.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    words: Vec<Word>,
    /// Whether the last placeholder was not written.
    is_appended: bool,
}

/// A word with placeholders. In a script what is between words with placeholders is one as well.
#[derive(Clone, Debug, Default)]
struct Word {
    pieces: Vec<Piece>,
    /// Several values do not make several words of it.
    is_one: bool,
}

/// How several combinations of values go into one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packing {
    /// `{2}` is the second of all values, and may be missing; otherwise the second column of each
    /// combination.
    pub(crate) is_flat: bool,
    /// A word is repeated for each; otherwise values are put one after the other into the word.
    pub(crate) repeats: bool,
}

/// What goes into the placeholders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Substitutions<'a> {
    pub(crate) values: &'a [Value],
    /// How many of the values are one combination; 0: all.
    pub(crate) width: usize,
    /// What the columns are called, for messages.
    pub(crate) columns: Option<&'a Columns>,
    pub(crate) packing: Packing,
    pub(crate) seq: u64,
    pub(crate) slot: usize,
    /// How many commands there are in all; 0 where they have not been counted.
    pub(crate) total: u64,
    pub(crate) jobs: usize,
}

impl Template {
    /// Reads a command. One without any placeholder gets the values as its last arguments, unless
    /// `appends` is false.
    pub(crate) fn parse(
        words: &[OsString],
        syntax: &PlaceholderSyntax,
        columns: &Columns,
        appends: bool,
    ) -> anyhow::Result<Template> {
        refuse_perl(words)?;
        let mut parsed = Vec::with_capacity(words.len() + 1);
        for word in words {
            parsed.push(Word {
                pieces: syntax.parse(word.as_encoded_bytes(), columns)?,
                is_one: false,
            });
        }
        let mut template = Template {
            words: parsed,
            is_appended: false,
        };
        if appends && !template.pieces().any(Piece::is_placeholder) {
            template.is_appended = true;
            template.words.push(Word {
                pieces: vec![Piece::value(Which::All, Transform::None)],
                is_one: false,
            });
        }
        template.check(columns)?;
        Ok(template)
    }

    fn check(&self, columns: &Columns) -> anyhow::Result<()> {
        for piece in self.pieces() {
            let Piece::Value {
                which, transform, ..
            } = piece
            else {
                continue;
            };
            let number = match which {
                Which::All if columns.count() == Some(0) => {
                    bail!("there is no value for {{}}: with --pipe commands get data on stdin")
                }
                Which::All => continue,
                Which::Column(n) | Which::FromEnd(n) => n + 1,
            };
            match columns.count() {
                Some(count) if number > count && !transform.fills_empty() => {
                    let sign = if matches!(which, Which::FromEnd(_)) {
                        "-"
                    } else {
                        ""
                    };
                    let are = if count == 1 { "is" } else { "are" };
                    bail!(
                        "{{{sign}{number}}} names value {number}, and there {are} {count}; the \
                         text is written {{{{{sign}{number}}}}}"
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.words.iter().flat_map(|word| &word.pieces)
    }

    /// Whether no placeholder is in the word that names the program.
    pub(crate) fn has_one_program(&self) -> bool {
        let program = self.words.first();
        program.is_some_and(|word| !word.pieces.iter().any(Piece::is_placeholder))
    }

    pub(crate) fn uses_slot(&self) -> bool {
        self.pieces().any(|piece| matches!(piece, Piece::Slot(_)))
    }

    /// Whether all commands have to be counted first.
    pub(crate) fn needs_total(&self) -> bool {
        self.pieces()
            .any(|piece| matches!(piece, Piece::Total | Piece::Seq(Padding::Zeros)))
    }

    /// Whether some values make no command.
    pub(crate) fn is_choosy(&self) -> bool {
        self.pieces().any(|piece| piece.condition().is_some())
    }

    /// Whether these values are to make a command at all.
    pub(crate) fn takes(&self, values: &[Value]) -> bool {
        let mut conditions = self.pieces().filter_map(Piece::condition);
        conditions.all(|condition| condition.holds(values))
    }
}

/// GNU parallel evaluates Perl between `{=` and `=}`. To pass that on as text would run something
/// that nobody meant.
fn refuse_perl(words: &[OsString]) -> anyhow::Result<()> {
    let words: Vec<_> = words.iter().map(|word| word.as_encoded_bytes()).collect();
    let line = words.join(&b' ');
    let find = |from: usize, wanted: &[u8]| {
        let found = line[from..].windows(2).position(|pair| pair == wanted);
        found.map(|at| from + at)
    };
    let start = find(0, b"{=");
    if let Some(start) = start
        && let Some(end) = find(start + 2, b"=}")
    {
        let expression = text::quoted(&line[start..end + 2]);
        bail!("{expression} is a Perl expression of GNU parallel; there are --plus and --rpl");
    }
    Ok(())
}

/// One word with placeholders, to which nothing is appended: a file name, a tag.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Template);

impl Pattern {
    pub(crate) fn parse(
        word: &OsStr,
        syntax: &PlaceholderSyntax,
        columns: &Columns,
    ) -> anyhow::Result<Pattern> {
        let word = [word.to_owned()];
        Template::parse(&word, syntax, columns, false).map(Pattern)
    }

    pub(crate) fn has_placeholders(&self) -> bool {
        self.0.pieces().any(Piece::is_placeholder)
    }

    /// Whether a value comes into it, and not only numbers of ours.
    pub(crate) fn has_values(&self) -> bool {
        self.0.pieces().any(Piece::is_value)
    }

    pub(crate) fn uses_slot(&self) -> bool {
        self.0.uses_slot()
    }

    pub(crate) fn needs_total(&self) -> bool {
        self.0.needs_total()
    }

    /// The word as it is with these values.
    pub(crate) fn bytes(&self, fill: &Substitutions<'_>) -> anyhow::Result<Vec<u8>> {
        let mut fill = fill.clone();
        fill.packing.repeats = false;
        Ok(self.0.argv_bytes(&fill)?.join(&b' '))
    }

    /// The same to be shown: values have no control characters then, unlike the text around them,
    /// which whoever wrote the command line has chosen.
    pub(crate) fn shown(&self, fill: &Substitutions<'_>) -> anyhow::Result<OsString> {
        let mut fill = fill.clone();
        fill.packing.repeats = false;
        sys::os_string(self.0.filled(&fill, text::push_harmless)?.join(&b' '))
    }

    /// The same as an argument or a path.
    pub(crate) fn os_string(&self, fill: &Substitutions<'_>) -> anyhow::Result<OsString> {
        sys::os_string(self.bytes(fill)?)
    }
}
