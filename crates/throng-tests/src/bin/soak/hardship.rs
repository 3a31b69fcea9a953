//! What makes a round harder than others, and how results may therefore differ from a script. The
//! hardships that a system can create are in `sys`.

/// Rounds with any of these run in a program of their own: none of them can be undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hardship {
    /// System calls that are refused, as `confine` takes them.
    pub(crate) refusals: Option<&'static str>,
    /// Other code of this program waits for all children: exit statuses are unpredictable.
    pub(crate) is_reaped: bool,
    /// Other code of this program takes all descriptors, again and again.
    pub(crate) has_few_descriptors: bool,
    /// A file cannot become large: only the beginning of what is spilled may be kept.
    pub(crate) has_full_disk: bool,
}

impl Hardship {
    pub(crate) fn is_any(self) -> bool {
        self != Hardship::default()
    }
}
