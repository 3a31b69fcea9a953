//! `--summary`: a report about a run at its end. It takes the same memory for ten commands as for
//! ten million.

mod report;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use throng::{Outcome, Stream, Verdict};

use crate::fate::Fate;
use crate::histogram::Histogram;
use crate::records::job_info::JobInfo;
use crate::{sys, text};

/// How many failures are listed, and how many of the slowest commands.
const FAILURES_MAX: usize = 10;
const SLOWEST_MAX: usize = 5;
/// How much of the end of a stream is searched for its last line.
const TAIL_MAX: u64 = 4096;

#[derive(Debug)]
pub(crate) struct Summary {
    begin: Instant,
    /// Whether commands are scripts, which are shown instead of their words.
    shell: bool,
    succeeded: u64,
    failed: u64,
    timed_out: u64,
    start_errors: u64,
    ended: u64,
    unfinished: u64,
    not_started: u64,
    held: u64,
    capped: u64,
    dropped_bytes: u64,
    /// Commands that were tried more than once, and starts that had to wait for something.
    retried: u64,
    start_retries: u64,
    wall: Histogram,
    cpu: Histogram,
    max_rss: Histogram,
    start_latency: Histogram,
    failures: Vec<Failure>,
    slowest: BinaryHeap<Reverse<(Duration, u64, Vec<u8>)>>,
}

#[derive(Debug)]
struct Failure {
    number: u64,
    name: Vec<u8>,
    how: String,
    last_line: String,
}

impl Summary {
    pub(crate) fn new(shell: bool) -> Summary {
        Summary {
            begin: Instant::now(),
            shell,
            succeeded: 0,
            failed: 0,
            timed_out: 0,
            start_errors: 0,
            ended: 0,
            unfinished: 0,
            not_started: 0,
            held: 0,
            capped: 0,
            dropped_bytes: 0,
            retried: 0,
            start_retries: 0,
            wall: Histogram::default(),
            cpu: Histogram::default(),
            max_rss: Histogram::default(),
            start_latency: Histogram::default(),
            failures: Vec::new(),
            slowest: BinaryHeap::new(),
        }
    }

    pub(crate) fn add(&mut self, outcome: &Outcome, info: &JobInfo) {
        match info.fate {
            Fate::Succeeded => self.succeeded += 1,
            Fate::Failed => self.add_failure(outcome, info),
            Fate::Ended => self.ended += 1,
            Fate::Unfinished => self.unfinished += 1,
            Fate::NotStarted => {
                self.not_started += 1;
                return;
            }
        }
        self.retried += u64::from(outcome.attempt() > 1);
        self.start_retries += u64::from(outcome.start_retries());
        if outcome.start_error().is_some() {
            return;
        }
        self.add_streams(outcome);
        let usage = outcome.usage();
        self.wall.add(nanoseconds(outcome.wall()));
        self.cpu.add(nanoseconds(usage.user + usage.system));
        self.start_latency.add(nanoseconds(outcome.start_latency()));
        usage
            .max_rss_bytes
            .iter()
            .for_each(|bytes| self.max_rss.add(*bytes));
        self.add_to_slowest(outcome, info);
    }

    fn add_failure(&mut self, outcome: &Outcome, info: &JobInfo) {
        self.failed += 1;
        self.timed_out += u64::from(outcome.timed_out());
        self.start_errors += u64::from(outcome.start_error().is_some());
        if self.failures.len() == FAILURES_MAX {
            return;
        }
        let how = match (outcome.start_error(), outcome.status()) {
            (Some(error), _) => text::on_one_line(error.to_string().as_bytes()),
            (None, _) if outcome.timed_out() => "ran out of time".into(),
            (None, _) if crate::fate::fails_by_holders(outcome) => crate::fate::HELD_FAILS.into(),
            (None, Some(status)) => status.to_string(),
            (None, None) => String::new(),
        };
        self.failures.push(Failure {
            number: info.number,
            name: self.name(outcome),
            how,
            last_line: last_line(outcome),
        });
    }

    fn add_streams(&mut self, outcome: &Outcome) {
        let verdicts = Stream::ALL.map(|stream| outcome.verdict(stream));
        let any = |is: fn(&Verdict) -> bool| u64::from(verdicts.into_iter().any(is));
        self.held += any(|verdict| matches!(verdict, Verdict::Held { .. }));
        self.capped += any(|verdict| matches!(verdict, Verdict::Capped { .. }));
        let dropped = Stream::ALL.map(|stream| outcome.capture().dropped_bytes(stream));
        self.dropped_bytes += dropped.iter().sum::<u64>();
    }

    fn add_to_slowest(&mut self, outcome: &Outcome, info: &JobInfo) {
        let is_full = self.slowest.len() == SLOWEST_MAX;
        let least = self.slowest.peek();
        if is_full && least.is_some_and(|Reverse((wall, ..))| *wall >= outcome.wall()) {
            return;
        }
        let name = self.name(outcome);
        self.slowest
            .push(Reverse((outcome.wall(), info.number, name)));
        if is_full {
            self.slowest.pop();
        }
    }

    fn name(&self, outcome: &Outcome) -> Vec<u8> {
        if self.shell {
            sys::script(outcome.command())
        } else {
            sys::name(outcome.command())
        }
    }
}

/// The last line of stderr that is not blank, as far as it is kept.
fn last_line(outcome: &Outcome) -> String {
    let length = outcome.capture().len(Stream::Stderr);
    let mut reader = outcome.capture().reader(Stream::Stderr);
    let mut tail = Vec::new();
    // An error is reported where the output is written.
    let read = reader
        .seek(SeekFrom::Start(length.saturating_sub(TAIL_MAX)))
        .and_then(|_| reader.read_to_end(&mut tail));
    let lines = tail.rsplit(|byte| *byte == b'\n');
    let last = lines.map(<[u8]>::trim_ascii).find(|line| !line.is_empty());
    match (read, last) {
        (Ok(_), Some(line)) => text::on_one_line(line),
        _ => String::new(),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
