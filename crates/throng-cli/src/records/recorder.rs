//! What is kept of a run besides its output. Knows which records were asked for, and writes each
//! when its time has come.

use anyhow::{Context, anyhow, bail};
use throng::{Outcome, Stream, Verdict};

use super::claims::is_of_a_name;
use super::joblog::{self, Joblog, Past};
use super::results::{Results, Wanted};
use super::summary::Summary;
use crate::options::Run;
use crate::options::output::{Again, Mode};
use crate::records::note::Note;
use crate::records::notes::Scribe;
use crate::records::resume::Resume;
use crate::records::target::Target;
use crate::records::through::To;
use crate::shell::Shell;
use crate::template::PlaceholderSyntax;
use crate::terminal;
use crate::values::Columns;

/// The records of a run.
#[derive(Debug)]
pub(crate) struct Recorder {
    joblog: Option<Joblog>,
    results: Option<Results>,
    summary: Option<Summary>,
    /// How many commands have results that could not be written, because of their names, and
    /// the `seq` of the last one.
    unwritten: (u64, Option<u64>),
}

/// What records are to be written, and what an earlier run has left in them. Nothing is written
/// before it is [opened](Plan::open).
#[derive(Debug)]
pub(crate) struct Plan {
    joblog: Option<(Target, Option<Past>)>,
    results: Option<Wanted>,
    summary: bool,
    again: Option<Again>,
    /// Whether what others could have written is gone by.
    trusts: bool,
    shell: Option<Shell>,
}

impl Plan {
    /// Reads what an earlier run has left, if this one adds to it. Values have these columns.
    pub(crate) fn new(args: &Run, columns: &Columns) -> anyhow::Result<Plan> {
        let output = &args.output;
        let again = output.again();
        let joblog = match &output.joblog {
            Some(text) => {
                let target = Target::parse(text)
                    .with_context(|| format!("--joblog \"{}\"", text.display()))?;
                anyhow::ensure!(
                    target.stream().is_none() || again.is_none(),
                    "{} needs --joblog with a file, and \"{}\" is our stdout or stderr",
                    again.map_or("", Again::option),
                    target.path.display()
                );
                let past = if target.stream().is_none() && (target.appends || again.is_some()) {
                    let goes_by_it = again.filter(|_| !output.trust_joblog);
                    let goes_by_it = goes_by_it.map(Again::option);
                    Past::read(&target.path, again == Some(Again::Failed), goes_by_it)?
                } else {
                    None
                };
                Some((target, past))
            }
            None => None,
        };
        let results = match &output.results {
            Some(text) => Some(
                Wanted::parse(
                    text,
                    &PlaceholderSyntax::new(&args.placeholders)?,
                    columns,
                    output.results_files,
                )
                .with_context(|| format!("--results \"{}\"", text.display()))?,
            ),
            None => None,
        };
        if let Some(wanted) = &results {
            refuse_contradictions(wanted, output.mode())?;
        }
        let shows_what_was_run = results.as_ref().is_some_and(Wanted::shows_what_was_run);
        match again {
            Some(Again::Unrun)
                if joblog.is_none()
                    && !shows_what_was_run
                    && results.as_ref().is_some_and(Wanted::is_tree) =>
            {
                bail!(
                    "--resume needs --joblog: with --results-files output, files of a NAME do not \
                     tell which values they are of (NAME/ and --results DIR do)"
                );
            }
            Some(Again::Unrun) if joblog.is_none() && !shows_what_was_run => {
                bail!(
                    "--resume needs --joblog, or --results with a directory: there it sees \
                       what was run"
                );
            }
            _ => {}
        }
        Ok(Plan {
            joblog,
            results,
            summary: output.summary,
            again,
            trusts: output.trust_joblog,
            shell: Shell::of(args)?,
        })
    }

    /// What this run leaves out, where it goes on with an earlier one. `compares` says whether the
    /// commands of both should be the same.
    pub(crate) fn resume(&mut self, compares: bool) -> anyhow::Result<Option<Resume>> {
        let Some(again) = self.again else {
            return Ok(None);
        };
        let mut resume = Resume::new(again, self.shell.clone());
        if let Some((target, Some(past))) = &mut self.joblog {
            resume.with_log(
                target.path.clone(),
                std::mem::take(&mut past.jobs),
                compares,
            );
        }
        let results = self.results.as_ref().filter(|_| again == Again::Unrun);
        let results = results.filter(|wanted| wanted.shows_what_was_run());
        if let Some(tree) = results.and_then(Wanted::tree) {
            if !self.trusts {
                tree.check_owner(again.option())?;
            }
            resume.with_tree(tree, self.trusts);
        }
        Ok(Some(resume))
    }

    /// Who notes what the records want to know of each command.
    pub(crate) fn scribe(&self) -> anyhow::Result<Scribe> {
        let results = self.results.as_ref();
        let keeps = self.again.is_some() || results.is_some_and(Wanted::appends);
        Scribe::new(results.is_some(), results.and_then(Wanted::pattern), keeps)
    }

