//! What developers and CI do with this repository: `cargo xtask COMMAND`.

#![forbid(unsafe_code)]

mod steps;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// All tests and doc tests
    Test {
        /// Passed on to `cargo test`, for example the name of a test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Everything that CI checks: format, lints, tidy, tests, docs
    Ci,
    /// The rules of this repository that a program can check
    Tidy,
    /// Measure throng beside the floor and its rivals; `-- --help` for options
    Bench {
        /// Passed on to `throng-bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    steps::go_to_root()?;
    match command {
        Command::Test { args } => steps::test(&args),
        Command::Ci => steps::ci(),
        Command::Tidy => tidy::check(),
        Command::Bench { args } => steps::bench(&args),
    }
}
