//! The options of a run by theme, as plain data, each value in its own type. Their names and
//! their help are defined here as well, once.

pub(crate) mod backoff;
mod check;
pub(crate) mod control;
pub(crate) mod halt;
pub(crate) mod input;
pub(crate) mod jobs;
pub(crate) mod limits;
pub(crate) mod output;
pub(crate) mod pipe;
pub(crate) mod placeholders;
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
use crate::options::placeholders::Placeholders;
use crate::sys::SystemArgs;

/// Run a command for each value, many at a time
///
/// Each command is started without a shell, and a value is an argument or a
/// part of one. A placeholder in an argument that is code (sh -c, python -c,
/// ...) is refused; --shell runs scripts, with values quoted into them.
///
/// The stdout of commands is written to stdout and their stderr to stderr, and
/// the output of one command is not mixed with that of another.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
#[command(override_usage = "throng run [OPTIONS] [COMMAND [ARG]...] \
                            [::: VALUE... | :::: FILE...]...")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) input: Input,

    #[command(flatten)]
    pub(crate) placeholders: Placeholders,

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
        self.placeholders.shell.is_some()
    }

    /// Whether configuration files and variables are ignored.
    pub(crate) fn has_no_config(&self) -> bool {
        self.settings.no_config
    }
}
