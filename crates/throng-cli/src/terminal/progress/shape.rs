//! What of the view is shown, and how.

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// How far the run is, and below it what runs for long.
    Full,
    /// How far it is, with a bar.
    Bar,
    /// How far it is.
    Line,
    /// The same, now and then, for a stderr that is no terminal.
    Plain,
}

impl Shape {
    /// Whether it is drawn over and over in one place.
    pub(super) fn is_drawn(self) -> bool {
        self != Shape::Plain
    }

    pub(super) fn shows_processes(self) -> bool {
        self == Shape::Full
    }
}
