//! A piece of a word: text, or a place for something.

use super::edit::Edit;
use crate::script::Quotes;
use crate::template::edit::Condition;

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(Vec<u8>),
    Value {
        which: Which,
        edit: Edit,
        /// How it is written in a script.
        quotes: Quotes,
        /// Several values are one word there, with blanks between them.
        is_one: bool,
    },
    Seq(Padding),
    Slot(Padding),
    /// How many commands there are in all.
    Total,
    /// Nothing; but a record for which it does not hold makes no command.
    Only(Condition),
}

/// Which value goes into a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// Counted from 0.
    Column(usize),
    /// Counted from 0, from the last one.
    FromEnd(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    None,
    Zeros,
}

impl Piece {
    pub(super) fn value(which: Which, edit: Edit) -> Piece {
        Piece::Value {
            which,
            edit,
            quotes: Quotes::default(),
            is_one: false,
        }
    }

    pub(super) fn condition(&self) -> Option<Condition> {
        match self {
            Piece::Only(condition) => Some(*condition),
            Piece::Value {
                edit: Edit::Only(condition),
                ..
            } => Some(*condition),
            _ => None,
        }
    }

    pub(super) fn is_place(&self) -> bool {
        !matches!(self, Piece::Text(_))
    }
}

impl Piece {
    pub(super) fn is_value(&self) -> bool {
        matches!(self, Piece::Value { .. })
    }
}
