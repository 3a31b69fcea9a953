//! The columns of the input: how many there are and what they are called.

use super::Value;
use crate::text;

/// What places can name, in the order of the values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    /// From a header; none where there was none.
    names: Option<Vec<Value>>,
    /// None where nobody can know, as with a number of columns that rows decide.
    count: Option<usize>,
}

impl Columns {
    pub(crate) fn new(count: Option<usize>) -> Columns {
        Columns { names: None, count }
    }

    pub(crate) fn named(names: Vec<Value>) -> Columns {
        Columns {
            count: Some(names.len()),
            names: Some(names),
        }
    }

    pub(super) fn counted(self, count: Option<usize>) -> Columns {
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

    /// Names that are text with their indices, the longest first: `ab.` is not `a` and `b.`.
    pub(crate) fn longest_names_first(&self) -> Vec<(usize, &str)> {
        let names = self.names.iter().flatten().enumerate();
        let mut names: Vec<_> = names
            .filter_map(|(index, name)| Some((index, str::from_utf8(name).ok()?)))
            .filter(|(_, name)| !name.is_empty())
            .collect();
        names.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
        names
    }

    /// The names, for a message.
    pub(crate) fn listed(&self) -> String {
        let names = self.names.iter().flatten();
        text::quoted(&names.cloned().collect::<Vec<_>>().join(&b", "[..]))
    }
}
