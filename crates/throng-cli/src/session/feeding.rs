//! The commands of a run, made as they are asked for, on the run's own thread; and what went
//! wrong with making them. Does not know what becomes of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use throng::Command;

use crate::input::Records;
use crate::output::{Note, Notes, Resume, Scribe};
use crate::progress::Progress;
use crate::recipe::{NeedsShell, Recipe};
use crate::text;

/// What the feeding thread leaves for the end.
#[derive(Debug, Default)]
pub(super) struct Feeding {
    bad_lines: AtomicU64,
    error: Mutex<Option<anyhow::Error>>,
}

impl Feeding {
    /// How many values could not be made commands of.
    pub(super) fn bad_lines(&self) -> u64 {
        self.bad_lines.load(Ordering::Relaxed)
    }

    /// Why values could not be read on, if so.
    pub(super) fn take_error(&self) -> Option<anyhow::Error> {
        self.error().take()
    }

    fn error(&self) -> std::sync::MutexGuard<'_, Option<anyhow::Error>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Commands {
    records: Records,
    recipe: Arc<Recipe>,
    /// How many records have been read.
    read: u64,
    /// How many commands there have been, those that are left out included.
    seq: u64,
    /// Which are left out.
    resume: Option<Resume>,
    /// Commands that were made before they were asked for.
    ready: VecDeque<Noted>,
    /// How many commands have been left out.
    left_out: u64,
    /// How many commands have been given out.
    given_out: u64,
    notes: Arc<Notes>,
    scribe: Scribe,
    feeding: Arc<Feeding>,
    progress: Progress,
}

struct Noted {
    note: Note,
    command: Command,
}

impl Commands {
    pub(super) fn new(
        records: Records,
        recipe: Arc<Recipe>,
        resume: Option<Resume>,
        scribe: Scribe,
        progress: Progress,
    ) -> Commands {
        let notes = Notes::new(resume.is_some() || scribe.has_work());
        Commands {
            records,
            recipe,
            read: 0,
            seq: 0,
            resume,
            ready: VecDeque::new(),
            left_out: 0,
            given_out: 0,
            notes: Arc::new(notes),
            scribe,
            feeding: Arc::new(Feeding::default()),
            progress,
        }
    }

    pub(super) fn feeding(&self) -> Arc<Feeding> {
        self.feeding.clone()
    }

    pub(super) fn notes(&self) -> Arc<Notes> {
        self.notes.clone()
    }

    /// Makes the commands that an earlier run has got to, so that one that is another's is seen
    /// before anything starts.
    pub(super) fn look_ahead(&mut self) -> anyhow::Result<()> {
        let Some(last) = self.resume.as_ref().map(Resume::last) else {
            return Ok(());
        };
        while self.seq < last {
            match self.make()? {
                Some(next) => self.ready.push_back(next),
                None => break,
            }
        }
        let resume = self.resume.as_ref();
        resume.map_or(Ok(()), |resume| resume.ends_at(self.seq))
    }

    /// The next command that is not left out.
    fn make(&mut self) -> anyhow::Result<Option<Noted>> {
        loop {
            let Some(record) = self.records.next() else {
                return Ok(None);
            };
            let record = record?;
            self.read += 1;
            let number = self.seq + 1;
            let note = self.scribe.note(&self.recipe, &record, number)?;
            match self.recipe.command(record, number) {
                Ok(None) => {}
                Ok(Some(command)) => {
                    self.seq = number;
                    if let Some(resume) = &self.resume
                        && !resume.wants(&command, &note)?
                    {
                        self.left_out += 1;
                        let total = self.records.total.unwrap_or(0);
                        self.progress.set_total(total.saturating_sub(self.left_out));
                        continue;
                    }
                    return Ok(Some(Noted { note, command }));
                }
                Err(error) if error.is::<NeedsShell>() => {
                    return Err(error.context(format!("command line {}", self.read)));
                }
                Err(error) => {
                    self.feeding.bad_lines.fetch_add(1, Ordering::Relaxed);
                    text::complain(format_args!("{error:#}"));
                }
            }
        }
    }
}

impl Iterator for Commands {
    type Item = Command;

    fn next(&mut self) -> Option<Command> {
        let next = match self.ready.pop_front() {
            Some(next) => Ok(Some(next)),
            None => self.make(),
        };
        let Noted { note, command } = match next {
            Ok(Some(next)) => next,
            Ok(None) => {
                self.progress.set_total(self.given_out);
                return None;
            }
            Err(error) => {
                *self.feeding.error() = Some(error);
                return None;
            }
        };
        self.notes.put(self.given_out, note);
        self.given_out += 1;
        Some(command)
    }
}
