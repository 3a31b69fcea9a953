//! What makes a round harder than others, and what may differ from a script because of it. What a
//! system can bring about is in `sys`.

/// Rounds with any of these run in a program of their own: none of it can be taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hardship {
    /// System calls that are refused, as `confine` takes them.
    pub(crate) refusals: Option<&'static str>,
    /// Other code of this program waits for all children: exit statuses are up to chance.
    pub(crate) is_reaped: bool,
    /// Other code of this program takes all descriptors, again and again.
    pub(crate) has_few_descriptors: bool,
    /// A file cannot become large: of what is spilled only the beginning may be kept.
    pub(crate) has_full_disk: bool,
}

impl Hardship {
    pub(crate) fn is_any(self) -> bool {
        self != Hardship::default()
    }
}
