//! The command line. Decides nothing.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::task::Task;

/// Measures throng, its rivals and the floor side by side.
#[derive(Parser, Debug)]
#[command(name = "throng-bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What the bench runs itself for.
#[derive(Subcommand, Debug)]
pub(crate) enum Action {
    /// Run one contestant once and print its sample as JSON (the bench calls itself so)
    Contestant {
        /// As `--list` names it
        name: String,
        #[command(flatten)]
        task: Task,
    },
}

/// What to measure, and how.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Measure only these contestants; `throng` stands for all that begin with `throng-`
    #[arg(long, value_name = "CONTESTANT", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Run only these scenarios
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) scenario: Vec<String>,
    /// Run each contestant this often in each scenario
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub(crate) rounds: usize,
    /// Run this many processes at once, unless the scenario sets it; twice the cores by default
    #[arg(long, short, value_name = "N", value_parser = at_least_one)]
    pub(crate) jobs: Option<usize>,
    /// Multiply the number of processes, and of bytes in bulk
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = positive)]
    pub(crate) scale: f64,
    /// End a contestant that runs for longer than this
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = positive)]
    pub(crate) timeout: f64,
    /// Measure this `throng`; by default the one beside this program
    #[arg(long, value_name = "PATH")]
    pub(crate) throng: Option<PathBuf>,
    /// Write everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Print tables in Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Print nothing to stderr while measuring
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// List the contestants and the scenarios, and exit
    #[arg(long)]
    pub(crate) list: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        Ok(_) => Err("must be more than 0".into()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_definition_is_valid() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn lists_are_split_at_commas() {
        let arguments = ["throng-bench", "--only", "floor,tokio", "--scale=0.05"];
        let options = Arguments::try_parse_from(arguments)
            .expect("these are valid")
            .options;
        assert_eq!(options.only, ["floor", "tokio"]);
        assert!(Arguments::try_parse_from(["throng-bench", "--scale", "0"]).is_err());
    }
}
