//! Runs one contestant once, in a process of its own, and judges its sample.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::contestant::{Contestant, Kind};
use crate::fixtures::Fixtures;
use crate::lookup::Lookup;
use crate::scenario::Scenario;
use crate::sys;
use crate::task::{Sample, Task};

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What all trials of a run have in common.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) fixtures: Fixtures,
    pub(crate) lookup: Lookup,
    pub(crate) jobs: usize,
    pub(crate) timeout: Duration,
    /// Set by Ctrl-C and its like.
    pub(crate) interrupted: Arc<AtomicBool>,
}

/// One contestant's turn.
#[derive(Debug)]
pub(crate) struct Trial<'a> {
    pub(crate) contestant: &'a Contestant,
    pub(crate) scenario: &'a Scenario,
    pub(crate) ballast_bytes: u64,
}

impl Trial<'_> {
    /// The sample, or why it does not count. `Err` when the bench itself fails or is interrupted.
    pub(crate) fn run(self, setup: &Setup) -> Result<Result<Sample, String>> {
        let others = Others::watch()?;
        let ended = run_to_end(&self.contestant.name, &self.task(setup)?, setup);
        let leftovers = sys::end_leftovers()?;
        let mut sample = match ended? {
            Err(why) => return Ok(Err(why)),
            Ok(sample) => sample,
        };
        sample.others_share = others.share()?;
        if leftovers > 0 {
            return Ok(Err(format!("processes left behind: {leftovers}")));
        }
        Ok(judge(self.contestant, self.scenario, &sample).map(|()| sample))
    }

    fn task(&self, setup: &Setup) -> Result<Task> {
        let (fixtures, count) = (&setup.fixtures, self.scenario.count);
        let is_tool = matches!(self.contestant.kind, Kind::Tool(_));
        let tool = if self.contestant.is_floor() {
            fixtures.programs.floor().map(Into::into)
        } else {
            self.contestant.tool_path(&setup.lookup)
        };
        let numbers = is_tool.then(|| fixtures.numbers(count)).transpose()?;
        Ok(Task {
            count,
            jobs: self.scenario.jobs(setup.jobs),
            ballast_bytes: self.ballast_bytes,
            tool,
            numbers,
            argv: fixtures.programs.argv(self.scenario.child),
        })
    }
}

/// What other programs take from the machine while a contestant runs.
struct Others {
    start: Instant,
    machine_before_s: Option<f64>,
    own_before_s: f64,
}

impl Others {
    fn watch() -> Result<Others> {
        let (machine_before_s, own_before_s) = (sys::machine_cpu_s()?, sys::cpu_s()?);
        Ok(Others {
            start: Instant::now(),
            machine_before_s,
            own_before_s,
        })
    }

    /// All that we have started has been waited for by now, and so counts as our own. `None` where
    /// the system does not count it so.
    fn share(&self) -> Result<Option<f64>> {
        let (Some(before_s), Some(now_s)) = (self.machine_before_s, sys::machine_cpu_s()?) else {
            return Ok(None);
        };
        let own_s = sys::cpu_s()? - self.own_before_s;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let all_s = self.start.elapsed().as_secs_f64() * cores as f64;
        Ok(Some(((now_s - before_s - own_s) / all_s).clamp(0.0, 1.0)))
    }
}

