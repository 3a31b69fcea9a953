//! What a contestant is asked to do, what it has done, and how that travels between processes:
//! the task as command-line arguments, so that it can be repeated by hand, the sample as JSON.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Start `count` processes, at most `jobs` at once. Each is given its number as last argument.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// How many processes
    #[arg(long)]
    pub(crate) count: u64,
    /// How many at once
    #[arg(long)]
    pub(crate) jobs: usize,
    /// Memory to touch before the clock starts
    #[arg(long, default_value_t = 0)]
    pub(crate) ballast_bytes: u64,
    /// The program that contestants outside of this one run
    #[arg(long)]
    pub(crate) tool: Option<PathBuf>,
    /// The numbers of the processes, a line each, for contestants that read them
    #[arg(long)]
    pub(crate) numbers: Option<PathBuf>,
    /// What each process runs; the word `{gate}` makes it wait until all are live
    #[arg(required = true, last = true)]
    pub(crate) argv: Vec<OsString>,
}

impl Task {
    /// The arguments that parse to this task.
    pub(crate) fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            format!("--count={}", self.count).into(),
            format!("--jobs={}", self.jobs).into(),
            format!("--ballast-bytes={}", self.ballast_bytes).into(),
        ];
        let paths = [("--tool", &self.tool), ("--numbers", &self.numbers)];
        for (name, path) in paths {
            if let Some(path) = path {
                arguments.extend([name.into(), path.into()]);
            }
        }
        arguments.push("--".into());
        arguments.extend(self.argv.iter().cloned());
        arguments
    }

    pub(crate) fn program(&self) -> &OsString {
        &self.argv[0]
    }

    /// The arguments of process `number`.
    pub(crate) fn args(&self, number: u64) -> impl Iterator<Item = OsString> {
        self.argv[1..]
            .iter()
            .cloned()
            .chain([number.to_string().into()])
    }
}

/// The numbers of the processes that have not been taken yet.
#[derive(Debug)]
pub(crate) struct Numbers {
    next: AtomicU64,
    count: u64,
}

impl Numbers {
    pub(crate) fn new(task: &Task) -> Numbers {
        Numbers {
            next: AtomicU64::new(0),
            count: task.count,
        }
    }

    pub(crate) fn take(&self) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.count).then_some(number)
    }
}

/// What became of the processes, as far as the contestant can tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) started: u64,
    /// Captured, both streams together.
    pub(crate) bytes: u64,
    /// Not started, failed, or with an incomplete capture.
    pub(crate) bad: u64,
    /// What was wrong with the first bad one.
    pub(crate) first_bad: Option<String>,
}

impl Tally {
    /// Adds the result of one process.
    pub(crate) fn add(&mut self, result: std::io::Result<Output>) {
        match result {
            Err(error) => self.add_bad(format!("error: {error}")),
            Ok(output) => {
                self.started += 1;
                self.bytes += (output.stdout.len() + output.stderr.len()) as u64;
                if !output.status.success() {
                    self.add_bad(output.status.to_string());
                }
            }
        }
    }

    pub(crate) fn add_bad(&mut self, what: String) {
        self.bad += 1;
        self.first_bad.get_or_insert(what);
    }

    pub(crate) fn merge(&mut self, other: Tally) {
        self.started += other.started;
        self.bytes += other.bytes;
        self.bad += other.bad;
        self.first_bad = self.first_bad.take().or(other.first_bad);
    }
}

/// One contestant, measured once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// `None` for a program that tells nothing but its own exit status.
    pub(crate) tally: Option<Tally>,
    pub(crate) wall_s: f64,
    /// User and system, of the contestant and, on Linux, of the processes it has started.
    pub(crate) cpu_s: f64,
    /// Of the contestant's own process.
    pub(crate) peak_rss_bytes: Option<u64>,
    #[serde(rename = "full_house")]
    pub(crate) all_live: Option<AllLive>,
    /// How much of the machine's processors all others used meanwhile, of 1. The bench adds it.
    #[serde(default)]
    pub(crate) others_share: Option<f64>,
}

/// The moment at which as many processes as ever were live at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AllLive {
    pub(crate) live: u64,
    /// From the start of the contestant's work.
    pub(crate) after_s: f64,
    /// Of the contestant, its main thread included.
    pub(crate) threads: u64,
    pub(crate) rss_bytes: u64,
    /// Of the contestant before its work; `None` for a program that is not ours.
    pub(crate) rss_before_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Action, Arguments};

    #[test]
    fn a_task_survives_a_round_trip_through_arguments() {
        let task = Task {
            count: 7,
            jobs: 3,
            ballast_bytes: 1 << 30,
            tool: Some("a tool".into()),
            numbers: Some("numbers".into()),
            argv: vec!["child".into(), "--count".into(), String::new().into()],
        };
        let mut argv: Vec<OsString> = vec!["bench".into(), "contestant".into(), "tokio".into()];
        argv.extend(task.to_arguments());
        match Arguments::try_parse_from(argv)
            .expect("it was made for this")
            .action
        {
            Some(Action::Contestant { name, task: parsed }) => {
                assert_eq!((name.as_str(), parsed), ("tokio", task));
            }
            None => panic!("no contestant"),
        }
    }

    #[test]
    fn the_first_bad_process_is_remembered() {
        let mut all = Tally::default();
        let mut part = Tally {
            started: 2,
            bytes: 10,
            ..Tally::default()
        };
        part.add_bad("first".into());
        all.merge(part.clone());
        all.add_bad("second".into());
        all.merge(part);
        let first_bad = Some("first".into());
        assert_eq!(
            all,
            Tally {
                started: 4,
                bytes: 20,
                bad: 3,
                first_bad
            }
        );
    }

    #[test]
    fn each_number_is_taken_once() {
        let task = Task {
            count: 2,
            jobs: 1,
            ballast_bytes: 0,
            tool: None,
            numbers: None,
            argv: vec!["x".into()],
        };
        let numbers = Numbers::new(&task);
        let taken = [
            numbers.take(),
            numbers.take(),
            numbers.take(),
            numbers.take(),
        ];
        assert_eq!(taken, [Some(0), Some(1), None, None]);
    }
}
