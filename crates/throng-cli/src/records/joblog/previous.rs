//! The job log of an earlier run. It is read as a whole before anything starts.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail};

use super::line::{self, Columns};
use crate::{sys, terminal, text};

/// An earlier run, according to its log.
#[derive(Debug)]
pub(crate) struct PreviousLog {
    pub(super) columns: Columns,
    pub(crate) jobs: HashMap<u64, Job>,
    /// A last line that was cut short.
    pub(super) truncated: Option<TruncatedLine>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct TruncatedLine {
    /// The position in the file where it begins.
    pub(super) at_byte: u64,
    pub(super) text: Vec<u8>,
}

/// A command that has been run.
#[derive(Debug)]
pub(crate) struct Job {
    /// Whether it has succeeded at least once.
    pub(crate) succeeded: bool,
    /// A hash of the command, to compare it with.
    pub(crate) fingerprint: u64,
    /// The command itself, if it failed and is to be run again.
    pub(crate) failed: Option<Vec<u8>>,
    /// The shell that it is a script for, as in the log.
    pub(crate) shell: Vec<u8>,
}

pub(crate) fn fingerprint(command: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    command.hash(&mut hasher);
    hasher.finish()
}

impl PreviousLog {
    /// Reads a log; none if the file is missing or empty. `again` is the option that relies on its
    /// content, if one does: then no other user may have written it.
    pub(crate) fn read(
        path: &Path,
        keeps_failed: bool,
        again: Option<&str>,
    ) -> anyhow::Result<Option<PreviousLog>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file,
        };
        let read = |file: File| {
            let why = match again {
                Some(option) => sys::foreign(&file.metadata()?).map(|why| (option, why)),
                None => None,
            };
            if let Some((option, why)) = why {
                bail!("{why}, and {option} would go by it (--trust-joblog insists)");
            }
            read_from(BufReader::new(file), keeps_failed)
        };
        let log = file.map_err(anyhow::Error::from).and_then(read);
        log.with_context(|| format!("--joblog {}", path.display()))
    }

    /// The command with this number. Reads the log again, since most commands are not kept.
    pub(crate) fn command(path: &Path, number: u64) -> Option<Vec<u8>> {
        let mut lines = BufReader::new(File::open(path).ok()?).split(b'\n');
        let columns = Columns::of_header(&[&lines.next()?.ok()?[..], b"\n"].concat())?;
        let parsed = lines
            .map_while(Result::ok)
            .map(|line| line::parse(&line, columns));
        let mut jobs = parsed.map_while(|job| job);
        jobs.find(|job| job.number == number).map(|job| job.command)
    }

    /// How much of the log is kept. Warns about a truncated last line, which is dropped.
    pub(super) fn repair(&self, file: &File, path: &Path) -> io::Result<u64> {
        let Some(truncated) = &self.truncated else {
            return Ok(file.metadata()?.len());
        };
        terminal::warn(format_args!(
            "--joblog {}: the last line was cut short and is dropped: {}",
            path.display(),
            text::quoted(&truncated.text)
        ));
        Ok(truncated.at_byte)
    }

    fn add(&mut self, entry: line::Entry, keeps_failed: bool) {
        let job = Job {
            succeeded: entry.succeeded,
            fingerprint: fingerprint(&entry.command),
            failed: (keeps_failed && !entry.succeeded).then_some(entry.command),
            shell: entry.shell,
        };
        let before = self.jobs.get(&entry.number);
        if before.is_none_or(|before| !before.succeeded) {
            self.jobs.insert(entry.number, job);
        }
    }
}

