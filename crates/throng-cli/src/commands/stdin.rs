//! `--stdin`: what commands read on stdin, except the data of `--pipe`.

use std::ffi::OsStr;
use std::io::IsTerminal;

use anyhow::Context;
use throng::Stdin;

use crate::commands::sources::Input;
use crate::options::Run;
use crate::sys;
use crate::template::{Pattern, PlaceholderSyntax, Substitutions};

/// What commands read on stdin, except the data of `--pipe`.
#[derive(Clone, Debug)]
pub(crate) enum StdinSpec {
    Nothing,
    /// Our own stdin.
    Ours,
    File(Pattern),
    Text(Pattern),
}

impl StdinSpec {
    pub(crate) fn new(
        args: &Run,
        language: &PlaceholderSyntax,
        input: &Input,
    ) -> anyhow::Result<StdinSpec> {
        let Some(what) = &args.pipe.stdin else {
            return Ok(StdinSpec::Nothing);
        };
        let pattern = |text: &OsStr| {
            Pattern::parse(text, language, &input.columns())
                .with_context(|| format!("--stdin \"{}\"", what.display()))
        };
        if what == "null" {
            Ok(StdinSpec::Nothing)
        } else if what == "inherit" {
            anyhow::ensure!(
                !input.reads_stdin(),
                "--stdin inherit: stdin is where the values come from"
            );
            // It would not be their controlling terminal, so nothing would keep them from reading
            // what is typed for a shell, or from leaving the terminal in other modes.
            anyhow::ensure!(
                !std::io::stdin().is_terminal(),
                "--stdin inherit: stdin is a terminal; --tty gives commands the terminal"
            );
            Ok(StdinSpec::Ours)
        } else if let Some(path) = what.as_encoded_bytes().strip_prefix(b"@") {
            let path = sys::os_string(path.to_vec())?;
            pattern(&path).map(StdinSpec::File)
        } else {
            pattern(what).map(StdinSpec::Text)
        }
    }

    /// The text with placeholders, if there is one.
    pub(crate) fn pattern(&self) -> Option<&Pattern> {
        match self {
            StdinSpec::File(pattern) | StdinSpec::Text(pattern) => Some(pattern),
            StdinSpec::Nothing | StdinSpec::Ours => None,
        }
    }

    /// Whether values go in here, and so not at the end of the command.
    pub(crate) fn takes_values(&self) -> bool {
        self.pattern().is_some_and(Pattern::has_placeholders)
    }

    pub(crate) fn uses_slot(&self) -> bool {
        self.pattern().is_some_and(Pattern::uses_slot)
    }

    pub(crate) fn stdin(&self, fill: &Substitutions<'_>) -> anyhow::Result<Stdin> {
        Ok(match self {
            StdinSpec::Nothing => Stdin::Null,
            StdinSpec::Ours => Stdin::Inherit,
            StdinSpec::File(path) => Stdin::File(path.os_string(fill)?.into()),
            StdinSpec::Text(text) => text.bytes(fill)?.into(),
        })
    }
}
