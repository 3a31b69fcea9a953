//! What both systems return.

use serde::Serialize;

/// Something that is known of the machine.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// What follows from it, where something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Finding {
    pub(crate) fn new(name: &'static str, value: impl Into<String>) -> Finding {
        Finding {
            name,
            value: value.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = Some(hint.into());
        self
    }
}

/// How paths are written on a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathRules {
    pub(crate) separators: &'static [u8],
    /// Whether `C:` may be before a path.
    pub(crate) has_drives: bool,
}
