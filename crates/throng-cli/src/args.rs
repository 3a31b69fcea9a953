//! The command line as it is written. What it means is worked out elsewhere.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use throng::{KillSequence, Mechanism};

use crate::exit::Exit;
use crate::jobs::Jobs;
use crate::{duration, mechanisms, run};

const AFTER_HELP: &str = "\
Examples:
  seq 1000 | throng run echo hello {}
  throng run -j 4 gzip -9 ::: *.log
  throng run --output jsonl --timeout 10 < commands.txt

`throng run --help` explains values, places for them, and exit statuses.";

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
    /// List the ways of capturing that this machine offers, the default first
    Mechanisms,
}

const AFTER_RUN_HELP: &str = "\
Values:
  Without ::: or :::: or --arg-file, each line of stdin is a value. A line ends
  with LF or CRLF. Several sources give every combination, the last varying
  fastest. Without COMMAND each value is itself a command line: it is split by
  the quoting rules of a shell, and no shell is involved.

In COMMAND and ARG:
  {}     the value; appended when there is no {} or {1}
  {1}    the value from the first source, {2} from the second, ...
  {#}    the number of the command, from 1
  {%}    the slot it runs in, from 1 to the number of jobs

Exit status:
  0        all commands succeeded
  1..100   this many failed; 101: more than 100
  130      ended by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)
  141      whoever read our stdout closed it
  255      throng itself failed

Examples:
  seq 1000 | throng run echo hello {}
  throng run -j 4 gzip -9 ::: *.log
  find . -name '*.png' | throng run --tag -k identify
  throng run --output jsonl sh -c 'exit {}' ::: 0 1 2";

/// Run a command for every value, many at a time
///
/// Each command is started without a shell. What it writes to stdout goes to
/// stdout, what it writes to stderr goes to stderr, and neither is mixed with
/// that of another command.
#[derive(Debug, Args)]
#[command(after_help = AFTER_RUN_HELP)]
#[command(override_usage = "throng run [OPTIONS] [COMMAND [ARG]...] \
                            [::: VALUE... | :::: FILE...]...")]
pub(crate) struct Run {
    /// Run N commands at a time; 0: as many as the system allows; N%: of the cores
    #[arg(short, long, value_name = "N|0|N%", default_value = "100%")]
    pub(crate) jobs: Jobs,

    /// Give output in the order of the values, not as commands finish
    #[arg(short, long)]
    pub(crate) keep_order: bool,

    /// What to do with what the commands say
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub(crate) output: Mode,

    /// Put the value and a tab before each line of output
    #[arg(long)]
    pub(crate) tag: bool,

    /// End a command that runs for longer; seconds, or with a unit: 200ms, 5m
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,

    /// How long output may stay open after a command has ended [default: 200ms]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) grace: Option<Duration>,

    /// How commands are ended: signals, and milliseconds between them
    #[arg(long, value_name = "SEQUENCE", default_value_t)]
    pub(crate) termseq: KillSequence,

    /// Take values from the lines of FILE; - is stdin
    #[arg(short, long = "arg-file", value_name = "FILE")]
    pub(crate) arg_files: Vec<PathBuf>,

    /// Give each command to the shell, with values quoted into it
    #[arg(long)]
    pub(crate) shell: bool,

    /// Print the commands and run none
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// How output is captured; see `throng mechanisms`
    #[arg(long, value_name = "NAME")]
    pub(crate) mechanism: Option<Mechanism>,

    /// How many threads start and capture commands [default: cores + 2]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) shards: Option<usize>,

    /// Show a progress bar on stderr
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) progress: When,

    /// The command, its arguments, and where values come from
    #[arg(trailing_var_arg = true, value_name = "COMMAND", hide = true)]
    pub(crate) words: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// All that a command has said, when it has ended
    #[default]
    Group,
    /// Each line as soon as it is complete
    Line,
    /// Every byte as it comes
    Live,
    /// One JSON object a line for each command, on stdout
    Jsonl,
    /// Nothing
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// When stderr is a terminal
    #[default]
    Auto,
    /// Even when it is not
    Always,
    /// Not at all
    Never,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("a number from 1 up is expected".into()),
    }
}

pub(crate) fn dispatch() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not failures. A closed stdout is no reason to complain here.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Failed.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let result = match cli.command {
        Sub::Run(args) => run::run(*args),
        Sub::Mechanisms => mechanisms::list(),
    };
    result.unwrap_or_else(Exit::report).into()
}
