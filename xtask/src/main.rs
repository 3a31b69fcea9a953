//! What developers and CI do with this repository: `cargo xtask COMMAND`.

#![forbid(unsafe_code)]

mod count;
mod dist;
mod layers;
mod picture;
mod references;
mod run;
mod sanitize;
mod setup;
mod soak;
mod sources;
mod steps;
mod stuck_exits;
mod suite;
mod targets;
mod tidy;
mod windows;
mod wine;

use std::path::PathBuf;
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
    /// All tests and doc tests, on Linux and then for Windows under Wine
    Test {
        /// The Linux half alone
        #[arg(long, conflicts_with = "windows")]
        linux: bool,
        /// The Windows half alone
        #[arg(long)]
        windows: bool,
        /// The library alone, with musl in the place of glibc
        #[arg(long, conflicts_with_all = ["linux", "windows"])]
        musl: bool,
        /// Passed on to `cargo nextest run`: `-p PACKAGE`, or a part of the names of tests
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The program as users run it; the last line of stdout is its path
    Build {
        /// For Windows, with what it needs beside it to run under Wine
        #[arg(long)]
        windows: bool,
    },
    /// Archives for users in target/dist-archives: program, manual pages, completions, licences
    Dist,
    /// Installs what the tests need: for Windows a compiler, a linker, Wine; for Linux emulators
    Setup,
    /// Lints for a system other than this one
    Check {
        /// Windows with MinGW's runtime, which the tests run with
        #[arg(long)]
        windows: bool,
        /// Windows with Microsoft's runtime, up to the linker
        #[arg(long)]
        windows_msvc: bool,
        /// Linux with musl in the place of glibc
        #[arg(long)]
        musl: bool,
        /// Linux on 64-bit ARM
        #[arg(long)]
        aarch64: bool,
    },
    /// Runs one program of tests under Wine, for `test`
    #[command(hide = true)]
    Wine {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Everything that CI checks: format, lints, tidy, tests, docs
    Ci {
        /// A part of it, as the hosted jobs run it
        #[arg(long)]
        only: Option<CiPart>,
    },
    /// Tests of the library under AddressSanitizer, where the compiler has it
    Sanitize,
    /// The rules of this repository that a program can check
    Tidy,
    /// Lines outside tests, the longest files and the circles of imports of each crate
    Count {
        /// Another checkout, to compare with
        #[arg(default_value = ".")]
        directory: PathBuf,
    },
    /// Scripted processes at random under faults, compared with what their scripts say
    Soak {
        /// For Windows, under Wine
        #[arg(long)]
        windows: bool,
        /// Passed on: `--count N`, `--seed S`, `--mechanism NAME`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measure throng beside the floor and its rivals; `-- --help` for options
    Bench {
        /// The mechanisms of Windows side by side, under Wine
        #[arg(long)]
        windows: bool,
        /// Passed on to `throng-bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Make the README's picture, docs/picture.svg, from a real run
    Picture,
}

/// A part of `ci`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum CiPart {
    /// Format, tidy, lints for every target, documentation, dependencies, packages
    Checks,
    /// Tests on this system, under a sanitizer, under Miri, and a short soak
    Linux,
    /// Tests for Windows and a short soak, under Wine
    Wine,
}

/// Which of the two systems is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halves {
    Both,
    Linux,
    Windows,
}

fn main() -> ExitCode {
    let result = run::own_path().and_then(|_| run_command(Cli::parse().command));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_command(command: Command) -> anyhow::Result<()> {
    if !matches!(command, Command::Wine { .. } | Command::Count { .. }) {
        steps::go_to_root()?;
    }
    match command {
        Command::Test {
            musl: true, args, ..
        } => targets::test_musl(&args),
        Command::Test {
            linux,
            windows,
            args,
            ..
        } => {
            let halves = match (linux, windows) {
                (true, _) => Halves::Linux,
                (_, true) => Halves::Windows,
                _ => Halves::Both,
            };
            steps::test(halves, &args)
        }
        Command::Build { windows } => {
            println!("{}", steps::build(windows)?.display());
            Ok(())
        }
        Command::Dist => dist::make(),
        Command::Setup => setup::install_all(),
        Command::Check {
            windows,
            windows_msvc,
            musl,
            aarch64,
        } => {
            if windows || !(windows_msvc || musl || aarch64) {
                windows::check()?;
            }
            if musl {
                targets::check(targets::MUSL)?;
            }
            if aarch64 {
                targets::check(targets::AARCH64)?;
            }
            if windows_msvc {
                windows::check_msvc()?;
            }
            Ok(())
        }
        Command::Wine { words } => wine::run_test(&words),
        Command::Ci { only } => steps::ci(only),
        Command::Sanitize => sanitize::test(),
        Command::Tidy => tidy::check(),
        Command::Count { directory } => count::print(&directory),
        Command::Soak { windows, args } => soak::soak(windows, &args),
        Command::Bench { windows, args } => steps::bench(windows, &args),
        Command::Picture => picture::make(),
    }
}
