//! The commands of a run, made when the run asks for them, on its own thread; and what went
//! wrong with making them.

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
    /// Those from before there was a callback.
    early: Mutex<Vec<BadValue>>,
    /// Called with each of the others.
    on_bad_value: OnceLock<Box<dyn Fn(BadValue) + Send + Sync>>,
    error: Mutex<Option<anyhow::Error>>,
}

/// A value that no command could be made of. It counts as a failed command, in order: once all
/// commands before it have ended.
#[derive(Debug)]
pub(super) struct BadValue {
    /// How many commands there are before it.
    pub(super) after: u64,
    pub(super) why: String,
}

impl SourceErrors {
    /// For how many values no command could be made.
    pub(super) fn bad_values(&self) -> u64 {
        self.bad_values.load(Ordering::Relaxed)
    }

    /// Calls back with each of them, including those so far. Can be called once.
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

    /// Why no more values could be read, if so.
    pub(super) fn take_error(&self) -> Option<anyhow::Error> {
        self.error().take()
    }

    fn error(&self) -> std::sync::MutexGuard<'_, Option<anyhow::Error>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many commands are made ahead, at the most, whatever number the log of an earlier run ends
/// with. The others are compared with the log when they are made.
const LOOK_AHEAD_MAX: usize = 1 << 16;

pub(super) struct CommandSource {
    records: Records,
    builder: Arc<CommandBuilder>,
    /// How many commands there have been, including those that are left out.
    seq: u64,
    /// Which commands are left out.
    resume: Option<Resume>,
    /// Commands that were made before they were asked for.
    ready: VecDeque<Made>,
    /// How many commands have been left out.
    left_out: u64,
    /// Whether that has been reported.
    is_reported: bool,
    /// How many commands have been returned.
    given_out: u64,
    infos: Arc<JobInfos>,
    info_builder: JobInfoBuilder,
    errors: Arc<SourceErrors>,
    progress: Progress,
}

struct Made {
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
            is_reported: false,
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

    /// Makes the commands up to the last one of an earlier run, so that a log of another run is
    /// refused before anything starts.
    ///
    /// If existing results end the run, the first command shows whether there are any.
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
                self.report(total.map(|total| total.saturating_sub(self.left_out)));
            }
        }
        Ok(())
    }

    /// Reports once how many commands a resumed run leaves out.
    fn report(&mut self, to_run: Option<u64>) {
        let is_first = !std::mem::replace(&mut self.is_reported, true);
        let resume = self.resume.as_ref().filter(|_| is_first);
        if let Some(told) = resume.and_then(|resume| resume.told(self.left_out, to_run)) {
            terminal::warn(format_args!("{told}"));
        }
    }

    /// The next command that is not left out.
    fn make(&mut self) -> anyhow::Result<Option<Made>> {
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
                    return Ok(Some(Made { info, command }));
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
        let Made { info, command } = match next {
            Ok(Some(next)) => next,
            Ok(None) => {
                let ends_at = self.resume.as_ref().map(|resume| resume.ends_at(self.seq));
                if let Some(Err(error)) = ends_at {
                    *self.errors.error() = Some(error);
                }
                self.report(None);
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
