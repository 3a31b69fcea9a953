//! What is known of a command besides what its outcome carries. The thread that makes commands
//! leaves it here, and whoever takes the outcome finds it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::anyhow;
use throng::Outcome;

use super::claims::Claims;
use crate::commands::recipe::Recipe;
use crate::commands::record::Record;
use crate::fate::Fate;
use crate::options::output::FilesWanted;
use crate::records::note::Note;
use crate::template::Pattern;

/// For a value that is no name.
const REMEDY: &str = "{/} is the last part of a value, and --results DIR takes any value";

/// Writes the notes. Knows what of a command the records of the run want.
#[derive(Debug)]
pub(crate) struct Scribe {
    wants_values: bool,
    place: Option<(Pattern, Claims)>,
    /// Whether results that are there already are kept, and added to.
    keeps: bool,
}

impl Scribe {
    pub(crate) fn new(
        wants_values: bool,
        place: Option<(Pattern, FilesWanted)>,
        keeps: bool,
    ) -> anyhow::Result<Scribe> {
        let place = place.map(|(pattern, wanted)| {
            let claims = Claims::new(&pattern, wanted, keeps)?;
            anyhow::Ok((pattern, claims))
        });
        Ok(Scribe {
            wants_values,
            place: place.transpose()?,
            keeps,
        })
    }

    /// Whether a place that another run has written to ends the run.
    pub(crate) fn refuses_what_is_there(&self) -> bool {
        self.place.is_some() && !self.keeps
    }

    /// Gives the command its place. Fails where there are results of an earlier run in it that are
    /// not to be kept ([`IsThere`](super::IsThere)), and where none could be written.
    pub(crate) fn claim(&mut self, note: &mut Note) -> anyhow::Result<()> {
        if let Some((_, claims)) = &mut self.place {
            note.place = claims.claim(&note.place, note.number)?;
        }
        Ok(())
    }

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
            sent: record.sent.clone(),
            place: match &self.place {
                Some((pattern, _)) => pattern
                    .path_below(&recipe.fill(record, number, 1))
                    .map_err(|error| anyhow!("--results: {error}; {REMEDY}"))?,
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
    are_needed: bool,
    kept: Mutex<HashMap<u64, Note>>,
}

impl Notes {
    pub(crate) fn new(are_needed: bool) -> Notes {
        Notes {
            are_needed,
            kept: Mutex::default(),
        }
    }

    /// Leaves the note of the command whose outcome will have this `seq`.
    pub(crate) fn put(&self, seq: u64, note: Note) {
        if self.are_needed || note.sent.is_some() {
            self.kept().insert(seq, note);
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<u64, Note>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The note of the command of this outcome, which is its last.
    pub(crate) fn take(&self, outcome: &Outcome, fate: Fate) -> Note {
        let seq = outcome.seq();
        let note = self.kept().remove(&seq).unwrap_or_else(|| Note {
            number: seq + 1,
            values: Vec::new(),
            sent: None,
            place: Vec::new(),
            fate,
        });
        Note { fate, ..note }
    }
}