fn run_to_end(name: &str, task: &Task, setup: &Setup) -> Result<Result<Sample, String>> {
    let mut stderr = tempfile::tempfile().context("make a file for a contestant's stderr")?;
    let mut command = Command::new(std::env::current_exe().context("find this program")?);
    command.args(["contestant", name]).args(task.to_arguments());
    // What a contestant that is killed leaves there goes away with us.
    command.env("TMPDIR", setup.fixtures.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(stderr.try_clone().context("share that file")?);
    let mut child = command
        .spawn()
        .with_context(|| format!("start contestant {name}"))?;
    let Some(status) = wait(&mut child, setup)? else {
        let seconds = setup.timeout.as_secs_f64();
        return Ok(Err(format!("had not ended after {seconds} s")));
    };
    if !status.success() {
        return Ok(Err(
            last_line(&mut stderr).unwrap_or_else(|| status.to_string())
        ));
    }
    let mut stdout = String::new();
    let mut pipe = child.stdout.take().expect("it was asked for above");
    pipe.read_to_string(&mut stdout)
        .context("read a contestant's sample")?;
    let sample = serde_json::from_str(&stdout);
    sample
        .map(Ok)
        .with_context(|| format!("the sample of {name} is not readable: {stdout:?}"))
}

/// `None` when its time is over; then it, but not yet what it has started, has been killed.
fn wait(child: &mut Child, setup: &Setup) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("wait for a contestant")? {
            return Ok(Some(status));
        }
        let interrupted = setup.interrupted.load(Ordering::Relaxed);
        if interrupted || start.elapsed() > setup.timeout {
            child.kill().context("kill a contestant")?;
            child.wait().context("wait for a contestant")?;
            if interrupted {
                bail!("interrupted");
            }
            return Ok(None);
        }
        thread::sleep(LOOK_AGAIN);
    }
}

fn last_line(file: &mut File) -> Option<String> {
    let mut text = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut text))
        .ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    Some(line.trim_start_matches("throng-bench: ").to_owned())
}

/// Whether the contestant did all that it was asked for.
fn judge(contestant: &Contestant, scenario: &Scenario, sample: &Sample) -> Result<(), String> {
    if let Some(live) = &sample.all_live
        && live.live < scenario.count
    {
        return Err(format!(
            "only {} of {} live at once",
            live.live, scenario.count
        ));
    }
    let Some(tally) = &sample.tally else {
        return Ok(());
    };
    if tally.bad > 0 {
        let first = tally
            .first_bad
            .as_deref()
            .unwrap_or("it does not report how");
        return Err(format!(
            "{} of {} went wrong, first: {first}",
            tally.bad, scenario.count
        ));
    }
    if tally.started != scenario.count {
        return Err(format!("started {} of {}", tally.started, scenario.count));
    }
    let expected = scenario.bytes_total();
    if contestant.counts_bytes() && tally.bytes != expected {
        return Err(format!(
            "LOST OUTPUT: captured {} of {expected} bytes",
            tally.bytes
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{AllLive, Tally};

    fn sample(started: u64, bytes: u64, bad: u64) -> Sample {
        let tally = Some(Tally {
            started,
            bytes,
            bad,
            first_bad: None,
        });
        Sample {
            tally,
            wall_s: 1.0,
            cpu_s: 1.0,
            peak_rss_bytes: None,
            all_live: None,
            others_share: None,
        }
    }

    #[test]
    fn lost_or_failed_processes_do_not_count() {
        let scenario = &Scenario::all(0.001)[0];
        assert_eq!((scenario.count, scenario.bytes_total()), (10, 380));
        let [tokio, floor] = ["tokio", "floor"].map(|name| Contestant::named(name).expect(name));
        let judge_tokio = |sample| judge(&tokio, scenario, &sample);
        assert_eq!(judge_tokio(sample(10, 380, 0)), Ok(()));
        let lost = judge_tokio(sample(10, 379, 0)).expect_err("a byte is missing");
        assert_eq!(lost, "LOST OUTPUT: captured 379 of 380 bytes");
        assert!(judge_tokio(sample(9, 380, 0)).is_err());
        assert!(judge_tokio(sample(10, 380, 1)).is_err());
        assert_eq!(judge(&floor, scenario, &sample(10, 0, 0)), Ok(()));
    }

    #[test]
    fn processes_that_were_never_all_live_do_not_count() {
        let scenario = &Scenario::all(0.01)[2];
        let xe = Contestant::named("xe").expect("it takes part");
        let live = AllLive {
            live: 9,
            after_s: 1.0,
            threads: 1,
            rss_bytes: 1,
            rss_before_bytes: None,
        };
        let sample = Sample {
            tally: None,
            all_live: Some(live),
            ..sample(0, 0, 0)
        };
        let why = judge(&xe, scenario, &sample).expect_err("one is missing");
        assert_eq!(why, "only 9 of 10 live at once");
    }
}
