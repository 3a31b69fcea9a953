//! Contestants that are programs of their own: the floor, throng's program and the rivals that
//! read numbers from stdin. Their stdout and stderr go to /dev/null, so nothing but their exit
//! status tells whether all went well; only the floor prints a tally.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use tempfile::NamedTempFile;
use throng_tests::Gate;

use crate::gate::{Subject, Watch};
use crate::lookup::Tool;
use crate::sys::{self, Usage};
use crate::task::{AllLive, Sample, Tally, Task};

const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What the floor prints.
#[derive(Deserialize)]
struct FloorReport {
    started: u64,
    bytes: u64,
    bad: u64,
    wall_s: f64,
    cpu_s: f64,
}

/// What can be seen of a program from outside.
struct Seen {
    stdout: String,
    wall_s: f64,
    peak_rss_bytes: Option<u64>,
    all_live: Option<AllLive>,
}

/// The floor measures itself, so that its own start and its ballast do not count.
pub(super) fn floor(task: &Task, gate: Option<Gate>, pipes: bool) -> Result<Sample> {
    let mut command = command(task)?;
    command.args([task.count.to_string(), super::cores().to_string()]);
    command.args([u8::from(pipes).to_string(), task.ballast_bytes.to_string()]);
    command.args(&task.argv).stdout(Stdio::piped());
    let seen = watch(command, task, gate)?;
    let report: FloorReport =
        serde_json::from_str(&seen.stdout).context("the floor's report is not readable")?;
    let FloorReport {
        started,
        bytes,
        bad,
        wall_s,
        cpu_s,
    } = report;
    let first_bad = (bad > 0).then(|| "the floor does not report what".to_owned());
    Ok(Sample {
        tally: Some(Tally {
            started,
            bytes,
            bad,
            first_bad,
        }),
        wall_s,
        cpu_s,
        peak_rss_bytes: seen.peak_rss_bytes,
        all_live: seen.all_live,
        others_share: None,
    })
}

/// Programs are measured from before their start until they have ended: that is what their users
/// wait for.
pub(super) fn run(tool: Tool, task: &Task, gate: Option<Gate>) -> Result<Sample> {
    let mut command = command(task)?;
    let jobs = task.jobs.to_string();
    let log = NamedTempFile::new().context("a place for the log of the jobs")?;
    match tool {
        Tool::Throng => command.args(["run", "--no-config", "-j", &jobs]),
        Tool::ThrongRecording => {
            let recording = ["run", "--no-config", "--progress", "always", "--joblog"];
            command.args(recording).arg(log.path()).args(["-j", &jobs])
        }
        Tool::RustParallel | Tool::Parallel | Tool::Xe => command.arg(format!("-j{jobs}")),
        Tool::Xargs => command.args(["-P", &jobs, "-n1"]),
    };
    let numbers = task
        .numbers
        .as_ref()
        .context("this contestant needs --numbers")?;
    let numbers = File::open(numbers).context("open the numbers")?;
    command
        .args(&task.argv)
        .stdin(numbers)
        .stdout(Stdio::null());
    let cpu_before_s = sys::cpu_s()?;
    let seen = watch(command, task, gate)?;
    Ok(Sample {
        tally: None,
        wall_s: seen.wall_s,
        cpu_s: sys::cpu_s()? - cpu_before_s,
        peak_rss_bytes: seen.peak_rss_bytes,
        all_live: seen.all_live,
        others_share: None,
    })
}

fn command(task: &Task) -> Result<Command> {
    let path = task.tool.as_ref().context("this contestant needs --tool")?;
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// Runs the program to its end, and looks at it from time to time.
fn watch(mut command: Command, task: &Task, gate: Option<Gate>) -> Result<Seen> {
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    let pid = child.id();
    let watch = |gate| Watch::start(gate, Subject::Process(pid), task.count, start);
    let watch = gate.map(watch).transpose()?;
    let over = AtomicBool::new(false);
    let (ended, peak) = thread::scope(|scope| {
        let watcher = scope.spawn(|| peak_rss_bytes(pid, &over));
        let ended = wait(&mut child, start);
        over.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        (ended, watcher.join())
    });
    let (stdout, status, wall_s) = ended?;
    if !status.success() {
        bail!("the program ended with {status}");
    }
    let peak_rss_bytes = peak.map_err(|_| anyhow!("the watcher panicked"))?;
    let all_live = watch.map(Watch::finish).transpose()?;
    Ok(Seen {
        stdout,
        wall_s,
        peak_rss_bytes,
        all_live,
    })
}

fn wait(child: &mut Child, start: Instant) -> Result<(String, ExitStatus, f64)> {
    let mut stdout = String::new();
    if let Some(pipe) = &mut child.stdout {
        pipe.read_to_string(&mut stdout)
            .context("read what the program prints")?;
    }
    let status = child.wait().context("wait for the program")?;
    Ok((stdout, status, start.elapsed().as_secs_f64()))
}

/// The peak as it was when last looked at: it cannot be asked for afterwards.
fn peak_rss_bytes(pid: u32, over: &AtomicBool) -> Option<u64> {
    let mut peak = None;
    while !over.load(Ordering::Relaxed) {
        // One that has ended, and is not waited for yet, has no memory any more.
        if let Ok(usage) = Usage::of(pid) {
            peak = Some(usage.peak_rss_bytes);
        }
        thread::park_timeout(LOOK_AGAIN);
    }
    peak
}
