//! What is known of one command besides what its outcome carries.

use crate::commands::pipe::Sent;
use crate::fate::Fate;

/// What is known of one command.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// Its number, from 1, as `{#}`.
    pub(crate) number: u64,
    /// A value from each source, where results want them.
    pub(crate) values: Vec<Vec<u8>>,
    /// What it is sent on stdin while it runs.
    pub(crate) sent: Option<Sent>,
    /// Where its results go, where that was given with places in it.
    pub(crate) place: Vec<u8>,
    /// What has become of it, once that is decided.
    pub(crate) fate: Fate,
}
