//! What is known of a command besides what its outcome carries. The thread that makes commands
//! leaves it here, and whoever takes the outcome finds it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use throng::Outcome;

use crate::fate::Fate;
use crate::input::Record;
use crate::recipe::Recipe;
use crate::template::Pattern;

/// What is known of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Its number, from 1, as `{#}`.
    pub(crate) number: u64,
    /// A value from each source, where results want them.
    pub(crate) values: Vec<Vec<u8>>,
    /// Where its results go, where that was given with places in it.
    pub(crate) place: Vec<u8>,
    /// What has become of it, once that is decided.
    pub(crate) fate: Fate,
}

/// Writes the notes. Knows what of a command the records of the run want.
#[derive(Debug)]
pub(crate) struct Scribe {
    pub(super) wants_values: bool,
    pub(super) place: Option<Pattern>,
}

impl Scribe {
    pub(crate) fn has_work(&self) -> bool {
        self.wants_values
    }

    pub(crate) fn note(
        &self,
        recipe: &Recipe,
        record: &Record,
        number: u64,
    ) -> anyhow::Result<Note> {
        Ok(Note {
            number,
            values: if self.wants_values {
                record.values.clone()
            } else {
                Vec::new()
            },
            place: match &self.place {
                Some(pattern) => pattern.bytes(&recipe.fill(record, number, 1))?,
                None => Vec::new(),
            },
            fate: Fate::NotStarted,
        })
    }
}

/// The notes of commands under way, by the `seq` of their outcomes. Where nothing needs them none
/// are kept, and what an outcome says itself is enough.
#[derive(Debug)]
pub(crate) struct Notes {
    kept: Option<Mutex<HashMap<u64, Note>>>,
}

impl Notes {
    pub(crate) fn new(are_needed: bool) -> Notes {
        Notes {
            kept: are_needed.then(Mutex::default),
        }
    }

    /// Leaves the note of the command whose outcome will have this `seq`.
    pub(crate) fn put(&self, seq: u64, note: Note) {
        if let Some(kept) = &self.kept {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(seq, note);
        }
    }

    /// The note of the command of this outcome, which is its last.
    pub(crate) fn take(&self, outcome: &Outcome, fate: Fate) -> Note {
        let seq = outcome.seq();
        let kept = self.kept.as_ref();
        let note = kept.and_then(|kept| {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.remove(&seq)
        });
        let note = note.unwrap_or_else(|| Note {
            number: seq + 1,
            values: Vec::new(),
            place: Vec::new(),
            fate,
        });
        Note { fate, ..note }
    }
}
