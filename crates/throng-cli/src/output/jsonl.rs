//! One JSON object a line for each outcome. The names of the fields are part of the program's
//! interface.

use std::ffi::OsStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use throng::{Holder, Outcome, Stream, Verdict};

#[derive(Serialize)]
struct Line<'a> {
    /// From 1, as `{#}`.
    seq: u64,
    argv: Vec<Text<'a>>,
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
    #[serde(skip_serializing_if = "is_zero")]
    stdout_dropped_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    stderr_dropped_bytes: u64,
    holders: Vec<HolderLine<'a>>,
    /// RFC 3339.
    start: String,
    wall_s: f64,
    user_s: f64,
    system_s: f64,
    max_rss_bytes: Option<u64>,
    start_latency_s: f64,
    timed_out: bool,
    attempt: u32,
}

/// Text as it is, or else bytes in base64.
#[derive(Serialize)]
#[serde(untagged)]
enum Text<'a> {
    Utf8(&'a str),
    Bytes { base64: String },
}

#[derive(Serialize)]
enum Out<'a> {
    #[serde(rename = "stdout")]
    Utf8(&'a str),
    #[serde(rename = "stdout_base64")]
    Base64(String),
}

#[derive(Serialize)]
enum Err<'a> {
    #[serde(rename = "stderr")]
    Utf8(&'a str),
    #[serde(rename = "stderr_base64")]
    Base64(String),
}

#[derive(Serialize)]
struct HolderLine<'a> {
    pid: u32,
    argv: Vec<Text<'a>>,
    streams: Vec<&'static str>,
}

pub(super) fn line(outcome: &Outcome) -> Vec<u8> {
    let command = outcome.command();
    let argv = std::iter::once(command.get_program()).chain(command.get_args());
    let usage = outcome.usage();
    let line = Line {
        seq: outcome.seq() + 1,
        argv: argv.map(text).collect(),
        exit_code: outcome.status().and_then(|status| status.code()),
        signal: outcome.status().and_then(|status| status.signal()),
        start_error: outcome.start_error().map(ToString::to_string),
        stdout: match str::from_utf8(outcome.stdout()) {
            Ok(text) => Out::Utf8(text),
            Err(_) => Out::Base64(STANDARD.encode(outcome.stdout())),
        },
        stderr: match str::from_utf8(outcome.stderr()) {
            Ok(text) => Err::Utf8(text),
            Err(_) => Err::Base64(STANDARD.encode(outcome.stderr())),
        },
        stdout_verdict: outcome.verdict(Stream::Stdout).name(),
        stderr_verdict: outcome.verdict(Stream::Stderr).name(),
        stdout_dropped_bytes: outcome.capture().dropped_bytes(Stream::Stdout),
        stderr_dropped_bytes: outcome.capture().dropped_bytes(Stream::Stderr),
        holders: holders(outcome),
        start: timestamp(outcome),
        wall_s: outcome.wall().as_secs_f64(),
        user_s: usage.user.as_secs_f64(),
        system_s: usage.system.as_secs_f64(),
        max_rss_bytes: usage.max_rss_bytes,
        start_latency_s: outcome.start_latency().as_secs_f64(),
        timed_out: outcome.timed_out(),
        attempt: 1,
    };
    let mut bytes = serde_json::to_vec(&line).expect("all keys are strings");
    bytes.push(b'\n');
    bytes
}

fn text(string: &OsStr) -> Text<'_> {
    match string.to_str() {
        Some(text) => Text::Utf8(text),
        None => Text::Bytes {
            base64: STANDARD.encode(string.as_encoded_bytes()),
        },
    }
}

/// Each holder once, with the streams that it holds.
fn holders(outcome: &Outcome) -> Vec<HolderLine<'_>> {
    let mut lines: Vec<HolderLine<'_>> = Vec::new();
    for (stream, name) in [(Stream::Stdout, "stdout"), (Stream::Stderr, "stderr")] {
        let Verdict::Held { holders } = outcome.verdict(stream) else {
            continue;
        };
        for Holder { pid, argv, .. } in holders {
            match lines.iter_mut().find(|line| line.pid == *pid) {
                Some(line) => line.streams.push(name),
                None => lines.push(HolderLine {
                    pid: *pid,
                    argv: argv.iter().map(|arg| text(arg)).collect(),
                    streams: vec![name],
                }),
            }
        }
    }
    lines
}

fn timestamp(outcome: &Outcome) -> String {
    // A clock that is set before year -9999 is not worth a failure.
    jiff::Timestamp::try_from(outcome.started_at())
        .map_or_else(|_| String::new(), |t| t.to_string())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_zero(n: &u64) -> bool {
    *n == 0
}
