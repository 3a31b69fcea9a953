//! Which records a run writes, what they need to know of each command, and what an earlier run has
//! left in them.

use anyhow::{Context, anyhow, bail, ensure};

use super::append_file::Target;
use super::job_info::JobInfo;
use super::joblog::{self, PreviousLog};
use super::results::{Claims, ResultsSpec};
use super::summary::Summary;
use super::{Recorder, Resume};
use crate::commands::builder::CommandBuilder;
use crate::commands::record::Record;
use crate::fate::Fate;
use crate::options::Run;
use crate::options::output::{Again, FilesWanted, Mode};
use crate::shell::Shell;
use crate::template::{Pattern, PlaceholderSyntax};
use crate::values::Columns;

/// Which records are to be written. Nothing is written before it is [opened](Plan::open).
#[derive(Debug)]
pub(crate) struct Plan {
    joblog: Option<(Target, Option<PreviousLog>)>,
    results: Option<ResultsSpec>,
    summary: bool,
    again: Option<Again>,
    /// Whether records that others could have written are trusted.
    trusts: bool,
    shell: Option<Shell>,
}

impl Plan {
    /// Reads the job log of an earlier run, if this one adds to it. Values have these columns.
    pub(crate) fn new(args: &Run, columns: &Columns) -> anyhow::Result<Plan> {
        let output = &args.output;
        let again = output.again();
        let joblog = match &output.joblog {
            Some(text) => {
                let target = Target::parse(text)
                    .with_context(|| format!("--joblog \"{}\"", text.display()))?;
                let is_file = target.stream().is_none();
                ensure!(
                    is_file || again.is_none(),
                    "{} needs --joblog with a file, and \"{}\" is our stdout or stderr",
                    again.map_or("", Again::option),
                    target.path.display()
                );
                let previous = if is_file && (target.appends || again.is_some()) {
                    let relies_on_it = again.filter(|_| !output.trust_joblog);
                    let relies_on_it = relies_on_it.map(Again::option);
                    PreviousLog::read(&target.path, again == Some(Again::Failed), relies_on_it)?
                } else {
                    None
                };
                Some((target, previous))
            }
            None => None,
        };
        let results = match &output.results {
            Some(text) => {
                let language = PlaceholderSyntax::new(&args.placeholders)?;
                let spec = ResultsSpec::parse(text, &language, columns, output.results_files);
                Some(spec.with_context(|| format!("--results \"{}\"", text.display()))?)
            }
            None => None,
        };
        if let Some(spec) = &results
            && let Some(stream) = spec.stream()
            && output.mode() != Mode::None
        {
            let name = spec.name();
            bail!("--results {name} goes to {stream}: --output has to be none");
        }
        let results_tell = results
            .as_ref()
            .is_some_and(ResultsSpec::shows_what_was_run);
        if again == Some(Again::Unrun) && joblog.is_none() && !results_tell {
            if results.as_ref().is_some_and(ResultsSpec::is_tree) {
                bail!(
                    "--resume needs --joblog: with --results-files output, files of a NAME do not \
                     tell which values they are of (NAME/ and --results DIR do)"
                );
            }
            bail!(
                "--resume needs --joblog, or --results with a directory: there it sees what was run"
            );
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

    /// What this run leaves out, if it resumes an earlier one. `compares`: the commands of both
    /// should be the same.
    pub(crate) fn resume(&mut self, compares: bool) -> anyhow::Result<Option<Resume>> {
        let Some(again) = self.again else {
            return Ok(None);
        };
        let mut resume = Resume::new(again, self.shell.clone(), self.trusts);
        if let Some((target, Some(previous))) = &mut self.joblog {
            let jobs = std::mem::take(&mut previous.jobs);
            resume.with_log(target.path.clone(), jobs, compares);
        }
        let results = self.results.as_ref().filter(|_| again == Again::Unrun);
        let results = results.filter(|spec| spec.shows_what_was_run());
        if let Some(tree) = results.and_then(ResultsSpec::tree) {
            if !self.trusts {
                tree.check_owner(again.option())?;
            }
            resume.with_tree(tree);
        }
        Ok(Some(resume))
    }

    /// Collects what the records need to know of each command.
    pub(crate) fn job_info_builder(&self) -> anyhow::Result<JobInfoBuilder> {
        let results = self.results.as_ref();
        let keeps = self.again.is_some() || results.is_some_and(ResultsSpec::appends);
        let pattern = results.and_then(ResultsSpec::pattern);
        JobInfoBuilder::new(results.is_some(), pattern, keeps)
    }

    /// Opens what is to be written, so that errors are found before any command starts.
    pub(crate) fn open(self) -> anyhow::Result<Recorder> {
        if let Some((target, _)) = &self.joblog {
            joblog::refuse_others(target)?;
            if let Some(spec) = &self.results {
                spec.refuse_path(target)?;
            }
        }
        let mut recorder = Recorder::default();
        let resumes = self.again.is_some();
        if let Some(spec) = self.results {
            match spec.tree() {
                Some(mut tree) => {
                    tree.prepare(resumes || spec.appends())?;
                    recorder.tree = Some(tree);
                }
                None => recorder.table = Some(spec.open(self.shell.clone(), resumes)?),
            }
        }
        if let Some((target, previous)) = self.joblog {
            let keeps = target.appends || resumes;
            let joblog = joblog::open(&target, previous.as_ref(), keeps, self.shell.clone())?;
            recorder.joblog = Some(joblog);
        }
        recorder.summary = self.summary.then(|| Summary::new(self.shell.is_some()));
        Ok(recorder)
    }
}

/// Ends the error about a value that cannot be in a path.
const REMEDY: &str = "{/} is the last part of a value, and --results DIR takes any value";

/// Collects what the records of this run need to know of a command.
#[derive(Debug)]
pub(crate) struct JobInfoBuilder {
    needs_values: bool,
    path: Option<(Pattern, Claims)>,
    /// Whether results that exist already are kept and added to.
    keeps: bool,
}

impl JobInfoBuilder {
    pub(crate) fn new(
        needs_values: bool,
        path: Option<(Pattern, FilesWanted)>,
        keeps: bool,
    ) -> anyhow::Result<JobInfoBuilder> {
        let path = path.map(|(pattern, wanted)| {
            let claims = Claims::new(&pattern, wanted, keeps)?;
            anyhow::Ok((pattern, claims))
        });
        Ok(JobInfoBuilder {
            needs_values,
            path: path.transpose()?,
            keeps,
        })
    }

    /// Whether results that exist already end the run.
    pub(crate) fn refuses_existing_results(&self) -> bool {
        self.path.is_some() && !self.keeps
    }

    /// Assigns the command the path of its results. Fails with
    /// [`ResultsExist`](super::ResultsExist) if results of an earlier run are there that this one
    /// must not write over, and if nothing could be written there.
    pub(crate) fn claim(&mut self, info: &mut JobInfo) -> anyhow::Result<()> {
        if let Some((_, claims)) = &mut self.path {
            info.path = claims.claim(&info.path, info.number)?;
        }
        Ok(())
    }

    pub(crate) fn is_needed(&self) -> bool {
        self.needs_values
    }

    pub(crate) fn build(
        &self,
        builder: &CommandBuilder,
        record: &Record,
        number: u64,
    ) -> anyhow::Result<JobInfo> {
        Ok(JobInfo {
            number,
            values: if self.needs_values {
                record.values.clone()
            } else {
                Vec::new()
            },
            sent: record.sent.clone(),
            path: match &self.path {
                Some((pattern, _)) => pattern
                    .path_below(&builder.fill(record, number, 1))
                    .map_err(|error| anyhow!("--results: {error}; {REMEDY}"))?,
                None => Vec::new(),
            },
            fate: Fate::NotStarted,
        })
    }
}
