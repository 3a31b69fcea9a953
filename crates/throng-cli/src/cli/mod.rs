//! The command line as it is written, by theme. What it means is worked out elsewhere.

mod complaint;
pub(crate) mod config;
mod manual;
mod mechanisms;
mod optional;
mod parallel;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit::Exit;
use crate::options::Run;
use crate::{doctor, session, sys, terminal, text};

const AFTER_HELP: &str = "\
Examples:
  seq 1000 | throng run echo hello {}
  throng run -j 4 gzip -9 ::: *.log
  throng run --output jsonl --timeout 10 < commands.txt

`throng run --help` explains values, places for them, and exit statuses;
`throng help parallel` has the options of GNU parallel and xargs.";

/// Run many commands in parallel and capture everything they say
#[derive(Debug, Parser)]
#[command(name = "throng", version, max_term_width = 80, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, Subcommand)]
enum Sub {
    Run(Box<Run>),
    Config(Box<Config>),
    /// Say what limits runs on this machine, and check that nothing is lost on it
    Doctor(doctor::Doctor),
    /// Print the manual page of throng, or of one of its commands, for man(1)
    Man(manual::Man),
    /// Print what makes a shell complete the options of throng
    Completions(manual::Completions),
    /// List the ways of capturing that this machine offers, the default first
    Mechanisms,
    /// What `run` starts to see to it that nothing is left when it is killed
    #[command(hide = true)]
    Keeper,
}

/// Show the options of `run` as they are in effect, and where each was set
///
/// After the command line count the variables THRONG_JOBS, THRONG_PROGRESS,
/// THRONG_COLOR, THRONG_MEMORY and THRONG_TMPDIR, then the profile in the file,
/// then the file itself. The file is that of --config, else that of the variable
/// THRONG_CONFIG (an absolute path), else throng/throng.toml in the user's
/// configuration directory; no other directory is searched. But for the one
/// named by --config it has to belong to the user or root, and nobody else may
/// be able to write it. Other variables set no options.
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
    let mut definition = Cli::command();
    definition.build();
    if let [_, help, parallel, rest @ ..] = &words[..]
        && (help, parallel) == (&"help".into(), &"parallel".into())
    {
        return help_parallel(rest, &definition).into();
    }
    let words = optional::join_values(words, &definition);
    match perform(words, &definition) {
        Ok(result) => result.unwrap_or_else(Exit::report).into(),
        Err(error) => refuse(&error),
    }
}

/// Fails when the command line is none.
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
        Sub::Mechanisms => mechanisms::list(),
        Sub::Keeper => sys::keep().map(|()| Exit::Commands { failed: 0 }),
    })
}

/// `throng help parallel`, which the parser would take for a command's help.
fn help_parallel(rest: &[OsString], definition: &clap::Command) -> Exit {
    let printed = match rest {
        [] => parallel::print(definition),
        [option] if option == "--markdown" => {
            let text = parallel::markdown(definition);
            io::stdout().lock().write_all(text.as_bytes())
        }
        [word, ..] => {
            let word = word.display();
            terminal::warn(format_args!("help parallel takes no \"{word}\""));
            return Exit::Failed;
        }
    };
    match printed {
        Ok(()) => Exit::Commands { failed: 0 },
        Err(error) => Exit::report(anyhow::Error::from(error).context("cannot write to stdout")),
    }
}

/// The command line as the parser knows it.
#[cfg(test)]
pub(crate) fn definition() -> clap::Command {
    let mut definition = Cli::command();
    definition.build();
    definition
}

/// Shows help where that was asked for or nothing at all was; otherwise says what is wrong.
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
            terminal::warn(format_args!("{}", complaint::one_line(error)));
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
