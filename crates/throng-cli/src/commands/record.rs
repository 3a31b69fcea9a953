//! The values and data of one command, and the length of commands.

use throng::Stdin;

use crate::commands::pipe::Sent;
use crate::input::position::{At, Row};
use crate::values::Value;

/// What one command is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// The values of all sources in their order; where several combinations go into one command,
    /// one combination after the other.
    pub(crate) values: Vec<Value>,
    /// How many of the values are one combination; 0: all.
    pub(crate) width: usize,
    /// What the command reads, where that is data of `--pipe`.
    pub(crate) stdin: Option<Stdin>,
    /// What it is sent there while it runs.
    pub(crate) sent: Option<Sent>,
    /// The number of its command, where that is not the next one.
    pub(crate) number: Option<u64>,
    /// Where the values were read.
    pub(crate) at: At,
}

impl From<Vec<Value>> for Record {
    fn from(values: Vec<Value>) -> Record {
        Record {
            values,
            ..Record::default()
        }
    }
}

impl From<Row> for Record {
    fn from(row: Row) -> Record {
        Record {
            values: row.values,
            at: row.at,
            ..Record::default()
        }
    }
}

/// How long a command is: in the system's units, and in arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) units: usize,
    pub(crate) words: usize,
    /// The longest argument.
    pub(crate) longest: usize,
}

impl Length {
    /// The length of a command whose words have these lengths.
    pub(crate) fn of(words: impl IntoIterator<Item = usize>) -> Length {
        let mut all = Length::default();
        for length in words {
            all.units = all.units.saturating_add(length);
            all.words += 1;
            all.longest = all.longest.max(length);
        }
        all
    }
}
