//! The command line: it is parsed, completed by settings, and dispatched. What options mean is
//! decided elsewhere.

pub(crate) mod config;
mod errors;
mod help;
mod manual;
mod optional;
mod parallel;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use throng::Mechanism;

use crate::exit::Exit;
use crate::options::Run;
use crate::{doctor, session, sys, terminal, text};

/// Run many commands in parallel and capture all their output
#[derive(Debug, Parser)]
#[command(name = "throng", version, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, Subcommand)]
enum Sub {
    Run(Box<Run>),
    Config(Box<Config>),
    /// Report what limits runs on this machine, and check that no output is lost
    Doctor(doctor::Doctor),
    /// Print the manual page of throng or of one of its commands
    Man(manual::Man),
    /// Print a script with which a shell completes the options of throng
    Completions(manual::Completions),
    /// List the mechanisms of capturing that this machine offers, the default first
    Mechanisms,
    /// The process that `run` starts to end all others if it is killed
    #[command(hide = true)]
    Guardian,
}

/// Show the effective options of `run`, and where each was set
///
/// The command line has the highest precedence, then the variables THRONG_JOBS,
/// THRONG_PROGRESS, THRONG_COLOR, THRONG_MEMORY and THRONG_TMPDIR, then the
/// profile in the configuration file, then the file itself.
///
/// The configuration file is the one named by --config, else by the variable
/// THRONG_CONFIG (an absolute path), else throng/throng.toml in the user's
/// configuration directory; no other directory is searched. Unless --config names
/// it, the file has to belong to the user or root, and nobody else may be able to
/// write it. Other variables set no options.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    override_usage = "throng config [OPTIONS OF run]"
)]
struct Config {
    #[command(flatten)]
    run: Run,
}

pub(crate) fn dispatch() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = doctor::be_child(&words) {
        return code;
    }
    let definition = definition();
    if let Some(result) = help::topic(&words, &definition) {
        return result.unwrap_or_else(Exit::report).into();
    }
    let words = optional::join_values(words, &definition);
    match perform(words, &definition) {
        Ok(result) => result.unwrap_or_else(Exit::report).into(),
        Err(error) => refuse(&error),
    }
}

/// Fails if the command line is invalid.
fn perform(
    words: Vec<OsString>,
    definition: &clap::Command,
) -> Result<anyhow::Result<Exit>, clap::Error> {
    let written = definition.clone().try_get_matches_from(&words)?;
    let has_jobs = written.subcommand().is_some_and(|(name, matches)| {
        name == "run" && matches.value_source("jobs") == Some(ValueSource::CommandLine)
    });
    let (words, settings) = match written.subcommand() {
        Some((name @ ("run" | "config"), matches)) => {
            let command = definition.find_subcommand(name).expect("it was found");
            match config::settings(command, matches) {
                Ok(settings) => (config::insert(words, &settings), settings),
                Err(error) => return Ok(Err(error)),
            }
        }
        _ => (words, config::Settings::default()),
    };
    let mut matches = definition.clone().try_get_matches_from(words)?;
    let cli = Cli::from_arg_matches_mut(&mut matches.clone())?;
    Ok(match cli.command {
        Sub::Run(mut args) => {
            args.control.has_jobs = has_jobs;
            session::run(*args)
        }
        Sub::Config(_) => {
            let (name, matches) = matches.remove_subcommand().expect("it is this one");
            let command = definition.find_subcommand(&name).expect("it was found");
            config::show(command, &matches, &settings)
        }
        Sub::Doctor(args) => doctor::examine(&args),
        Sub::Man(args) => manual::page(&args, definition),
        Sub::Completions(args) => manual::completions(&args, definition),
        Sub::Mechanisms => mechanisms(),
        Sub::Guardian => sys::guard().map(|()| Exit::Commands { failed: 0 }),
    })
}

/// What this machine offers, and why not the rest.
fn mechanisms() -> anyhow::Result<Exit> {
    let survey = Mechanism::availability();
    let default = Mechanism::available().first().copied();
    let mut out = std::io::stdout().lock();
    for entry in survey {
        let note = match &entry.refusal {
            Some(why) => format!("not available: {why}"),
            None if Some(entry.mechanism) == default => "available, the default".into(),
            None => "available".into(),
        };
        writeln!(out, "{:<16} {note}", entry.mechanism.name())?;
    }
    out.flush()?;
    Ok(Exit::Commands { failed: 0 })
}

/// The command line as the parser knows it.
pub(crate) fn definition() -> clap::Command {
    help::complete(Cli::command())
}

/// Shows help if it was asked for, or if no arguments were given; otherwise reports what is wrong.
fn refuse(error: &clap::Error) -> ExitCode {
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if error.use_stderr() && !is_help {
        let first = std::env::args_os().nth(1).unwrap_or_default();
        let is_early = first.as_encoded_bytes().starts_with(b"-");
        if is_early && error.kind() == ErrorKind::UnknownArgument {
            terminal::warn(format_args!(
                "there is no option {} before a command; options follow it: throng run -j 4 ...",
                text::quoted_name(first)
            ));
        } else {
            terminal::warn(format_args!("{}", errors::one_line(error)));
        }
        return Exit::Failed.into();
    }
    // A closed stdout is no reason to complain here.
    let _ = error.print();
    if is_help {
        Exit::Failed.into()
    } else {
        ExitCode::SUCCESS
    }
}