    /// Opens what is to be written, so that what cannot be is known before anything starts.
    pub(crate) fn open(self) -> anyhow::Result<Recorder> {
        if let Some((target, _)) = &self.joblog {
            joblog::refuse_others(target)?;
            if let Some(wanted) = &self.results {
                wanted.refuse_path(target)?;
            }
        }
        let results = match self.results {
            Some(wanted) => Some(wanted.open(self.shell.clone(), self.again.is_some())?),
            None => None,
        };
        let joblog = match self.joblog {
            Some((target, past)) => {
                let goes_on = target.appends || self.again.is_some();
                Some(Joblog::open(
                    &target,
                    past.as_ref(),
                    goes_on,
                    self.shell.clone(),
                )?)
            }
            None => None,
        };
        Ok(Recorder {
            joblog,
            results,
            summary: self.summary.then(|| Summary::new(self.shell.is_some())),
            unwritten: (0, None),
        })
    }
}

fn refuse_contradictions(wanted: &Wanted, mode: Mode) -> anyhow::Result<()> {
    let name = wanted.name();
    if let Some(stream) = wanted.stream()
        && mode != Mode::None
    {
        bail!("--results {name} goes to {stream}: --output has to be none");
    }
    Ok(())
}

impl Recorder {
    /// A command has ended; what it said may still have to wait for its turn. What we ended to end
    /// the run is left out, and so is what has said more than could be kept: a run that resumes
    /// this one has it to do.
    pub(crate) fn ended(&mut self, outcome: &Outcome, note: &Note) -> anyhow::Result<()> {
        if let Some(summary) = &mut self.summary {
            summary.add(outcome, note);
        }
        match &mut self.results {
            Some(Results::Tree(tree)) if !is_left_to_do(outcome, note) => {
                match tree.write(outcome, note) {
                    Err(error) if is_of_its_name(&error) => {
                        terminal::complain(format_args!("{error:#}"));
                        self.unwritten = (self.unwritten.0 + 1, Some(outcome.seq()));
                        Ok(())
                    }
                    written => written,
                }
            }
            _ => Ok(()),
        }
    }

    /// What was lost of single commands, if something was.
    pub(crate) fn take_failure(&mut self) -> Option<anyhow::Error> {
        let (count, _) = std::mem::take(&mut self.unwritten);
        (count > 0).then(|| {
            let plural = if count == 1 { "" } else { "s" };
            anyhow!("--results: those of {count} command{plural} could not be written")
        })
    }

    /// What comes before all lines, once: when it is known how many values commands have.
    pub(crate) fn take_heads(&mut self, note: &Note) -> Vec<(To, Vec<u8>)> {
        let results = match &mut self.results {
            Some(Results::Lines(lines)) => lines.take_head(note),
            _ => None,
        };
        let joblog = self.joblog.as_mut().and_then(Joblog::take_head);
        let heads = [(To::Results, results), (To::Joblog, joblog)];
        let some = heads.into_iter();
        some.filter_map(|(to, head)| Some((to, head?))).collect()
    }

    /// The lines that belong to what a command has said.
    pub(crate) fn lines(
        &self,
        outcome: &Outcome,
        note: &Note,
    ) -> anyhow::Result<Vec<(To, Vec<u8>)>> {
        let mut all = Vec::new();
        if is_left_to_do(outcome, note) {
            return Ok(all);
        }
        if let Some(Results::Lines(lines)) = &self.results {
            all.push((To::Results, lines.line(outcome, note)?));
        }
        if let Some(joblog) = &self.joblog
            && self.unwritten.1 != Some(outcome.seq())
        {
            let mut line = Vec::new();
            joblog.line(outcome, note, &mut line);
            all.push((To::Joblog, line));
        }
        Ok(all)
    }

    /// The stream that the log is to be written to, where it is one of ours.
    pub(crate) fn write_joblog(&mut self, bytes: &[u8]) -> anyhow::Result<Option<Stream>> {
        let Some(joblog) = &mut self.joblog else {
            return Ok(None);
        };
        match joblog.stream() {
            None => joblog.write(bytes).map(|()| None),
            stream => Ok(stream),
        }
    }

    /// The stream that results are to be written to, where it is one of ours.
    pub(crate) fn write_results(&mut self, bytes: &[u8]) -> anyhow::Result<Option<Stream>> {
        let Some(Results::Lines(lines)) = &mut self.results else {
            return Ok(None);
        };
        match lines.stream() {
            None => lines.write(bytes).map(|()| None),
            stream => Ok(stream),
        }
    }

    /// What is to be said at the end.
    pub(crate) fn summary(&self) -> Option<String> {
        self.summary.as_ref().map(Summary::report)
    }

    /// Writes what was held back. The output itself should have been flushed before: what is in the
    /// log is not run again.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        if let Some(Results::Lines(lines)) = &mut self.results {
            lines.flush()?;
        }
        self.joblog.as_mut().map_or(Ok(()), Joblog::flush)
    }
}

/// Whether results cannot be written under this name, but can under others.
fn is_of_its_name(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    causes.any(|error: &std::io::Error| is_of_a_name(error.kind()))
}

fn is_left_to_do(outcome: &Outcome, note: &Note) -> bool {
    !note.fate.is_done() || is_lost(outcome)
}

/// Whether some of what it has said could not be had or kept: a full disk, mostly.
pub(crate) fn is_lost(outcome: &Outcome) -> bool {
    let is_lost = |stream| matches!(outcome.verdict(stream), Verdict::Failed(_));
    Stream::ALL.into_iter().any(is_lost)
}
