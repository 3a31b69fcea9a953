//! How placeholders for values are written, and what quotes them.

use std::ffi::OsString;

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Placeholders")]
pub(crate) struct Placeholders {
    /// Use TEXT instead of {} as the placeholder
    ///
    /// Nothing else is a placeholder then, except what --plus, --rpl and the options that replace
    /// one placeholder define.
    #[arg(short = 'I', value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) replace: Option<OsString>,

    /// Enable more placeholders, such as {..}, {+/}, {:-x}, {%x} and {/x/y}
    ///
    /// `throng help placeholders` lists them.
    #[arg(long)]
    pub(crate) plus: bool,

    /// Define a placeholder by regular expressions, as in '{tag} s/REGEX/TEXT/'
    ///
    /// `throng help placeholders` lists the steps.
    #[arg(long, value_name = "TAG STEPS")]
    pub(crate) rpl: Vec<String>,

    /// Run commands with a shell (pipes, redirections, variables), with values quoted
    ///
    /// PROGRAM is run as PROGRAM -c SCRIPT. By default it is the one that THRONG_SHELL names, or
    /// that of the system: /bin/sh, or cmd.exe on Windows. Quote shell syntax so that your own
    /// shell leaves it alone: --shell 'zcat {} | wc -l'. A placeholder may be a word or a part of
    /// one, plain or in quotes; where a value could be read as code, the command is refused before
    /// anything starts.
    #[arg(long, value_name = "PROGRAM", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "the option, and its value")]
    pub(crate) shell: Option<Option<OsString>>,

    /// Allow placeholders in arguments that programs run as code (dangerous)
    ///
    /// Examples are sh -c 'echo {}', python -c, eval, and the command line of ssh: whoever chooses
    /// a value chooses what is run.
    #[arg(long)]
    pub(crate) allow_code: bool,

    /// Quote the words of the command as well, for --shell
    #[arg(short, long)]
    pub(crate) quote: bool,

    /// Use TEXT instead of {.}, the value without its extension
    #[arg(
        long = "extensionreplace",
        alias = "er",
        value_name = "TEXT",
        hide_short_help = true
    )]
    pub(crate) extension: Option<OsString>,

    /// Use TEXT instead of {/}, the value without its directory
    #[arg(
        long = "basenamereplace",
        alias = "bnr",
        value_name = "TEXT",
        hide_short_help = true
    )]
    pub(crate) basename: Option<OsString>,

    /// Use TEXT instead of {//}, the directory of the value
    #[arg(
        long = "dirnamereplace",
        alias = "dnr",
        value_name = "TEXT",
        hide_short_help = true
    )]
    pub(crate) dirname: Option<OsString>,

    /// Use TEXT instead of {/.}, the value without directory and extension
    #[arg(
        long = "basenameextensionreplace",
        alias = "bner",
        value_name = "TEXT",
        hide_short_help = true
    )]
    pub(crate) bare: Option<OsString>,

    /// Use TEXT instead of {#}, the number of the command
    #[arg(long = "seqreplace", value_name = "TEXT", hide_short_help = true)]
    pub(crate) seq: Option<OsString>,

    /// Use TEXT instead of {%}, the slot in which the command runs
    #[arg(long = "slotreplace", value_name = "TEXT", hide_short_help = true)]
    pub(crate) slot: Option<OsString>,
}
