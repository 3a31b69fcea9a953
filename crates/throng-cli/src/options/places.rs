//! How places for values are written, and what quotes them.

use std::ffi::OsString;

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Places")]
pub(crate) struct Places {
    /// Use TEXT in place of {}; nothing else is a placeholder then, but what --plus, --rpl and the
    /// like ask for
    #[arg(short = 'I', value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) replace: Option<OsString>,

    /// More places: {..}, {+.}, {+/}, {:-x}, {%x}, {/x/y}, ...; see `help parallel`
    #[arg(long)]
    pub(crate) plus: bool,

    /// A place of your own: '{tag} s/REGEX/TEXT/'
    #[arg(long, value_name = "TAG STEPS")]
    pub(crate) rpl: Vec<String>,

    /// Give each command to a shell, with values quoted into it
    ///
    /// PROGRAM is run as PROGRAM -c SCRIPT; by default it is what THRONG_SHELL
    /// names, or the system's: /bin/sh, or cmd.exe on Windows. A placeholder may
    /// be a word or a part of one, plain or in quotes; where a value could be
    /// read as code it is refused before anything starts.
    #[arg(long, value_name = "PROGRAM", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "the option, and its value")]
    pub(crate) shell: Option<Option<OsString>>,

    /// Accept placeholders where values are run as code: DANGEROUS
    ///
    /// As in sh -c 'echo {}', python -c, eval, or the command line of ssh: whoever
    /// chooses a value chooses what is run.
    #[arg(long)]
    pub(crate) allow_code: bool,

    /// With --shell: quote the words of the command as well
    #[arg(short, long)]
    pub(crate) quote: bool,

    /// Use TEXT in place of {.}
    #[arg(
        long = "extensionreplace",
        alias = "er",
        value_name = "TEXT",
        hide_short_help = true
    )]
    pub(crate) extension: Option<OsString>,

    /// Use TEXT in place of {/}
    #[arg(
        long = "basenamereplace",
        alias = "bnr",
        value_name = "TEXT",
        hide_short_help = true
    )]
    pub(crate) basename: Option<OsString>,

    /// Use TEXT in place of {//}
    #[arg(
        long = "dirnamereplace",
        alias = "dnr",
        value_name = "TEXT",
        hide_short_help = true
    )]
    pub(crate) dirname: Option<OsString>,

    /// Use TEXT in place of {/.}
    #[arg(
        long = "basenameextensionreplace",
        alias = "bner",
        value_name = "TEXT",
        hide_short_help = true
    )]
    pub(crate) bare: Option<OsString>,

    /// Use TEXT in place of {#}
    #[arg(long = "seqreplace", value_name = "TEXT", hide_short_help = true)]
    pub(crate) seq: Option<OsString>,

    /// Use TEXT in place of {%}
    #[arg(long = "slotreplace", value_name = "TEXT", hide_short_help = true)]
    pub(crate) slot: Option<OsString>,
}
