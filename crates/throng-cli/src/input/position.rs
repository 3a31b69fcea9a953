//! Where values come from, for messages: `data.csv line 3`.

use std::fmt;
use std::sync::Arc;

/// Where a row was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The name of the source.
    pub(crate) source: Arc<str>,
    /// What is counted.
    pub(crate) unit: &'static str,
    /// From 1.
    pub(crate) number: u64,
}

/// Where the values of a record were read: a position in each source, or nowhere. Of several rows
/// in one command it is the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct At {
    first: Option<Position>,
    others: Vec<Position>,
}

/// The values of one combination, and where they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) values: Vec<crate::values::Value>,
    pub(crate) at: At,
}

impl From<Position> for At {
    fn from(position: Position) -> At {
        At {
            first: Some(position),
            others: Vec::new(),
        }
    }
}

impl At {
    fn add(&mut self, other: At) {
        if self.first.is_none() {
            *self = other;
        } else {
            self.others.extend(other.first);
            self.others.extend(other.others);
        }
    }

    /// Adds to an error where the values were read that it is about.
    pub(crate) fn name(&self, error: anyhow::Error) -> anyhow::Error {
        match self.first {
            Some(_) => error.context(self.to_string()),
            None => error,
        }
    }
}

impl Row {
    /// Adds the values of another source.
    pub(crate) fn append(&mut self, mut other: Row) {
        self.values.append(&mut other.values);
        self.at.add(other.at);
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, position) in self.first.iter().chain(&self.others).enumerate() {
            let Position {
                source,
                unit,
                number,
            } = position;
            let and = if i > 0 { ", " } else { "" };
            write!(f, "{and}{source} {unit} {number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_identified_by_the_position_of_its_values() {
        let row = |source: &str, unit, number| Row {
            values: vec![b"x".to_vec()],
            at: At::from(Position {
                source: source.into(),
                unit,
                number,
            }),
        };
        let mut both = Row::default();
        assert_eq!(format!("{:#}", both.at.name(anyhow::anyhow!("no"))), "no");
        both.append(row("data.csv", "line", 3));
        let named = both.at.name(anyhow::anyhow!("no"));
        assert_eq!(format!("{named:#}"), "data.csv line 3: no");
        both.append(row(":::", "value", 1));
        assert_eq!(both.at.to_string(), "data.csv line 3, ::: value 1");
        assert_eq!(both.values.len(), 2);
    }
}
