//! Runs one contestant once, in this process, with a clock, and checks every byte and exit code
//! after the clock has stopped.

use std::os::windows::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use super::system::Gate;
use anyhow::{Context, Result, bail};
use throng::os::windows::{BuilderExt, CommandExt, Console};
use throng::{Command, Outcome, Process, Throng};
use windows_sys::Win32::System::Threading::DETACHED_PROCESS;

use super::contestant::Kind;
use super::meter::{Clock, Meter};
use super::pattern::{PAGE_BYTES, Pattern};
use super::sample::Sample;
use super::scenario::{Scenario, Work};

/// How long processes may take until all are at the gate.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(240);

/// What is known of one process in the end, whoever ran it.
struct Ended<'a> {
    number: u64,
    /// Whoever cannot say whether a stream was read to its end says that it was.
    trouble: Option<String>,
    exit_code: Option<u32>,
    streams: [&'a [u8]; 2],
}

/// Runs it.
pub(crate) fn perform(kind: Kind, scenario: &Scenario) -> Result<Sample> {
    let program = std::env::current_exe().context("find this program")?;
    let meter = Arc::new(Meter::new(scenario.bytes_total()));
    let builder = match kind {
        Kind::StdOutput => return std_output(&program, scenario, &meter),
        Kind::Throng(mechanism) => Throng::builder().mechanism(mechanism),
        Kind::ThrongWithPackets(mechanism) => {
            Throng::builder().mechanism(mechanism).skip_packets(false)
        }
    };
    let sees = meter.clone();
    let builder = builder
        .jobs(scenario.jobs)
        .on_output(move |output| sees.add(output.bytes.len()));
    let gate = scenario.is_gated().then(ClosedGate::new).transpose()?;

    let mut clock = Clock::start()?;
    let throng = builder.build()?;
    let processes: Vec<Process> = (0..scenario.count)
        .map(|number| {
            let gate = gate.as_ref().map(|gate| gate.name.as_str());
            let task = scenario.task(number, gate);
            let mut command = Command::new(&program);
            command.args(task.to_arguments()).console(Console::None);
            throng.spawn(&command)
        })
        .collect();
    let mut sample = Sample::default();
    if let Some(gate) = &gate {
        gate.wait_for(scenario.count)?;
        if scenario.work == Work::Live {
            clock.stop(&mut sample)?;
        }
        meter.count_threads();
        if scenario.work == Work::Writers {
            clock = Clock::start()?;
        }
        gate.gate.open().context("open the gate")?;
    }
    let outcomes: Result<Vec<Outcome>, _> = processes.into_iter().map(Process::wait).collect();
    if scenario.work != Work::Live {
        clock.stop(&mut sample)?;
    }
    meter.read(&mut sample)?;
    for (number, outcome) in (0..).zip(&outcomes?) {
        sample.retries += u64::from(outcome.start_retries() + outcome.read_retries());
        check(scenario, &Ended::of(number, outcome), &mut sample);
    }
    Ok(sample)
}

/// A gate that nobody else has, and its name for the processes.
struct ClosedGate {
    name: String,
    gate: Gate,
}

impl ClosedGate {
    fn new() -> Result<ClosedGate> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let moment = since.unwrap_or_default().as_nanos();
        let name = format!("throng-bench-{}-{moment}", process::id());
        let gate = Gate::new(&name).context("make a gate")?;
        Ok(ClosedGate { name, gate })
    }

    fn wait_for(&self, count: u64) -> Result<()> {
        let arrived = self.gate.wait_for(count, ARRIVAL_LIMIT);
        let arrived = arrived.context("wait for the processes")?;
        if arrived < count {
            let seconds = ARRIVAL_LIMIT.as_secs();
            bail!("only {arrived} of {count} processes were live after {seconds} s");
        }
        Ok(())
    }
}

