//! What the processes that contestants start do. Which program does it, each system knows.

/// An argument in the place of which each child is given the step that waits at the trial's gate.
pub(crate) const GATE: &str = "{gate}";

/// What each process does. It is given its number as last argument, which it ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    /// Writes [`OUT_LINE`] to stdout and [`ERR_LINE`] to stderr.
    Lines,
    /// `/bin/true`.
    True,
    /// Waits at the gate, and writes the two lines.
    Live,
    /// Waits at the gate, and writes so much to each stream, 4 KiB at a time in turn.
    Writer { bytes: u64 },
    /// Writes so much to stdout.
    Bulk { bytes: u64 },
}

pub(crate) const OUT_LINE: &str = "one line on stdout\n";
pub(crate) const ERR_LINE: &str = "one line on stderr\n";

impl Child {
    /// Whether the processes wait for each other.
    pub(crate) fn is_gated(self) -> bool {
        matches!(self, Child::Live | Child::Writer { .. })
    }

    /// How many bytes it writes, both streams together.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Child::Lines | Child::Live => (OUT_LINE.len() + ERR_LINE.len()) as u64,
            Child::True => 0,
            Child::Writer { bytes } => 2 * bytes,
            Child::Bulk { bytes } => bytes,
        }
    }
}
