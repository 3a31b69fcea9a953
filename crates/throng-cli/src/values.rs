//! The columns of the input: how many there are and what they are called.

use std::collections::HashMap;

use crate::{text, work};

/// What is put into a placeholder.
pub(crate) type Value = Vec<u8>;

/// What is something else in braces than a column of that name.
const OTHER_PLACES: [&[u8]; 6] = [b"#", b"%", b".", b"/", b"//", b"/."];

/// What placeholders can name, in the order of the values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    /// From a header; none where there was none.
    names: Option<Vec<Value>>,
    /// Where each name is that is not empty, the first of those that are the same.
    indices: HashMap<Value, usize>,
    /// How long names are, the longest first.
    lengths: Vec<usize>,
    /// None where it cannot be known, as with a number of columns that rows decide.
    count: Option<usize>,
}

impl Columns {
    pub(crate) fn new(count: Option<usize>) -> Columns {
        Columns {
            count,
            ..Columns::default()
        }
    }

    pub(crate) fn named(names: Vec<Value>) -> Columns {
        let mut indices = HashMap::new();
        for (index, name) in names
            .iter()
            .enumerate()
            .filter(|(_, name)| !name.is_empty())
        {
            indices.entry(name.clone()).or_insert(index);
        }
        let mut lengths: Vec<usize> = indices.keys().map(Vec::len).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        Columns {
            count: Some(names.len()),
            names: Some(names),
            indices,
            lengths,
        }
    }

    pub(crate) fn counted(self, count: Option<usize>) -> Columns {
        Columns { count, ..self }
    }

    pub(crate) fn count(&self) -> Option<usize> {
        self.count
    }

    pub(crate) fn are_named(&self) -> bool {
        self.names.is_some()
    }

    /// The name of a column, counted from 0: from the header, or its number from 1.
    pub(crate) fn name(&self, index: usize) -> Value {
        let name = self.names.as_ref().and_then(|names| names.get(index));
        name.cloned()
            .unwrap_or_else(|| (index + 1).to_string().into_bytes())
    }

    /// The columns whose names this begins with, and what follows the name; the longest name first:
    /// `ab.` is not `a` and `b.`.
    pub(crate) fn named_at_start<'t>(&self, text: &'t str) -> Vec<(usize, &'t str)> {
        let mut found = Vec::new();
        for length in &self.lengths {
            work::count(1);
            if let Some((name, rest)) = text.split_at_checked(*length)
                && let Some(index) = self.indices.get(name.as_bytes())
            {
                found.push((*index, rest));
            }
        }
        found
    }

    /// Whether a name is a number, and not that of its column. Placeholders with numbers are
    /// positions, so it cannot be used.
    pub(crate) fn mislead(&self) -> bool {
        let names = self.names.iter().flatten().enumerate();
        let number = |name: &Value| str::from_utf8(name).ok()?.parse::<i64>().ok();
        names
            .filter_map(|(index, name)| Some((index, number(name)?)))
            .any(|(index, number)| number != index as i64 + 1)
    }

    /// The columns that no placeholder names, for a message: those called as one before them is,
    /// and those whose name in braces is something else, as `{#}` is.
    pub(crate) fn unnamed(&self) -> Vec<String> {
        let names = self.names.iter().flatten().enumerate();
        let unnamed = names.filter_map(|(index, name)| {
            let shown = text::quoted(name);
            let position = index + 1;
            match self.indices.get(name) {
                Some(first) if *first != index => Some(format!(
                    "column {position}, called {shown} as column {} is",
                    first + 1
                )),
                Some(_) if OTHER_PLACES.contains(&&name[..]) => {
                    Some(format!("column {position}, called {shown}"))
                }
                _ => None,
            }
        });
        unnamed.collect()
    }

    /// The names, for a message.
    pub(crate) fn listed(&self) -> String {
        let names = self.names.iter().flatten();
        text::quoted(&names.cloned().collect::<Vec<_>>().join(&b", "[..]))
    }
}
