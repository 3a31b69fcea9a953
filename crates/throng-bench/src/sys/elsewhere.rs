//! Says that there is nothing to measure here. Keeps the workspace compiling on every system.

use std::process::ExitCode;

pub(crate) fn run() -> ExitCode {
    eprintln!("throng-bench: measures on Linux only; `throng bench` compares mechanisms here");
    ExitCode::from(255)
}
