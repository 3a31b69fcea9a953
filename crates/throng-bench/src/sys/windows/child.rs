//! The process that is captured: writes what it is told to, after it was let go where it has to
//! wait, and ends with an exit code that follows from its number.

use std::fs::File;
use std::io::{self, Write};
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::time::Duration;

use super::system::Gate;
use anyhow::{Context, Result};

use super::pattern::Pattern;

/// A child whose bench has gone is not to wait for ever.
const GATE_LIMIT: Duration = Duration::from_secs(600);

/// What one child does.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Tells the children of a trial apart
    #[arg(long)]
    pub(crate) number: u64,
    /// Wait at this gate first
    #[arg(long)]
    pub(crate) gate: Option<String>,
    /// Write a line to each stream
    #[arg(long)]
    pub(crate) lines: bool,
    /// Write this much of the pattern to stdout
    #[arg(long, default_value_t = 0)]
    pub(crate) out_pages: u64,
    /// Write this much of the pattern to stderr
    #[arg(long, default_value_t = 0)]
    pub(crate) err_pages: u64,
    /// How many pages to write at a time
    #[arg(long, default_value_t = 1)]
    pub(crate) pages_at_once: u64,
}

impl Task {
    /// The arguments that parse to this task.
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "child".to_owned(),
            format!("--number={}", self.number),
            format!("--out-pages={}", self.out_pages),
            format!("--err-pages={}", self.err_pages),
            format!("--pages-at-once={}", self.pages_at_once),
        ];
        arguments.extend(self.gate.as_ref().map(|gate| format!("--gate={gate}")));
        if self.lines {
            arguments.push("--lines".to_owned());
        }
        arguments
    }

    /// The exit code that it is to have: never one of those that Rust, or we, use for errors.
    pub(crate) fn exit_code(&self) -> u8 {
        (self.number % 100) as u8
    }

    /// The line that it writes to stdout (0) or stderr (1), where it writes lines.
    pub(crate) fn line(&self, stream: u64) -> String {
        format!("stream {stream} of process {}\n", self.number)
    }
}

/// Does it, and gives the exit code.
pub(crate) fn run(task: &Task) -> Result<u8> {
    if let Some(gate) = &task.gate {
        Gate::pass(gate, GATE_LIMIT).context("wait at the gate")?;
    }
    let mut out = file(io::stdout().as_handle())?;
    let mut err = file(io::stderr().as_handle())?;
    if task.lines {
        out.write_all(task.line(0).as_bytes())?;
        err.write_all(task.line(1).as_bytes())?;
    }
    let mut patterns = [0, 1].map(|stream| Pattern::new(task.number, stream));
    let [out_pattern, err_pattern] = &mut patterns;
    let most = task.out_pages.max(task.err_pages);
    let mut index = 0;
    while index < most {
        let next = index + task.pages_at_once.max(1);
        write_pages(&mut out, out_pattern, index..next.min(task.out_pages))?;
        write_pages(&mut err, err_pattern, index..next.min(task.err_pages))?;
        index = next;
    }
    Ok(task.exit_code())
}

fn write_pages(file: &mut File, pattern: &mut Pattern, pages: std::ops::Range<u64>) -> Result<()> {
    if pages.is_empty() {
        return Ok(());
    }
    let bytes: Vec<u8> = pages
        .flat_map(|index| pattern.page(index).to_vec())
        .collect();
    file.write_all(&bytes).context("write")
}

/// The stream without std's buffer, which would write up to the last byte that looks like the end
/// of a line, and the rest later.
fn file(stream: BorrowedHandle<'_>) -> Result<File> {
    let handle = stream.try_clone_to_owned().context("open a stream")?;
    Ok(File::from(handle))
}
