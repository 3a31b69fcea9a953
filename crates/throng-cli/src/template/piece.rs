//! A piece of a word: text, or a placeholder for something.

use super::transform::Transform;
use crate::script::Quotes;
use crate::template::transform::Condition;

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(Vec<u8>),
    Value {
        which: Which,
        transform: Transform,
        /// How it is written in a script.
        quotes: Quotes,
        /// Several values are one word there, with spaces between them.
        is_one: bool,
    },
    Seq(Padding),
    Slot(Padding),
    /// How many commands there are in all.
    Total,
    /// Nothing; but a record for which it does not hold makes no command.
    Only(Condition),
}

/// Which value goes into a placeholder.
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
    pub(super) fn value(which: Which, transform: Transform) -> Piece {
        Piece::Value {
            which,
            transform,
            quotes: Quotes::default(),
            is_one: false,
        }
    }

    pub(super) fn condition(&self) -> Option<Condition> {
        match self {
            Piece::Only(condition) => Some(*condition),
            Piece::Value {
                transform: Transform::Only(condition),
                ..
            } => Some(*condition),
            _ => None,
        }
    }

    pub(super) fn is_placeholder(&self) -> bool {
        !matches!(self, Piece::Text(_))
    }
}

impl Piece {
    pub(super) fn is_value(&self) -> bool {
        matches!(self, Piece::Value { .. })
    }
}
