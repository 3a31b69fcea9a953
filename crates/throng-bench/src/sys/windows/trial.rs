//! Runs one contestant once, in a process of its own, and judges what it says.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::arguments::Sizes;
use super::contestant::Contestant;
use super::sample::Sample;
use super::scenario::Scenario;

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What all trials of a run have in common.
#[derive(Debug)]
pub(crate) struct Course {
    program: PathBuf,
    sizes: Sizes,
    limit: Duration,
}

impl Course {
    pub(crate) fn new(sizes: &Sizes, limit: Duration) -> Result<Course> {
        Ok(Course {
            program: std::env::current_exe().context("find this program")?,
            sizes: sizes.clone(),
            limit,
        })
    }

    /// The sample, or why it does not count. `Err` when the bench itself fails.
    pub(crate) fn run(
        &self,
        contestant: &Contestant,
        scenario: &Scenario,
    ) -> Result<Result<Sample, String>> {
        let mut command = Command::new(&self.program);
        command.args(["contestant", &contestant.name, scenario.name]);
        command.args(self.sizes.to_arguments());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        let child = command.spawn();
        let mut child = child.with_context(|| format!("start contestant {}", contestant.name))?;
        let Some(status) = self.wait(&mut child)? else {
            let seconds = self.limit.as_secs();
            return Ok(Err(format!("had not ended after {seconds} s")));
        };
        let (stdout, stderr) = (read(child.stdout)?, read(child.stderr)?);
        if !status.success() {
            return Ok(Err(last_line(&stderr).unwrap_or_else(|| status.to_string())));
        }
        let sample: Sample = serde_json::from_str(&stdout)
            .with_context(|| format!("the sample is not readable: {stdout:?}"))?;
        let verdict = sample.judge(scenario.count, scenario.bytes_total());
        Ok(verdict.map(|()| sample))
    }

    /// `None` when its time is over; then it has been killed, and with it, by their job objects,
    /// what throng has started. What std has started ends by itself.
    fn wait(&self, child: &mut Child) -> Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().context("wait for a contestant")? {
                return Ok(Some(status));
            }
            if start.elapsed() > self.limit {
                child.kill().context("kill a contestant")?;
                child.wait().context("wait for a contestant")?;
                return Ok(None);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// What an ended contestant has left in a pipe. It is little, or the contestant would not have
/// ended.
fn read(stream: Option<impl Read>) -> Result<String> {
    let mut bytes = Vec::new();
    let mut stream = stream.expect("it was asked for at the start");
    stream
        .read_to_end(&mut bytes)
        .context("read what a contestant said")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    Some(line.trim_start_matches("throng-bench: ").to_owned())
}
