//! `--resume` and its relatives: which commands an earlier run has done. Knows commands by their
//! number, and by what its log says of them, or by their values, where it has left results.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{bail, ensure};
use throng::Command;

use super::Note;
use super::joblog::{Job, fingerprint, logged};
use super::results::Tree;
use crate::args::Again;
use crate::shell::Shell;
use crate::text;

/// What has been done, and what of that is to be done again.
#[derive(Debug)]
pub(crate) struct Resume {
    again: Again,
    shell: Option<Shell>,
    jobs: HashMap<u64, Job>,
    path: PathBuf,
    /// Whether commands are compared with those of the log.
    compares: bool,
    tree: Option<Tree>,
}

impl Resume {
    pub(super) fn new(again: Again, shell: Option<Shell>) -> Resume {
        Resume {
            again,
            shell,
            jobs: HashMap::new(),
            path: PathBuf::new(),
            compares: false,
            tree: None,
        }
    }

    pub(super) fn with_log(&mut self, path: PathBuf, jobs: HashMap<u64, Job>, compares: bool) {
        self.path = path;
        self.jobs = jobs;
        self.compares = compares && self.again != Again::Failed;
    }

    pub(super) fn with_tree(&mut self, tree: Tree) {
        self.tree = Some(tree);
    }

    /// The number of the last command that has been run.
    pub(crate) fn last(&self) -> u64 {
        self.jobs.keys().copied().max().unwrap_or(0)
    }

    /// Whether this command is to be run. A command that is not that of the log is an error: the
    /// log is not this run's.
    pub(crate) fn wants(&self, command: &Command, note: &Note) -> anyhow::Result<bool> {
        let number = note.number;
        let wants = match self.jobs.get(&number) {
            None => self.again != Again::Failed,
            Some(job) => {
                self.compare(number, command, job)?;
                self.again != Again::Unrun && !job.succeeded
            }
        };
        Ok(match &self.tree {
            Some(tree) if wants => !tree.has(note)?,
            _ => wants,
        })
    }

    fn compare(&self, number: u64, command: &Command, job: &Job) -> anyhow::Result<()> {
        if !self.compares {
            return Ok(());
        }
        let line = logged(command, self.shell.is_some());
        ensure!(
            fingerprint(&line) == job.fingerprint
                && Shell::is_named(self.shell.as_ref(), &job.shell),
            "--joblog {}: not of this run: command {number} is {} here and another there \
             (--trust-joblog goes by the numbers alone)",
            self.path.display(),
            text::quoted(&line),
        );
        Ok(())
    }

    /// This run has only so many commands.
    pub(crate) fn ends_at(&self, count: u64) -> anyhow::Result<()> {
        if self.compares && count < self.last() {
            bail!(
                "--joblog {}: not of this run: it has a command {}, and there are {count} here \
                 (--trust-joblog goes by the numbers alone)",
                self.path.display(),
                self.last(),
            );
        }
        Ok(())
    }

    /// The commands that have failed, each in the place of its number, with something to be skipped
    /// in all others.
    pub(crate) fn failed(&mut self) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut lines = vec![b"-".to_vec(); self.last() as usize];
        for (number, job) in &mut self.jobs {
            let Some(command) = job.failed.take() else {
                continue;
            };
            ensure!(
                Shell::is_named(self.shell.as_ref(), &job.shell),
                "--joblog {}: command {number} was run {}: use --retry-failed likewise",
                self.path.display(),
                match &job.shell[..] {
                    b"0" => "without --shell".to_owned(),
                    b"1" | b"" => "with --shell".to_owned(),
                    program => format!("with --shell={}", text::on_one_line(program)),
                },
            );
            lines[*number as usize - 1] = command;
        }
        Ok(lines)
    }
}