fn read_from(mut input: impl BufRead, keeps_failed: bool) -> anyhow::Result<Option<PreviousLog>> {
    let mut line = Vec::new();
    let mut at_byte = input.read_until(b'\n', &mut line)? as u64;
    if line.is_empty() {
        return Ok(None);
    }
    let is_truncated_header = |columns: Columns| columns.header().as_bytes().starts_with(&line);
    let Some(columns) = Columns::of_header(&line) else {
        if [Columns::Parallel, Columns::Throng]
            .into_iter()
            .any(is_truncated_header)
        {
            return Ok(None);
        }
        bail!(
            "no job log: it begins with {}",
            text::quoted(line.trim_ascii_end())
        );
    };
    let mut log = PreviousLog {
        columns,
        jobs: HashMap::new(),
        truncated: None,
    };
    for number in 2_u64.. {
        line.clear();
        let length = input.read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            log.truncated = Some(TruncatedLine {
                at_byte,
                text: line,
            });
            break;
        }
        let Some(job) = line::parse(&line, columns) else {
            bail!(
                "line {number} is none of a job log: {}",
                text::quoted(&line)
            );
        };
        // A command that is run again was run before, so it can be read.
        let is_to_run = keeps_failed && !job.succeeded;
        if job.command.is_empty() || (is_to_run && text::is_blank(&job.command)) {
            bail!("line {number} has no command: {}", text::quoted(&line));
        }
        if is_to_run && job.shell == b"0" {
            sys::split(&job.command).with_context(|| {
                let command = text::quoted(&job.command);
                format!("line {number}: cannot read the command line {command}")
            })?;
        }
        log.add(job, keeps_failed);
        at_byte += length as u64;
    }
    Ok(Some(log))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "1\t:\t1.000\t     2.000\t0\t5\t0\t0\techo a\n";
    const SECOND: &str = "2\t:\t1.000\t     2.000\t0\t5\t3\t0\techo b\n";

    /// The line of a command that has failed, with throng's columns.
    fn ours(command: &str) -> String {
        let line = SECOND.replace("echo b", command);
        line.replace('\n', "\t0.1\t0.2\t-\t0.3\tcomplete\theld\t0\t1\t0\n")
    }

    fn read(text: &str) -> anyhow::Result<Option<PreviousLog>> {
        read_from(text.as_bytes(), true)
    }

    #[test]
    fn a_success_outweighs_failures_and_failures_keep_their_command() {
        let again = SECOND.replace("\t3\t0", "\t0\t0");
        let log = Columns::Parallel.header() + FIRST + SECOND;
        let previous = read(&log).unwrap().unwrap();
        assert!(previous.jobs[&1].succeeded && previous.jobs[&1].failed.is_none());
        assert_eq!(previous.jobs[&2].failed.as_deref(), Some(&b"echo b"[..]));
        for log in [log.clone() + &again, log + &again + SECOND] {
            assert!(read(&log).unwrap().unwrap().jobs[&2].succeeded);
        }
    }

    #[test]
    fn a_truncated_last_line_is_detected_wherever_it_was_cut() {
        let whole = Columns::Parallel.header() + FIRST;
        for cut in 1..SECOND.len() {
            let log = read(&(whole.clone() + &SECOND[..cut])).unwrap().unwrap();
            let truncated = log.truncated.unwrap();
            assert_eq!(
                (truncated.at_byte, truncated.text.len()),
                (whole.len() as u64, cut)
            );
            assert_eq!(log.jobs.len(), 1);
        }
        for cut in 0..Columns::Throng.header().len() {
            assert!(read(&Columns::Throng.header()[..cut]).unwrap().is_none());
        }
    }

    #[test]
    fn a_file_that_is_not_a_log_is_refused_with_the_reason() {
        for (text, named) in [
            ("#!/bin/sh\n", "\"#!/bin/sh\""),
            ("precious", "\"precious\""),
            (&(Columns::Parallel.header() + "x\n" + FIRST), "line 2"),
            (
                &(Columns::Parallel.header() + FIRST + &SECOND.replace("echo b", "")),
                "line 3 has no command",
            ),
            (
                &(Columns::Throng.header() + &ours("echo a") + &ours(" ")),
                "line 3 has no command",
            ),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
        // Where a quotation mark alone is invalid.
        if sys::split(b"echo 'b").is_err() {
            let text = Columns::Throng.header() + &ours("echo a") + &ours("echo 'b");
            let error = format!("{:#}", read(&text).unwrap_err());
            let named = "line 3: cannot read the command line \"echo 'b\"";
            assert!(error.contains(named), "{error}");
        }
    }
}
