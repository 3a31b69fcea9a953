//! The command line. Decides nothing.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::child;

/// Measures the mechanisms of throng side by side.
#[derive(Parser, Debug)]
#[command(name = "throng-bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What the bench does to itself.
#[derive(Subcommand, Debug)]
pub(crate) enum Action {
    /// Run one contestant once and print its sample as JSON (the bench calls itself so)
    Contestant {
        /// As `--list` names it
        name: String,
        /// As `--list` names it
        scenario: String,
        #[command(flatten)]
        sizes: Sizes,
    },
    /// Be a process that is captured
    #[command(hide = true)]
    Child(child::Task),
}

/// What to measure, and how.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Measure these contestants only, and the one that all are compared with
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Run these scenarios only
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) scenario: Vec<String>,
    /// How often each contestant runs in each scenario
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub(crate) rounds: usize,
    /// End a contestant that runs for longer than this
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = amount)]
    pub(crate) timeout: u64,
    /// Write everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Say nothing on stderr while measuring
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// List the contestants and the scenarios, and end
    #[arg(long)]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) sizes: Sizes,
}

/// How much there is to do.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Processes in `children`
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    pub(crate) children: usize,
    /// How many of them at a time
    #[arg(long, short, value_name = "N", default_value_t = 16, value_parser = at_least_one)]
    pub(crate) jobs: usize,
    /// Processes in `writers`
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub(crate) writers: usize,
    /// What each of them writes to each stream, in KiB
    #[arg(long, value_name = "KIB", default_value_t = 256, value_parser = amount)]
    pub(crate) writer_kib: u64,
    /// Processes in `live`
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    pub(crate) live: usize,
    /// What the process in `bulk` writes, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = amount)]
    pub(crate) bulk_mib: u64,
}

impl Sizes {
    /// The arguments that parse to these sizes.
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        vec![
            format!("--children={}", self.children),
            format!("--jobs={}", self.jobs),
            format!("--writers={}", self.writers),
            format!("--writer-kib={}", self.writer_kib),
            format!("--live={}", self.live),
            format!("--bulk-mib={}", self.bulk_mib),
        ]
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

fn amount(text: &str) -> Result<u64, String> {
    at_least_one(text).map(|number| number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_survive_the_way_through_arguments() {
        let sizes = Sizes {
            children: 1,
            jobs: 2,
            writers: 3,
            writer_kib: 4,
            live: 5,
            bulk_mib: 6,
        };
        let mut argv: Vec<String> = ["bench", "contestant", "apc", "live"]
            .map(Into::into)
            .into();
        argv.extend(sizes.to_arguments());
        let parsed = Arguments::try_parse_from(argv).expect("it was made for this");
        match parsed.action {
            Some(Action::Contestant { sizes: parsed, .. }) => assert_eq!(parsed, sizes),
            _ => panic!("no contestant"),
        }
    }

    #[test]
    fn lists_are_split_at_commas() {
        let argv = ["throng-bench", "--only", "apc,events", "--rounds=1"];
        let options = Arguments::try_parse_from(argv)
            .expect("these are valid")
            .options;
        assert_eq!(options.only, ["apc", "events"]);
        assert!(Arguments::try_parse_from(["throng-bench", "--rounds=0"]).is_err());
    }
}