/// std's own way: a thread for each job, which takes the next number when it has an outcome.
fn std_output(program: &Path, scenario: &Scenario, meter: &Meter) -> Result<Sample> {
    let clock = Clock::start()?;
    let next = AtomicU64::new(0);
    let work = || {
        let mut outputs = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= scenario.count {
                return outputs;
            }
            let mut command = process::Command::new(PathBuf::from(program));
            command.args(scenario.task(number, None).to_arguments());
            let output = command.creation_flags(DETACHED_PROCESS).output();
            if let Ok(output) = &output {
                meter.add(output.stdout.len() + output.stderr.len());
            }
            outputs.push((number, output));
        }
    };
    let outputs: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..scenario.jobs).map(|_| scope.spawn(work)).collect();
        let ends = threads.into_iter().map(|thread| thread.join());
        ends.flat_map(|end| end.expect("it does not panic"))
            .collect()
    });
    let mut sample = Sample::default();
    clock.stop(&mut sample)?;
    meter.read(&mut sample)?;
    for (number, output) in &outputs {
        let ended = match output {
            Err(error) => Ended {
                number: *number,
                trouble: Some(format!("not started: {error}")),
                exit_code: None,
                streams: [&[], &[]],
            },
            Ok(output) => Ended {
                number: *number,
                trouble: None,
                exit_code: output.status.code().map(|code| code as u32),
                streams: [&output.stdout, &output.stderr],
            },
        };
        check(scenario, &ended, &mut sample);
    }
    Ok(sample)
}

impl<'a> Ended<'a> {
    fn of(number: u64, outcome: &'a Outcome) -> Ended<'a> {
        let streams = [throng::Stream::Stdout, throng::Stream::Stderr];
        let mut incomplete = streams
            .iter()
            .map(|&stream| (stream, outcome.verdict(stream)))
            .filter(|(_, verdict)| !verdict.is_complete());
        let trouble = match outcome.start_error() {
            Some(error) => Some(format!("not started: {error}")),
            None => incomplete
                .next()
                .map(|(stream, verdict)| format!("{stream:?}: {verdict}")),
        };
        Ended {
            number,
            trouble,
            exit_code: outcome.status().and_then(|status| status.code()),
            streams: [outcome.stdout(), outcome.stderr()],
        }
    }
}

/// Adds a process to the sample, as a bad one when anything is not as it must be.
fn check(scenario: &Scenario, ended: &Ended<'_>, sample: &mut Sample) {
    let number = ended.number;
    sample.bytes += ended.streams.iter().map(|s| s.len() as u64).sum::<u64>();
    if ended.exit_code.is_some() {
        sample.processes += 1;
    }
    let wrong = ended
        .trouble
        .clone()
        .or_else(|| wrong_output(scenario, ended));
    if let Some(what) = wrong {
        sample.add_bad(format!("process {number}: {what}"));
    }
}

fn wrong_output(scenario: &Scenario, ended: &Ended<'_>) -> Option<String> {
    let task = scenario.task(ended.number, None);
    if ended.exit_code != Some(u32::from(task.exit_code())) {
        // What it says then is why.
        let said = String::from_utf8_lossy(ended.streams[1]);
        let said = said.lines().last().unwrap_or_default();
        let (code, wanted) = (ended.exit_code, task.exit_code());
        return Some(format!("exit code {code:?} in place of {wanted}; {said}"));
    }
    let pages = [task.out_pages, task.err_pages];
    for (stream, found) in (0..).zip(ended.streams) {
        let name = ["stdout", "stderr"][stream as usize];
        if task.lines {
            if found != task.line(stream).as_bytes() {
                let found = String::from_utf8_lossy(found);
                return Some(format!("{name} is {found:?}"));
            }
            continue;
        }
        let length = pages[stream as usize] * PAGE_BYTES as u64;
        let mut pattern = Pattern::new(ended.number, stream);
        if let Some(at) = pattern.first_difference(length, found) {
            let bytes = found.len();
            return Some(format!(
                "{name} is wrong from byte {at} on, {bytes} of {length} came"
            ));
        }
    }
    None
}
