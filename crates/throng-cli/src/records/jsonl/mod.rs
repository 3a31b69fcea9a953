//! One JSON object a line for each outcome. The names of the fields are part of the program's
//! interface.

mod escapes;
mod quoted;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Serializer;
use throng::{Holder, Outcome, Stream, Verdict};

use self::escapes::Harmless;
use self::quoted::{Form, Quoted};
use crate::records::job_info::JobInfo;
use crate::sys;

/// The beginning of every line.
pub(crate) const BEGIN: &str = "{\"seq\":";

#[derive(Serialize)]
struct Line<'a> {
    /// From 1, as `{#}`.
    seq: u64,
    argv: Vec<Text<'a>>,
    /// `succeeded`, `failed`, `ended` or `unfinished`: as the program counts it.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_error: Option<String>,
    #[serde(flatten)]
    stdout: Out<'a>,
    #[serde(flatten)]
    stderr: Err<'a>,
    stdout_verdict: &'static str,
    stderr_verdict: &'static str,
    /// Why a verdict is `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_error: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    stdout_dropped_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    stderr_dropped_bytes: u64,
    holders: Vec<HolderLine<'a>>,
    /// Processes that were killed with the command and did not end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    survivors: Vec<SurvivorLine<'a>>,
    /// RFC 3339.
    start: String,
    wall_s: f64,
    user_s: f64,
    system_s: f64,
    max_rss_bytes: Option<u64>,
    start_latency_s: f64,
    #[serde(skip_serializing_if = "is_zero")]
    start_retries: u64,
    #[serde(skip_serializing_if = "is_zero")]
    read_retries: u64,
    /// False if ending the process would not have ended the processes that it started.
    #[serde(skip_serializing_if = "is_true")]
    contained: bool,
    timed_out: bool,
    attempt: u32,
}

/// Text, or bytes in base64.
#[derive(Serialize)]
#[serde(untagged)]
enum Text<'a> {
    Utf8(&'a str),
    Bytes { base64: String },
}

#[derive(Serialize)]
enum Out<'a> {
    #[serde(rename = "stdout")]
    Utf8(Quoted<'a>),
    #[serde(rename = "stdout_base64")]
    Base64(Quoted<'a>),
}

#[derive(Serialize)]
enum Err<'a> {
    #[serde(rename = "stderr")]
    Utf8(Quoted<'a>),
    #[serde(rename = "stderr_base64")]
    Base64(Quoted<'a>),
}

#[derive(Serialize)]
struct HolderLine<'a> {
    pid: u32,
    argv: Vec<Text<'a>>,
    /// RFC 3339, if the system reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    streams: Vec<&'static str>,
}

#[derive(Serialize)]
struct SurvivorLine<'a> {
    pid: u32,
    argv: Vec<Text<'a>>,
}

/// Writes the line of an outcome, in pieces where it is long.
pub(crate) fn write(mut out: impl Write, outcome: &Outcome, info: &JobInfo) -> io::Result<()> {
    let command = outcome.command();
    let usage = outcome.usage();
    let [stdout, stderr] = Stream::ALL.map(|stream| Quoted::new(outcome.capture(), stream));
    let line = Line {
        seq: info.number,
        argv: sys::argv(command).into_iter().map(text).collect(),
        result: info.fate.name(),
        exit_code: outcome.status().and_then(|status| status.code()),
        signal: outcome.status().and_then(|status| status.signal()),
        start_error: outcome.start_error().map(ToString::to_string),
        stdout: match stdout.form() {
            Form::Text => Out::Utf8(stdout),
            Form::Base64 => Out::Base64(stdout),
        },
        stderr: match stderr.form() {
            Form::Text => Err::Utf8(stderr),
            Form::Base64 => Err::Base64(stderr),
        },
        stdout_verdict: outcome.verdict(Stream::Stdout).name(),
        stderr_verdict: outcome.verdict(Stream::Stderr).name(),
        stdout_error: error(outcome.verdict(Stream::Stdout)),
        stderr_error: error(outcome.verdict(Stream::Stderr)),
        stdout_dropped_bytes: outcome.capture().dropped_bytes(Stream::Stdout),
        stderr_dropped_bytes: outcome.capture().dropped_bytes(Stream::Stderr),
        holders: holders(outcome),
        survivors: survivors(outcome),
        start: timestamp(outcome.started_at()),
        wall_s: outcome.wall().as_secs_f64(),
        user_s: usage.user.as_secs_f64(),
        system_s: usage.system.as_secs_f64(),
        max_rss_bytes: usage.max_rss_bytes,
        start_latency_s: outcome.start_latency().as_secs_f64(),
        start_retries: outcome.start_retries().into(),
        read_retries: outcome.read_retries().into(),
        contained: outcome.is_contained(),
        timed_out: outcome.timed_out(),
        attempt: outcome.attempt(),
    };
    line.serialize(&mut Serializer::with_formatter(&mut out, Harmless))?;
    out.write_all(b"\n")
}

fn text(string: &OsStr) -> Text<'_> {
    match string.to_str() {
        Some(text) => Text::Utf8(text),
        None => Text::Bytes {
            base64: STANDARD.encode(string.as_encoded_bytes()),
        },
    }
}

fn error(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Failed(error) => Some(error.to_string()),
        _ => None,
    }
}

/// Each holder once, with the streams that it holds.
fn holders(outcome: &Outcome) -> Vec<HolderLine<'_>> {
    let mut lines: Vec<HolderLine<'_>> = Vec::new();
    for (stream, name) in [(Stream::Stdout, "stdout"), (Stream::Stderr, "stderr")] {
        let Verdict::Held { holders } = outcome.verdict(stream) else {
            continue;
        };
        for holder in holders {
            let Holder {
                pid, argv, started, ..
            } = holder;
            match lines.iter_mut().find(|line| line.pid == *pid) {
                Some(line) => line.streams.push(name),
                None => lines.push(HolderLine {
                    pid: *pid,
                    argv: argv.iter().map(|arg| text(arg)).collect(),
                    started: started.map(timestamp),
                    streams: vec![name],
                }),
            }
        }
    }
    lines
}

fn survivors(outcome: &Outcome) -> Vec<SurvivorLine<'_>> {
    let survivors = outcome.survivors().iter();
    survivors
        .map(|Holder { pid, argv, .. }| SurvivorLine {
            pid: *pid,
            argv: argv.iter().map(|arg| text(arg)).collect(),
        })
        .collect()
}

fn timestamp(time: SystemTime) -> String {
    // A clock that is set before year -9999 is no reason to fail.
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |t| t.to_string())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_true(is_so: &bool) -> bool {
    *is_so
}
