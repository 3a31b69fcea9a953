//! The options of a run by theme, as plain data: what was said, and the values of each in its own
//! type. What they are called and how they are written is defined here as well, once.

pub(crate) mod backoff;
mod check;
pub(crate) mod control;
pub(crate) mod halt;
pub(crate) mod input;
pub(crate) mod jobs;
pub(crate) mod limits;
pub(crate) mod output;
pub(crate) mod pipe;
pub(crate) mod places;
pub(crate) mod rate;
mod settings;

use std::ffi::OsString;

use clap::Args;

use self::input::Input;
use self::limits::Limits;
use self::output::Output;
use self::pipe::Pipe;
use self::settings::Settings;
use crate::options::control::Control;
use crate::options::places::Places;
use crate::sys::{EXAMPLES, INTERRUPTS, SystemArgs, WORD_RULES};

fn after_run_help() -> String {
    format!(
        "\
Values:
  Without ::: or :::: or --arg-file, each line of stdin is a value. A line ends
  with LF or CRLF. Several sources give every combination, the last varying
  fastest; after :::+ or ::::+ a source goes along with the one before it. A
  file named :::: that a shell finds for * would begin a source: write ./*, or
  find -print0 with -0; with --arg-sep WORD no other word separates.
  {WORD_RULES}

In COMMAND, ARG, --env, --wd, --stdin, --tagstring and --results:
  {{}}     the value; appended when there is no place at all
  {{.}}    without its extension      {{/}}   without its directory
  {{//}}   its directory              {{/.}}  without both
  {{1}}    the value from the first source, {{2}} from the second, {{-1}} from the
         last; {{1.}}, {{1/}}, {{1//}}, {{1/.}} as above; {{name}} with --header
  {{#}}    the number of the command, from 1
  {{%}}    the slot it runs in, from 1 to the number of jobs
  {{{{2}}}}  the text {{2}}; {{{{x}}}} stays as it is where {{x}} is no placeholder.
         With -I TEXT only TEXT is a placeholder
  Commands have both in their environment: PARALLEL_SEQ or THRONG_SEQ, and
  PARALLEL_JOBSLOT or THRONG_SLOT.

Exit status:
  0        all commands succeeded
  1..100   this many failed; 101: more than 100. After --halt ...=1: that of the
           command that decided it; with N%: how many percent have failed; after
           --halt ...,success: 0
  127      the program of all commands cannot be found
  130      {INTERRUPTS}
  141      whoever read our stdout closed it
  255      throng itself failed, or could not keep all that commands have said

Examples:
{EXAMPLES}"
    )
}

/// Run a command for every value, many at a time
///
/// Each command is started without a shell, and a value is an argument or a
/// part of one. A placeholder in an argument that is code (sh -c, python -c,
/// ...) is refused; --shell runs scripts, with values quoted into them. What a
/// command writes to stdout goes to stdout, what it writes to stderr goes to
/// stderr, and neither is mixed with that of another command.
#[derive(Debug, Args)]
#[command(after_help = after_run_help(), args_override_self = true)]
#[command(override_usage = "throng run [OPTIONS] [COMMAND [ARG]...] \
                            [::: VALUE... | :::: FILE...]...")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) input: Input,

    #[command(flatten)]
    pub(crate) places: Places,

    #[command(flatten)]
    pub(crate) pipe: Pipe,

    #[command(flatten)]
    pub(crate) control: Control,

    #[command(flatten)]
    pub(crate) output: Output,

    #[command(flatten)]
    pub(crate) limits: Limits,

    #[command(flatten)]
    pub(crate) system: SystemArgs,

    #[command(flatten)]
    settings: Settings,

    /// The command, its arguments, and where values come from
    #[arg(trailing_var_arg = true, value_name = "COMMAND", hide = true)]
    pub(crate) words: Vec<OsString>,
}

impl Run {
    /// Whether commands are scripts for a shell.
    pub(crate) fn has_shell(&self) -> bool {
        self.places.shell.is_some()
    }

    /// Whether files and variables say nothing.
    pub(crate) fn has_no_config(&self) -> bool {
        self.settings.no_config
    }
}
