//! What becomes of the output of commands.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::{Args, ValueEnum};

use throng::Stream;

use crate::terminal::ProgressStyle;
use crate::{duration, sys};

/// What there is no output for with `--tty`, what would draw on the terminal, and what gives
/// commands another stdin.
const CAPTURED: [&str; 17] = [
    "keep_order",
    "mode",
    "group",
    "line_buffer",
    "tag",
    "tagstring",
    "color",
    "results",
    "progress",
    "progress_interval",
    "bar",
    "eta",
    "max_output",
    "pipe",
    "pipe_part",
    "round_robin",
    "stdin",
];

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Print output in the order of the values
    #[arg(short, long)]
    pub(crate) keep_order: bool,

    /// Give each command the terminal, one at a time (its output is not captured)
    ///
    /// For programs that ask questions or draw on the terminal.
    #[arg(long, conflicts_with_all = CAPTURED)]
    pub(crate) tty: bool,

    /// Choose how output is printed [default: group; none with --results]
    #[arg(long = "output", value_name = "MODE", value_enum)]
    #[arg(overrides_with_all = ["group", "line_buffer", "ungroup"])]
    mode: Option<Mode>,

    /// Print the output of each command when it has ended (--output group)
    #[arg(long, overrides_with_all = ["mode", "line_buffer", "ungroup"])]
    group: bool,

    /// Print each line as soon as it is complete (--output line)
    #[arg(long, visible_alias = "lb", alias = "linebuffer")]
    #[arg(overrides_with_all = ["mode", "group", "ungroup"])]
    line_buffer: bool,

    /// Print output as it arrives, lines of different commands mixed (--output live)
    #[arg(short, long, overrides_with_all = ["mode", "group", "line_buffer"])]
    ungroup: bool,

    /// Put the value and a tab before each line of output
    #[arg(long)]
    pub(crate) tag: bool,

    /// Put STR and a tab before each line of output; placeholders are replaced
    #[arg(long, value_name = "STR")]
    pub(crate) tagstring: Option<OsString>,

    /// Color the lines of each command: auto, always or never
    ///
    /// auto colors on a terminal, unless NO_COLOR is set. Without =WHEN: always.
    #[arg(long, alias = "colour", value_name = "WHEN", value_enum)]
    #[arg(num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "never", default_missing_value = "always")]
    pub(crate) color: When,

    /// Print each command to stderr when it starts
    ///
    /// -t and --verbose print to stderr, -v to stdout, as in GNU parallel.
    #[arg(short = 't', long)]
    pub(crate) verbose: bool,

    /// Print each command to stdout before its output
    ///
    /// -t and --verbose print to stderr, -v to stdout, as in GNU parallel.
    #[arg(short = 'v')]
    pub(crate) echo: bool,

    /// Write a line for each finished command to FILE
    ///
    /// Columns are separated by tabs. An earlier FILE is kept as FILE~; +FILE appends to it; - is
    /// stdout.
    #[arg(long, value_name = "[+]FILE", visible_alias = "jl")]
    pub(crate) joblog: Option<OsString>,

    /// Write output to files below DIR, to files NAME, or to a table
    ///
    /// DIR gets a directory for each command. A NAME has placeholders: out/{}. FILE.csv, FILE.tsv
    /// and FILE.jsonl are tables with all that is known of each command. What exists already is
    /// refused, and an earlier table kept as FILE~, unless + stands before the name, or there is
    /// --resume.
    #[arg(
        long,
        visible_alias = "res",
        value_name = "[+]DIR|NAME|FILE",
        allow_hyphen_values = true
    )]
    pub(crate) results: Option<OsString>,

    /// Files that --results writes for each command
    #[arg(long, value_name = "WHICH", value_enum)]
    pub(crate) results_files: Option<FilesWanted>,

    /// Run only commands that are not yet in --joblog or --results
    #[arg(long)]
    resume: bool,

    /// Run commands that are not yet in --joblog, and rerun those that failed
    #[arg(long)]
    resume_failed: bool,

    /// Rerun failed commands from --joblog; ignores COMMAND and values
    #[arg(long)]
    retry_failed: bool,

    /// Accept records of other commands, or that other users could have written
    ///
    /// With --resume, --resume-failed and --retry-failed, which go by the numbers in the log then.
    #[arg(long)]
    pub(crate) trust_joblog: bool,

    /// Show progress and the slowest commands on stderr: auto, always or never
    ///
    /// auto shows it on a terminal, unless stdout is a pipe, whose reader may write to the same
    /// terminal. Without =WHEN: always.
    #[arg(long, value_name = "WHEN", value_enum)]
    #[arg(num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "auto", default_missing_value = "always")]
    progress: When,

    /// Write a line of --progress every TIME where stderr is no terminal
    #[arg(long, value_name = "TIME", value_parser = interval, default_value = "10s")]
    pub(crate) progress_interval: Duration,

    /// Print counts, failures, slowest commands and percentiles at the end
    ///
    /// A failure is shown with its last line of stderr. Percentiles are exact to one part in 64.
    #[arg(long)]
    pub(crate) summary: bool,

    /// Show progress as a bar (reads all values first)
    #[arg(long)]
    bar: bool,

    /// Show progress and the time left on one line (reads all values first)
    #[arg(long)]
    eta: bool,
}

