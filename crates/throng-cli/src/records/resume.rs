//! `--resume` and its relatives: which commands an earlier run has done. They are identified by
//! their number in its log, or by their values in its results.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{bail, ensure};
use throng::Command;

use super::job_info::JobInfo;
use super::joblog::{Job, PreviousLog, fingerprint, logged, shown};
use super::results::Tree;
use crate::options::output::Again;
use crate::shell::Shell;
use crate::size::{counted, with_commas};
use crate::text;

/// How much of two different commands is shown, from shortly before the first difference.
const SHOWN_MAX: usize = 100;
const SAME_SHOWN: usize = 20;

/// What has been done, and which of it is to be done again.
#[derive(Debug)]
pub(crate) struct Resume {
    again: Again,
    shell: Option<Shell>,
    jobs: HashMap<u64, Job>,
    path: PathBuf,
    /// Whether commands are compared with those of the log.
    compares: bool,
    tree: Option<Tree>,
    /// Whether records that others could have written are trusted.
    trusts: bool,
}

impl Resume {
    pub(super) fn new(again: Again, shell: Option<Shell>, trusts: bool) -> Resume {
        Resume {
            again,
            shell,
            jobs: HashMap::new(),
            path: PathBuf::new(),
            compares: false,
            tree: None,
            trusts,
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

    /// Whether all that is left out is known when the last command of the log has been made.
    pub(crate) fn goes_by_log_alone(&self) -> bool {
        self.tree.is_none()
    }

    /// The message about a resumed run: how many commands are left out, and how many are still to
    /// run, if that is known.
    pub(crate) fn told(&self, left_out: u64, to_run: Option<u64>) -> Option<String> {
        let option = self.again.option();
        if self.again == Again::Failed {
            let count = to_run.unwrap_or(0);
            return Some(format!(
                "{option}: {} failed, to run again",
                counted(count, "command")
            ));
        }
        if left_out == 0 {
            return None;
        }
        let rest = to_run.map_or_else(String::new, |n| format!(", {} to run", with_commas(n)));
        Some(format!(
            "{option}: {} already done{rest}",
            counted(left_out, "command")
        ))
    }

    /// The number of the last command that has been run.
    pub(crate) fn last(&self) -> u64 {
        self.jobs.keys().copied().max().unwrap_or(0)
    }

    /// Whether this command is to be run. Fails if it differs from that in the log, which is of
    /// another run then.
    pub(crate) fn wants(&self, command: &Command, info: &JobInfo) -> anyhow::Result<bool> {
        let number = info.number;
        let wants = match self.jobs.get(&number) {
            None => self.again != Again::Failed,
            Some(job) => {
                self.compare(number, command, job)?;
                self.again != Again::Unrun && !job.succeeded
            }
        };
        Ok(match &self.tree {
            Some(tree) if wants => {
                let goes_by_it = (!self.trusts).then(|| self.again.option());
                !tree.has(info, goes_by_it)?
            }
            _ => wants,
        })
    }

    fn compare(&self, number: u64, command: &Command, job: &Job) -> anyhow::Result<()> {
        if !self.compares {
            return Ok(());
        }
        let has_shell = self.shell.is_some();
        let is_same = logged(command, has_shell).is_some_and(|line| {
            fingerprint(&line) == job.fingerprint
                && Shell::is_named(self.shell.as_ref(), &job.shell)
        });
        if is_same {
            return Ok(());
        }
        let ours = shown(command, has_shell);
        let theirs = PreviousLog::command(&self.path, number).unwrap_or_default();
        let (ours, theirs) = differing(&ours, &theirs);
        let shell = match (&job.shell[..], has_shell) {
            (b"0", true) => ", without a shell",
            (b"0", false) => "",
            (_, false) => ", for the shell",
            _ => "",
        };
        bail!(
            "--joblog {}: not of this run: command {number} is {ours} here and {theirs} \
             there{shell} (--trust-joblog goes by the numbers alone)",
            self.path.display(),
        );
    }

    /// This run has this many commands. Fails if the log has more.
    pub(crate) fn ends_at(&self, count: u64) -> anyhow::Result<()> {
        if self.compares && count < self.last() {
            let are = if count == 1 { "is" } else { "are" };
            bail!(
                "--joblog {}: not of this run: it has a command {}, and there {are} {count} here \
                 (--trust-joblog goes by the numbers alone)",
                self.path.display(),
                self.last(),
            );
        }
        Ok(())
    }

    /// The commands that have failed, with their numbers, in order.
    pub(crate) fn failed(&mut self) -> anyhow::Result<Vec<(u64, Vec<u8>)>> {
        let mut lines = Vec::new();
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
            lines.push((*number, command));
        }
        lines.sort_unstable();
        Ok(lines)
    }
}

/// Two commands, shortened to where they differ.
fn differing(a: &[u8], b: &[u8]) -> (String, String) {
    let [a, b] = [a, b].map(|bytes| text::on_one_line(bytes).chars().collect::<Vec<char>>());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(SAME_SHOWN);
    let part = |chars: &[char]| {
        let before = if from > 0 { "..." } else { "" };
        let rest = &chars[from..];
        let after = if rest.len() > SHOWN_MAX { "..." } else { "" };
        let rest: String = rest.iter().take(SHOWN_MAX).collect();
        format!("\"{before}{rest}{after}\"")
    };
    (part(&a), part(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_commands_are_shown_where_they_differ() {
        let text = |a: &str, b: &str| differing(a.as_bytes(), b.as_bytes());
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            text(r"echo 'a b'", r"echo a\ b"),
            pair(r#""echo 'a b'""#, r#""echo a\ b""#)
        );
        let long = "x".repeat(200);
        assert_eq!(
            text(&format!("{long}1\n"), &format!("{long}2")),
            pair(
                &format!("\"...{}1\\n\"", "x".repeat(20)),
                &format!("\"...{}2\"", "x".repeat(20))
            )
        );
        let (cut, _) = text(&long, "");
        assert_eq!(cut, format!("\"{}...\"", "x".repeat(100)));
    }
}
