//! The commands of a run, made when the run asks for them, on its own thread; and what went
//! wrong with making them. Does not know what becomes of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use throng::Command;

use crate::commands::builder::{CommandBuilder, NeedsShell};
use crate::commands::records::Records;
use crate::records::{JobInfo, JobInfoBuilder, JobInfos, ResultsExist, Resume};
use crate::terminal::{self, Progress};

/// What went wrong with making commands, for the end of the run.
#[derive(Default)]
pub(super) struct SourceErrors {
    bad_values: AtomicU64,
    /// Those that came before anybody listened.
    early: Mutex<Vec<BadValue>>,
    /// Called with each of the others.
    on_bad_value: OnceLock<Box<dyn Fn(BadValue) + Send + Sync>>,
    error: Mutex<Option<anyhow::Error>>,
}

/// A value that could not be made a command of. It counts as a command that has failed, in its
/// place: when all that came before it have ended.
#[derive(Debug)]
pub(super) struct BadValue {
    /// How many commands there are before it.
    pub(super) after: u64,
    pub(super) why: String,
}

impl SourceErrors {
    /// How many values could not be made commands of.
    pub(super) fn bad_values(&self) -> u64 {
        self.bad_values.load(Ordering::Relaxed)
    }

    /// Calls this with each of them, those that there have been already included. Said once.
    pub(super) fn on_bad_value(&self, callback: impl Fn(BadValue) + Send + Sync + 'static) {
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        early.drain(..).for_each(&callback);
        let first = self.on_bad_value.set(Box::new(callback));
        debug_assert!(first.is_ok(), "one listener is enough");
    }

    fn add_bad_value(&self, bad: BadValue) {
        self.bad_values.fetch_add(1, Ordering::Relaxed);
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        match self.on_bad_value.get() {
            Some(callback) => callback(bad),
            None => early.push(bad),
        }
    }

    /// Why values could not be read on, if so.
    pub(super) fn take_error(&self) -> Option<anyhow::Error> {
        self.error().take()
    }

    fn error(&self) -> std::sync::MutexGuard<'_, Option<anyhow::Error>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many commands that are still to run are made ahead, at the most, whatever number the log of
/// an earlier run ends with. The others are compared with it when they are made.
const LOOK_AHEAD_MAX: usize = 1 << 16;

pub(super) struct CommandSource {
    records: Records,
    builder: Arc<CommandBuilder>,
    /// How many commands there have been, those that are left out included.
    seq: u64,
    /// Which are left out.
    resume: Option<Resume>,
    /// Commands that were made before they were asked for.
    ready: VecDeque<Noted>,
    /// How many commands have been left out.
    left_out: u64,
    /// Whether that has been told.
    is_told: bool,
    /// How many commands have been given out.
    given_out: u64,
    infos: Arc<JobInfos>,
    info_builder: JobInfoBuilder,
    errors: Arc<SourceErrors>,
    progress: Progress,
}

struct Noted {
    info: JobInfo,
    command: Command,
}

impl CommandSource {
    pub(super) fn new(
        records: Records,
        builder: Arc<CommandBuilder>,
        resume: Option<Resume>,
        info_builder: JobInfoBuilder,
        progress: Progress,
    ) -> CommandSource {
        let infos = JobInfos::new(resume.is_some() || info_builder.is_needed());
        CommandSource {
            records,
            builder,
            seq: 0,
            resume,
            ready: VecDeque::new(),
            left_out: 0,
            is_told: false,
            given_out: 0,
            infos: Arc::new(infos),
            info_builder,
            errors: Arc::new(SourceErrors::default()),
            progress,
        }
    }

    pub(super) fn errors(&self) -> Arc<SourceErrors> {
        self.errors.clone()
    }

    pub(super) fn infos(&self) -> Arc<JobInfos> {
        self.infos.clone()
    }

    /// Makes the commands that an earlier run has got to, so that one that is another's is seen
    /// before anything starts.
    ///
    /// Where results are not to be written over, the first command shows whether this was run
    /// before.
    pub(super) fn look_ahead(&mut self) -> anyhow::Result<()> {
        if self.info_builder.refuses_existing_results() {
            let first = self.make()?;
            self.ready.extend(first);
        }
        let Some(last) = self.resume.as_ref().map(Resume::last) else {
            return Ok(());
        };
        while self.seq < last {
            if self.ready.len() == LOOK_AHEAD_MAX {
                return Ok(());
            }
            match self.make()? {
                Some(next) => self.ready.push_back(next),
                None => break,
            }
        }
        if let Some(resume) = &self.resume {
            resume.ends_at(self.seq)?;
            if resume.goes_by_log_alone() {
                let total = self.records.total;
                self.tell(total.map(|total| total.saturating_sub(self.left_out)));
            }
        }
        Ok(())
    }

    /// Says once how much is left out of a run that goes on.
    fn tell(&mut self, to_run: Option<u64>) {
        let is_first = !std::mem::replace(&mut self.is_told, true);
        let resume = self.resume.as_ref().filter(|_| is_first);
        if let Some(told) = resume.and_then(|resume| resume.told(self.left_out, to_run)) {
            terminal::warn(format_args!("{told}"));
        }
    }

    /// The next command that is not left out.
    fn make(&mut self) -> anyhow::Result<Option<Noted>> {
        loop {
            let Some(record) = self.records.next() else {
                return Ok(None);
            };
            let record = record?;
            let number = record.number.unwrap_or_else(|| self.seq + 1);
            let at = record.at.clone();
            let info = self.info_builder.build(&self.builder, &record, number);
            let made = self.builder.command(record, number);
            let noted = |command| {
                let mut info = info.map_err(|error| at.name(error))?;
                self.info_builder.claim(&mut info).map_err(|error| {
                    match error.is::<ResultsExist>() {
                        true => error,
                        false => at.name(error),
                    }
                })?;
                Ok((command, info))
            };
            match made.and_then(|command| command.map(noted).transpose()) {
                Ok(None) => {}
                Ok(Some((command, info))) => {
                    self.seq = number;
                    if let Some(resume) = &self.resume
                        && !resume.wants(&command, &info)?
                    {
                        self.left_out += 1;
                        let total = self.records.total.unwrap_or(0);
                        self.progress.set_total(total.saturating_sub(self.left_out));
                        continue;
                    }
                    return Ok(Some(Noted { info, command }));
                }
                Err(error) if error.is::<NeedsShell>() || error.is::<ResultsExist>() => {
                    return Err(error);
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    terminal::warn(format_args!("{why}"));
                    let after = self.given_out + self.ready.len() as u64;
                    self.errors.add_bad_value(BadValue { after, why });
                }
            }
        }
    }
}

impl Iterator for CommandSource {
    type Item = Command;

    fn next(&mut self) -> Option<Command> {
        let next = match self.ready.pop_front() {
            Some(next) => Ok(Some(next)),
            None => self.make(),
        };
        let Noted { info, command } = match next {
            Ok(Some(next)) => next,
            Ok(None) => {
                let ends_at = self.resume.as_ref().map(|resume| resume.ends_at(self.seq));
                if let Some(Err(error)) = ends_at {
                    *self.errors.error() = Some(error);
                }
                self.tell(None);
                self.progress.set_total(self.given_out);
                return None;
            }
            Err(error) => {
                *self.errors.error() = Some(error);
                return None;
            }
        };
        self.infos.put(self.given_out, info);
        self.given_out += 1;
        Some(command)
    }
}
