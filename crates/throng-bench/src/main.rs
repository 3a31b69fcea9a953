//! Measures throng, its rivals and the floor side by side: `throng-bench --help`.

#![deny(unsafe_code)]

mod sys;

use std::process::ExitCode;

fn main() -> ExitCode {
    sys::run()
}