impl Output {
    /// What was asked for last.
    pub(crate) fn mode(&self) -> Mode {
        match self.mode {
            Some(mode) => mode,
            None if self.line_buffer => Mode::Line,
            None if self.ungroup || self.tty => Mode::Live,
            None if self.results.is_some() && !self.group => Mode::None,
            None => Mode::Group,
        }
    }

    /// Whether bytes are to be kept until a command has ended.
    pub(crate) fn keeps_output(&self) -> bool {
        let is_wanted = self.results.is_some() || self.summary;
        is_wanted || matches!(self.mode(), Mode::Group | Mode::Jsonl)
    }

    /// Whether this run goes on where an earlier one ended.
    pub(crate) fn again(&self) -> Option<Again> {
        if self.retry_failed {
            Some(Again::Failed)
        } else if self.resume_failed {
            Some(Again::UnrunAndFailed)
        } else {
            self.resume.then_some(Again::Unrun)
        }
    }

    /// What is shown of the run while it lasts, if anything.
    pub(crate) fn view(&self) -> Option<ProgressStyle> {
        let stderr = io::stderr();
        // A dumb terminal cannot move its cursor.
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_terminal = stderr.is_terminal() && !is_dumb;
        let is_seen = is_terminal && !sys::may_share_screen();
        let style = match (self.bar, self.eta) {
            (true, _) => ProgressStyle::Bar,
            (_, true) => ProgressStyle::Line,
            _ => ProgressStyle::Full,
        };
        if self.tty {
            return None;
        }
        let is_wanted = self.bar || self.eta || self.progress == When::Always;
        match (self.progress, is_terminal) {
            (When::Never, _) => None,
            (_, true) => (is_seen || is_wanted).then_some(style),
            (_, false) => is_wanted.then_some(ProgressStyle::Plain),
        }
    }

    /// Whether it has to be known how many commands there will be before any starts.
    pub(crate) fn counts_first(&self) -> bool {
        (self.bar || self.eta) && self.progress != When::Never
    }

    /// Which of our streams get colors. Only lines get them.
    pub(crate) fn colors(&self) -> Colors {
        let has_lines = matches!(self.mode(), Mode::Group | Mode::Line);
        let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let on = |is_terminal: bool| match self.color {
            When::Always => has_lines,
            When::Auto => has_lines && is_terminal && !is_refused,
            When::Never => false,
        };
        // On Windows this is what has the console take escape sequences.
        let _ = console::Term::stdout().features().colors_supported();
        Colors {
            stdout: on(io::stdout().is_terminal()),
            stderr: on(io::stderr().is_terminal()),
        }
    }

    /// Whether lines are tagged. Output that is passed on as it comes, or not at all,
    /// has no lines to tag.
    pub(crate) fn has_tag(&self) -> bool {
        let has_output = !matches!(self.mode(), Mode::Live | Mode::None);
        has_output && (self.tag || self.tagstring.is_some())
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    match duration::parse(text)? {
        Duration::ZERO => Err("a time above 0 is expected".into()),
        time => Ok(time),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// All output of a command when it has ended
    #[default]
    Group,
    /// Each line as soon as it is complete
    Line,
    /// Every byte as it arrives
    Live,
    /// One JSON object per command on stdout (see `throng help jsonl`)
    Jsonl,
    /// Nothing
    None,
}

/// What a run that goes on where an earlier one ended has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// What was not run.
    Unrun,
    /// That, and what failed.
    UnrunAndFailed,
    /// What failed, as the log has it.
    Failed,
}

impl Again {
    pub(crate) fn option(self) -> &'static str {
        match self {
            Again::Unrun => "--resume",
            Again::UnrunAndFailed => "--resume-failed",
            Again::Failed => "--retry-failed",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Which of our streams get colors.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Colors {
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

impl Colors {
    pub(crate) fn on(self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        }
    }
}

/// Which files there are of each command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FilesWanted {
    /// stdout, stderr and seq (the number of the command), as GNU parallel has them
    #[default]
    All,
    /// stdout, and stderr if something was written to it
    Output,
}
