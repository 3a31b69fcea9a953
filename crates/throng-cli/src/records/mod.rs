//! What is recorded of a run: the job log, results in files, the summary; and what an earlier run
//! has recorded. Formatters turn an outcome into a line (`joblog/line.rs`, `results/table.rs`,
//! `jsonl/`), [`AppendFile`] is a file of lines, and [`Recorder`] knows which records there are.

mod append_file;
mod chunks;
mod job_info;
mod joblog;
mod jsonl;
mod plan;
mod results;
mod resume;
mod summary;

use anyhow::anyhow;
use throng::{Outcome, Stream, Verdict};

pub(crate) use self::chunks::for_each as for_each_chunk;
pub(crate) use self::job_info::{JobInfo, JobInfos};
pub(crate) use self::joblog::shown;
pub(crate) use self::jsonl::write as write_json;
pub(crate) use self::plan::{JobInfoBuilder, Plan};
pub(crate) use self::results::ResultsExist;
pub(crate) use self::resume::Resume;

use self::append_file::AppendFile;
use self::results::Tree;
use self::summary::Summary;
use crate::terminal;

/// Where a piece of what is written about a command goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Stdout,
    Stderr,
    Joblog,
    Results,
}

impl To {
    pub(crate) const ALL: [To; 4] = [To::Stdout, To::Stderr, To::Joblog, To::Results];
}

impl From<Stream> for To {
    fn from(stream: Stream) -> To {
        match stream {
            Stream::Stdout => To::Stdout,
            Stream::Stderr => To::Stderr,
        }
    }
}

/// The records of a run.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    joblog: Option<AppendFile>,
    /// Results in one file.
    table: Option<AppendFile>,
    /// Results in files for each command.
    tree: Option<Tree>,
    summary: Option<Summary>,
    /// How many commands have results that could not be written because of their names, and the
    /// `seq` of the last one.
    unwritten: (u64, Option<u64>),
}

impl Recorder {
    /// A command has ended; its output and lines may have to wait for their turn. A command that
    /// was ended because the run was, or whose output could not be kept, gets no results: a run
    /// that resumes this one runs it again.
    pub(crate) fn ended(&mut self, outcome: &Outcome, info: &JobInfo) -> anyhow::Result<()> {
        if let Some(summary) = &mut self.summary {
            summary.add(outcome, info);
        }
        match &mut self.tree {
            Some(tree) if is_done(outcome, info) => match tree.write(outcome, info) {
                Err(error) if is_of_its_name(&error) => {
                    terminal::warn(format_args!("{error:#}"));
                    self.unwritten = (self.unwritten.0 + 1, Some(outcome.seq()));
                    Ok(())
                }
                written => written,
            },
            _ => Ok(()),
        }
    }

    /// The lines before all others, once: how many values commands have is known by now.
    pub(crate) fn take_headers(&mut self, info: &JobInfo) -> Vec<(To, Vec<u8>)> {
        let header = |to| Some((to, self.file(to)?.take_header(info)?));
        [To::Results, To::Joblog]
            .into_iter()
            .filter_map(header)
            .collect()
    }

    /// The lines that are written after the output of a command.
    pub(crate) fn lines(
        &self,
        outcome: &Outcome,
        info: &JobInfo,
    ) -> anyhow::Result<Vec<(To, Vec<u8>)>> {
        let mut lines = Vec::new();
        if !is_done(outcome, info) {
            return Ok(lines);
        }
        if let Some(table) = &self.table {
            lines.push((To::Results, table.line(outcome, info)?));
        }
        if let Some(joblog) = &self.joblog
            && self.unwritten.1 != Some(outcome.seq())
        {
            lines.push((To::Joblog, joblog.line(outcome, info)?));
        }
        Ok(lines)
    }

    /// Writes to the file of a record. Returns the stream that the caller has to write these bytes
    /// to, if they are not for a file.
    pub(crate) fn write(&mut self, to: To, bytes: &[u8]) -> anyhow::Result<Option<Stream>> {
        match to {
            To::Stdout => Ok(Some(Stream::Stdout)),
            To::Stderr => Ok(Some(Stream::Stderr)),
            to => self.file(to).map_or(Ok(None), |file| file.write(bytes)),
        }
    }

    /// Writes what is buffered. The output should have been flushed before: a command that is in
    /// the log is not run again.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        let mut files = [To::Results, To::Joblog].into_iter();
        files.try_for_each(|to| self.file(to).map_or(Ok(()), AppendFile::flush))
    }

    /// The text of `--summary`.
    pub(crate) fn summary(&self) -> Option<String> {
        self.summary.as_ref().map(Summary::report)
    }

    /// What was lost of single commands, if something was.
    pub(crate) fn take_failure(&mut self) -> Option<anyhow::Error> {
        let (count, _) = std::mem::take(&mut self.unwritten);
        (count > 0).then(|| {
            let plural = if count == 1 { "" } else { "s" };
            anyhow!("--results: those of {count} command{plural} could not be written")
        })
    }

    fn file(&mut self, to: To) -> Option<&mut AppendFile> {
        match to {
            To::Joblog => self.joblog.as_mut(),
            To::Results => self.table.as_mut(),
            To::Stdout | To::Stderr => None,
        }
    }
}

/// Whether results cannot be written to this path, but can to others.
fn is_of_its_name(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    causes.any(|error: &std::io::Error| results::is_of_a_name(error.kind()))
}

/// Whether a run that resumes this one leaves the command out.
fn is_done(outcome: &Outcome, info: &JobInfo) -> bool {
    info.fate.is_done() && !is_lost(outcome)
}

/// Whether some of the output could not be read or kept, as on a full disk.
pub(crate) fn is_lost(outcome: &Outcome) -> bool {
    let is_lost = |stream| matches!(outcome.verdict(stream), Verdict::Failed(_));
    Stream::ALL.into_iter().any(is_lost)
}
